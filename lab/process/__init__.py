"""What watches a run: several at once, forward and back, with an error, step by step."""

"""The Reverse tab."""

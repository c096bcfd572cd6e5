"""What leaves the project: checkpoints with their cards, and the Space."""

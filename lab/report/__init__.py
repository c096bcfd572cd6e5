"""The report made again: its tables and figures, by this project's models."""

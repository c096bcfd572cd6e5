"""The Guidance tab."""

"""Runs that a visitor starts: which model, within which limits, and what is kept of them."""

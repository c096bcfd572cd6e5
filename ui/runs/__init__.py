"""What a visitor's press sets off: which model, within which limits, and what is kept of it."""

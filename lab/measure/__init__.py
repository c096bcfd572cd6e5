"""Figures of a model, each with all that it depends on."""

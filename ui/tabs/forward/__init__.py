"""The Forward process tab."""

"""The Reverse process tab."""

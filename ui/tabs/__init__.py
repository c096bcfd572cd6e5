"""The tabs of the page, and what several of them share."""

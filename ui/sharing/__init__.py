"""Links, files and the public API: how a run leaves the page and comes back."""

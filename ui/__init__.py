"""The visible half of the app: the player that paints a run, and the theme around it."""

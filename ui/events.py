"""How what a visitor does is answered: without Gradio's spinner, and not as a part of the API."""

from __future__ import annotations

QUIET = {"show_progress": "hidden", "api_visibility": "private"}
# Of two choices in a breath the second would be dropped otherwise.
LATEST = QUIET | {"trigger_mode": "always_last"}
EVERY = QUIET | {"trigger_mode": "multiple"}
# Not by way of the queue, which is looked at twenty times a second only.
AT_ONCE = QUIET | {"queue": False}

"""How what a visitor does is answered: without Gradio's spinner, and not as a part of the API."""

from __future__ import annotations

import gradio as gr

VISITORS = 32  # whose runs go on at a time, in turn; as many more wait in the queue

QUIET = {"show_progress": "hidden", "api_visibility": "private"}
# Of two choices in a breath the second would be dropped otherwise.
LATEST = QUIET | {"trigger_mode": "always_last"}
EVERY = QUIET | {"trigger_mode": "multiple"}
# Not by way of the queue, which is looked at twenty times a second only.
AT_ONCE = QUIET | {"queue": False}
# What runs a model. A new run overtakes the old one: a click never waits for what it replaces.
STREAM = EVERY | {"concurrency_id": "model", "concurrency_limit": VISITORS}


def arm(studio, visitor: gr.Request, place: str, yields: bool = False):
    """The ticket of what a visitor asks for at a place of the page; see ``Studio.arm``."""
    try:  # in milliseconds of their own clock, see browser/stream.js
        at = float(visitor.headers["x-asked-at"])
    except (AttributeError, KeyError, TypeError, ValueError):
        at = None
    return studio.arm((visitor.session_hash, place), at, yields)

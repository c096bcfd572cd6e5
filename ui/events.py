"""How events are wired: without Gradio's spinner, and hidden from the API; and how they fail."""

from __future__ import annotations

import logging

import gradio as gr

from ddpm_core import InvalidInput

VISITORS = 32  # run at a time, in turn; as many more wait in the queue

QUIET = {"show_progress": "hidden", "api_visibility": "private"}
# Otherwise the second of two quick choices would be dropped.
LATEST = QUIET | {"trigger_mode": "always_last"}
EVERY = QUIET | {"trigger_mode": "multiple"}
# Around the queue, which Gradio looks at only twenty times a second.
AT_ONCE = QUIET | {"queue": False}
# For events that run a model. A new run overtakes the old one, so that no click waits for it.
STREAM = EVERY | {"concurrency_id": "model", "concurrency_limit": VISITORS}


def arm(studio, visitor: gr.Request, place: str, yields: bool = False):
    """The ticket for a visitor's request at a place of the page; see ``Studio.arm``."""
    try:  # in milliseconds of their own clock, see browser/stream.js
        at = float(visitor.headers["x-asked-at"])
    except (AttributeError, KeyError, TypeError, ValueError):
        at = None
    return studio.arm((visitor.session_hash, place), at, yields)


def words_of(error: Exception, failed: str) -> str:
    """What a visitor is told of an error: why a request is refused, or ``failed``, noted in the
    log."""
    if isinstance(error, InvalidInput):
        return str(error)
    logging.error(failed, exc_info=error)
    return failed

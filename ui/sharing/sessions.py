"""Sessions without the copy of the whole page that Gradio keeps in each.

Only deep links read that copy, and the page offers none. Making it takes a tenth of a second, in
which the server hears nobody; it takes half a megabyte, and every value that is shown is kept in it
as well.
"""

from __future__ import annotations

from copy import copy

from gradio.state_holder import SessionState

# Sessions. A page whose session was dropped gets a new one with its next event.
KEPT = 256


def lighten() -> None:
    """Let Gradio make every session from now on without the copy."""
    SessionState.__init__ = _begin
    SessionState._update_config = SessionState._update_value_in_config = _keep_nothing


def _begin(session: SessionState, blocks) -> None:
    session.blocks_config = copy(blocks.default_config)
    session.config_values = {}
    session.state_data = {}
    session._state_ttl = {}
    session.is_closed = False
    session.STATE_TTL_WHEN_CLOSED = 3600  # seconds, as Gradio has it


def _keep_nothing(*_) -> None:
    pass

"""What the server keeps of everyone who was here."""

from __future__ import annotations

import tracemalloc

from gradio.state_holder import SessionState

from ui.page import build


def test_a_visitor_costs_little_memory():
    page = build()
    SessionState(page)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = [SessionState(page) for _ in range(20)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(kept) < 100_000

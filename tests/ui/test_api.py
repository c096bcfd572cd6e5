"""The public API among the page's visitors: whose places it takes, and when it lets them go."""

from __future__ import annotations

import gradio as gr

from ui import api, stage
from ui.runs import CALLS, VISITORS, Studio


def test_calls_take_none_of_the_places_of_visitors():
    with gr.Blocks() as blocks:
        api.expose(Studio())
    for function in blocks.fns.values():
        assert function.concurrency_id != stage.STREAM["concurrency_id"]
        assert function.concurrency_limit == CALLS < VISITORS

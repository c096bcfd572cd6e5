"""What ships with the page, so that nothing on it opens empty."""

from types import SimpleNamespace

import gradio as gr
import pytest

from ui.runs.runs import Studio
from ui.tabs.forward import forward
from ui.tabs.guidance import guidance
from ui.widgets.sketch import sketch

VISITOR = SimpleNamespace(session_hash="somebody", headers={})


@pytest.fixture(scope="module")
def tabs():
    studio = Studio()
    with gr.Blocks():
        return guidance.build(studio), forward.build(studio)


def test_no_tool_opens_empty(tabs):
    tools = [tool for tab in tabs for tool in tab.tools]
    values = {tool.place: tool.shows.value for tool in tools}
    assert all(v.get("points") or v.get("recorded") for v in values.values()), values.keys()


def test_what_was_made_of_the_first_digit_goes_with_it(tabs):
    tab = tabs[1]
    marks = [tool.made_of.value for tool in tab.tools]
    for digit, stays in ((forward.FIRST, True), (7, False)):
        news = tab.noise(VISITOR, sketch.digit(digit), "mnist-conditional", 0, *marks)
        assert [tool.shows not in news for tool in tab.tools] == [stays] * len(tab.tools)

"""The controls of a tab name the run that they were set to."""

import gradio as gr
import pytest

from ddpm_core import Request
from ui.page import tile_of
from ui.runs.runs import Key, Studio
from ui.tabs.reverse import reverse


@pytest.fixture(scope="module")
def single():
    with gr.Blocks():
        return reverse.build(Studio())[0]


def control_values(tab, key) -> list:
    """The values of the controls that are set to a run."""
    updates = tab.set_to(key)
    values = [updates[part] for part in tab.controls.inputs]
    return [value["value"] if isinstance(value, dict) else value for value in values]


@pytest.mark.parametrize(
    "request_",
    [
        Request(n=4, label=3, toward=8),
        Request(n=4, label=3, mix=5, toward=0),
        Request(n=4, label="all", toward=8),
        Request(n=4, label="all", first=2),
    ],
)
def test_a_tile_that_is_opened_alone_is_sampled_there_as_it_was(single, request_):
    for tile in range(4):
        key = tile_of(single.studio, Key("mnist-conditional", request_), tile)
        assert single.read(control_values(single, key)) == key


def test_a_list_that_is_merely_left_runs_nothing(single):
    model, visitor = single.studio.model("mnist-linear"), gr.Request(session_hash="a visitor")
    key = Key("mnist-linear", single.default_for(model))
    values = control_values(single, key)
    assert list(single.start_new(visitor, key, *values)) == [single.silence]
    assert any(single.stage in news for news in single.start_new(visitor, None, *values))

"""What the controls of a tab spell is the run that they were set to."""

import gradio as gr
import pytest

from ddpm_core import Request
from ui.page import tile_of
from ui.runs.runs import Key, Studio
from ui.tabs.reverse import reverse


@pytest.fixture(scope="module")
def single():
    with gr.Blocks():
        return reverse.build(Studio()).single


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
        updates = single.set_to(key)
        values = [updates[part] for part in single.controls.inputs]
        values = [it["value"] if isinstance(it, dict) else it for it in values]
        assert single.read(values) == key

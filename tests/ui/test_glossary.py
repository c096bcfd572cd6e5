"""Whatever stands on the page can be asked what it is."""

import gradio as gr
import pytest

from ddpm_core import SAMPLERS
from ui.glossary import glossary
from ui.page import build

# Their labels say all there is to say, or are read by assistive technology alone.
PLAIN = {"Link", "Python", "Command line", "keys"}


@pytest.fixture(scope="module")
def controls():
    kinds = gr.Slider, gr.Radio, gr.Dropdown, gr.Number, gr.Checkbox, gr.Textbox
    blocks = build().blocks.values()
    return {b.label for b in blocks if isinstance(b, kinds) and b.label and b.elem_id}


def test_every_control_of_the_page_is_explained(controls):
    unexplained = controls - PLAIN - set(glossary())
    assert not {name for name in unexplained if not name.startswith("Single keys")}


def test_every_sampler_is_explained():
    assert {sampler.label for sampler in SAMPLERS.values()} <= set(glossary())


def test_a_definition_is_short_enough_to_be_read_in_passing():
    assert {name: text for name, text in glossary().items() if len(text) > 200} == {}

"""All that stands on the page is explained."""

import gradio as gr
import pytest

from ddpm_core import SAMPLERS
from ddpm_core.guidance import GUIDANCE
from ui.glossary import explained, glossary
from ui.page import build
from ui.tabs.guidance import guidance_controls
from ui.widgets.player.player import PANES

KEYS = "Single keys"  # the label says all there is to say


@pytest.fixture(scope="module")
def blocks():
    return build().blocks.values()


def test_every_control_and_every_tool_of_the_page_is_explained(blocks):
    kinds = gr.Slider, gr.Radio, gr.Dropdown, gr.Number, gr.Checkbox, gr.Textbox
    controls = {b.label for b in blocks if isinstance(b, kinds) and b.label and b.elem_id}
    rows = [b for b in blocks if isinstance(b, gr.Tabs) and "instruments" in b.elem_classes]
    tools = {tab.label for row in rows for tab in row.children if isinstance(tab, gr.Tab)}
    names = {name for name in controls | tools if not name.startswith(KEYS)}
    assert len(names) > 40 and names <= set(glossary())


def test_every_choice_that_is_marked_as_a_term_and_what_a_stage_shows_is_explained(blocks):
    marked = [b for b in blocks if isinstance(b, gr.Radio) and "terms" in " ".join(b.elem_classes)]
    chips = {name for radio in marked for name, _ in radio.choices}
    assert {sampler.label for sampler in SAMPLERS.values()} <= chips
    terms = {pane.term for pane in PANES.values()}
    methods = {name for m in GUIDANCE.values() for name in (m.label, m.symbol) if name}
    assert chips | terms | methods | set(guidance_controls.METHODS.values()) <= set(glossary())


def test_a_term_that_nothing_explains_is_not_marked():
    with pytest.raises(KeyError):
        explained("[[gibberish]]")

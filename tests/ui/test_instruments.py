"""The instruments under the Guidance stage, called as their page calls them."""

from __future__ import annotations

from types import SimpleNamespace

import gradio as gr
import pytest

from ddpm_core import Request
from ui import guidance, steering
from ui.runs import Key, Studio

VISITOR = SimpleNamespace(session_hash="someone")
QUICK = {"label": 3, "steps": 2, "sampler": "ddim", "seed": 0}
BOTH = Key(
    "mnist-conditional",
    Request(**QUICK, guidance="cfg", guidance_scale=2.0),
    (Request(**QUICK, guidance="classifier-noisy", guidance_scale=5.0),),
)


@pytest.fixture
def strip():
    """The film strip of one of two methods, as asked for at a moment: the news of it."""
    studio = Studio()
    with gr.Blocks() as page:
        guidance.build(studio)
    spelled = steering.spelled(BOTH)
    values = [spelled[name] for name in steering.NAMES]
    stands = studio.settled(steering.read(values))
    sheet = next(it for it in page.blocks.values() if it.elem_id == "guidance-strip")
    draws = [f.fn for f in page.fns.values() if f.outputs[:1] == [sheet]]

    def draw(method, at):
        made = draws[0]("strip", stands, method, VISITOR, *values, at)
        found = [news[sheet] for news in made if sheet in news]
        return [value for value in found if "kind" in value]

    return draw


def test_of_two_methods_that_are_under_way_at_once_the_one_chosen_last_is_drawn(strip):
    """On a busy machine the server may hear of the second choice first."""
    [dim, second] = strip("classifier", at=2.0)
    assert (dim["kind"], second["kind"], second["symbol"]) == ("pending", "contact", "λ")
    assert strip("cfg", at=1.0) == []
    [_, third] = strip("cfg", at=3.0)
    assert third["symbol"] == "s" and third["order"] > second["order"]

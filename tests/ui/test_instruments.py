"""The views under the Guidance stage, called as their page calls them."""

from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest

from ddpm_core import InvalidInput, Request
from lab.measure import metrics
from ui.runs import runs
from ui.runs.runs import Key, Studio
from ui.tabs.guidance import guidance, guidance_controls, guidance_tools
from ui.tabs.tool import FAILED

VISITOR = SimpleNamespace(session_hash="someone")
QUICK = {"label": 3, "steps": 2, "sampler": "ddim", "seed": 0}
BOTH = Key(
    "mnist-conditional",
    Request(**QUICK, guidance="cfg", guidance_scale=2.0),
    (Request(**QUICK, guidance="classifier-noisy", guidance_scale=5.0),),
)


def is_branch(function) -> bool:
    return isinstance(getattr(function, "__self__", None), guidance_tools.Branch)


def visitor_at(moment):
    """A visitor, at a moment of their clock."""
    return SimpleNamespace(session_hash="someone", headers={"x-asked-at": str(moment)})


class Tab:
    """The tab, whose tools are called as their page calls them."""

    def __init__(self):
        self.studio = Studio()
        with gr.Blocks() as self.page:
            self.run_tab = guidance.build(self.studio)
        self.parts, self.spelled = self.run_tab.controls.parts, guidance_controls.spelled(BOTH)
        self.strip, self.atlas, self.plot = self.run_tab.tools

    def values(self, **changes):
        return [(self.spelled | changes)[name] for name in guidance_controls.NAMES]

    def film_strip(self, method, at, **changes):
        """What the strip shows, in order."""
        values = self.values(**changes)
        key = self.studio.settled(guidance_controls.read(values))
        news = list(self.strip.draw(visitor_at(at), method, key, *values))
        return [update[self.strip.shows] for update in news if "kind" in update[self.strip.shows]]


@pytest.fixture(scope="module")
def tab():
    return Tab()


def test_of_two_methods_that_are_under_way_at_once_the_one_chosen_last_is_drawn(tab):
    """On a busy machine the server may hear of the second choice first."""
    dim, *_, second = tab.film_strip("classifier", at=2.0)
    assert (dim["kind"], second["kind"], second["symbol"]) == ("pending", "contact", "λ")
    assert tab.film_strip("cfg", at=1.0) == []
    *_, third = tab.film_strip("cfg", at=3.0)
    assert third["symbol"] == "s" and third["order"] > second["order"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": None}, "Without guidance there are no scales"),
        ({"seed": -1}, "seed must be between 0 and"),
    ],
)
def test_what_cannot_be_drawn_ends_the_atlas_that_is_being_drawn(tab, changes, message):
    atlas = tab.atlas.shows
    under_way = tab.atlas.run(VISITOR, "cfg", *tab.values(steps=10))
    before = next(news[atlas] for news in under_way if atlas in news)
    [refused] = (news[atlas] for news in tab.atlas.run(VISITOR, "cfg", *tab.values(**changes)))
    assert refused["message"].startswith(message) and refused["order"] > before["order"]
    assert not any(news[atlas].get("live") is False for news in under_way if atlas in news)


def test_another_model_leaves_the_method_that_it_has_to_the_visitor(tab):
    fit, method, kind = tab.run_tab.fit, tab.parts["method"], tab.parts["kind"]
    updates = fit("mnist-linear", "both", "classifier", "beta", "3")
    assert updates[method]["value"] == "classifier" and "value" not in updates[kind]
    updates = fit("cifar10-conditional", "both", "classifier", "beta", "3")
    assert "value" not in updates[method] and "value" not in updates[tab.parts["label"]]
    # The variance is the one that the model learned; another model has none.
    updates = fit("mnist-cosine-learned", "both", "classifier", "beta", "3")
    assert updates[tab.parts["variance"]]["value"] == "learned"
    updates = fit("mnist-linear", "both", "classifier", "learned", "3")
    assert updates[tab.parts["variance"]]["value"] == "beta"


def test_nothing_is_branched_from_a_preview_while_the_whole_run_is_under_way(tab):
    branch = next(f.fn.__self__ for f in tab.page.fns.values() if is_branch(f.fn))
    key = tab.run_tab.fitting(guidance_controls.read(tab.values(method="cfg", steps=20)))
    under_way = tab.run_tab.quietly(VISITOR, key)
    next(under_way)
    (refused,) = branch.start(VISITOR, 0, "", "4", "", guidance.quick(key))
    assert "whole run" in refused[branch.note]
    assert not next(branch.start(VISITOR, 0, "", "4", "", key))[branch.note]
    under_way.close()


def test_guidance_acts_in_the_tools_where_it_acts_on_the_stage(tab):
    for method in ("cfg", "both"):
        key = guidance_controls.read(tab.values(method=method, interval=(300, 600)))
        for measured in ("cfg", "classifier") if method == "both" else ("cfg",):
            request = guidance_controls.one(key, measured)
            assert (request.t_low, request.t_high) == (300, 600)
    # The upper handle at its end is the end of any model.
    key = guidance_controls.read(tab.values(interval=(300, 999)))
    assert key.requests[-1].t_high is None
    beyond = Key("mnist-conditional", Request(guidance="cfg", guidance_scale=2, t_low=1500))
    with pytest.raises(InvalidInput, match="t_low, on this page,"):
        guidance_controls.check(beyond)


def measurement(tab, count="20", **changes):
    """What the plot shows, in order."""
    news = tab.plot.run(VISITOR, count, "cfg", *tab.values(**changes))
    return [update[tab.plot.shows] for update in news]


def test_a_branch_by_another_method_leaves_the_controls_at_the_run_it_leaves():
    trunk = BOTH.requests[0]
    other = replace(BOTH.requests[1], label=trunk.label, seed=trunk.seed, t_low=100)
    branch = Key(BOTH.model, trunk, (other,), branch_at=3)
    assert guidance_controls.spelled(branch) == guidance_controls.spelled(branch.trunk)


def test_a_measurement_is_bounded_and_takes_its_part_of_the_memory(tab, monkeypatch):
    monkeypatch.setattr(tab.studio.engine, "advance", lambda *_: pytest.fail("it was begun"))
    *_, large = measurement(tab, "200", steps=20)
    assert "56,000 denoisings, more than the 20,000 done at a time" in large["message"]
    monkeypatch.setattr(runs, "RUNNING_BYTES", 1000)
    with tab.studio.room(1000):
        *_, full = measurement(tab)
    assert full["message"].startswith("the page is full")
    for last in (large, full):
        assert not last["running"] and last["points"] == []


def test_a_measurement_that_fails_says_so_and_rests(tab, monkeypatch):
    original, count = metrics.measuring, iter(range(100))

    def measuring(*args, **kwargs):
        for figures in original(*args, **kwargs):
            if next(count) == 10:
                raise RuntimeError("the engine stands still")
            yield figures

    monkeypatch.setattr(runs, "measuring", measuring)
    *_, last = measurement(tab)
    assert not last["running"] and last["message"] == FAILED
    assert 0 < len(last["points"]) < 7
    assert tab.studio._running == 0

"""Traces and branches: a run's reports are kept, and it can go on from any of its states."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from ddpm_core.data import to_pictures
from ddpm_core.diffusion import x0_from_eps
from ddpm_core.errors import InvalidInput
from ddpm_core.guides import classifier_for
from ddpm_core.request import Request
from ddpm_core.sampling import Run, branch, film
from lab.process import trace
from lab.process.trace import NUMBERS, Trace, reported

ask = partial(Request, n=2, steps=6, dtype="float32")
SAMPLERS = {
    "ddpm": {"sampler": "ddpm"},
    "ddim-1": {"sampler": "ddim", "eta": 1.0},
    "dpm": {"sampler": "dpm_solver_pp"},
}
GUIDANCE = {
    "none": {},
    "cfg-interval": {"guidance": "cfg", "t_low": 10, "t_high": 30},
    "classifier": {"guidance": "classifier", "at": "x0", "t_high": 30},
    "noisy": {"guidance": "classifier-noisy"},
}
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
every_guidance = pytest.mark.parametrize("guidance", GUIDANCE.values(), ids=GUIDANCE)

pytestmark = pytest.mark.usefixtures("classifiers")


def traced(run, previous=None):
    """A finished trace, and the steps it recorded."""
    tr = Trace(run)
    before = previous and previous.x
    return tr, list(tr.record(reported(run, previous=previous), before))


def assert_same_step(ours, expected):
    assert (ours.index, ours.t, ours.t_next) == (expected.index, expected.t, expected.t_next)
    for name in ("x", "x0", "eps"):
        assert torch.equal(getattr(ours, name), getattr(expected, name))


def test_reported_steps_are_those_of_the_run_and_tell_what_the_judge_sees(model):
    run = Run(model, ask(guidance="cfg"))
    judge = classifier_for(model, "judge")
    for step, expected in zip(reported(run), run.steps(), strict=True):
        assert_same_step(step, expected)
        p = judge.log_probs(step.x0.clamp(-1, 1), 1.0).exp()
        assert torch.equal(step.extras["p"], p)


def test_a_trace_is_what_the_steps_told(model):
    requests = [ask(), ask(guidance="cfg"), ask(n=1, guidance="classifier")]
    run = Run(model, requests)
    tr, steps = traced(run)
    assert tr.indices == [*range(1, 7)]
    assert tr.t == run.timesteps
    assert tr.abar == [model.schedule.abar(t) for t in run.timesteps]
    assert (tr.p.shape, tr.push.shape, tr.cond.shape) == ((6, 5, 10), (6, 5, 8, 8), (6, 5, 8, 8, 1))
    x = run.start
    for i, step in enumerate(steps):
        extras = step.extras
        np.testing.assert_array_equal(tr.p[i], extras["p"])
        for name in NUMBERS:
            np.testing.assert_array_equal(getattr(tr, name)[i], extras[name])
        for name in ("push", "gradient"):
            np.testing.assert_array_equal(getattr(tr, name)[i], extras[name].mean(1))
        for name, rows in (("uncond", slice(2, 5)), ("cond", slice(2, 4))):
            predicted = to_pictures(x0_from_eps(model.schedule, x, step.t, extras[name]))
            np.testing.assert_array_equal(getattr(tr, name)[i][rows], predicted[rows])
        np.testing.assert_array_equal(tr.guided[i], to_pictures(step.x0))
        x = step.x
    # Nothing reported leaves gaps.
    assert np.isnan(tr.strength).all(0).tolist() == [True] * 2 + [False] * 3
    assert np.isnan(tr.gradient).all((0, 2, 3)).tolist() == [True] * 4 + [False]
    assert (tr.uncond[:, :2] == 128).all() and (tr.cond[:, [0, 1, 4]] == 128).all()
    np.testing.assert_allclose(tr.p.sum(2), 1, rtol=1e-5)


def test_with_an_error_in_the_walk_all_is_told_by_the_table_that_it_goes_by(model):
    """At scale 0 the guided prediction is the unconditional one."""
    request = ask(guidance="cfg", guidance_scale=0.0, fault="off-by-one", clip=False, label=3)
    run = Run(model, request)
    tr, steps = traced(run)
    np.testing.assert_array_equal(tr.uncond, tr.guided)
    assert tr.abar == [run.schedule.abar(step.t) for step in steps]
    assert tr.abar != [model.schedule.abar(step.t) for step in steps]


@every_sampler
@every_guidance
def test_any_state_comes_back_to_the_last_bit(model, monkeypatch, sampler, guidance):
    monkeypatch.setattr(trace, "KEEP", 2)
    tr, steps = traced(Run(model, ask(**sampler, **guidance)))
    for step in steps:
        assert_same_step(tr.state(step.index), step)


@pytest.mark.parametrize("keep", [1, 24])
def test_a_trace_may_begin_where_another_run_stood(model, monkeypatch, keep):
    """The state of a branch comes from the branch, not from a run of its own from the start."""
    monkeypatch.setattr(trace, "KEEP", keep)
    _, steps = traced(Run(model, ask(sampler="ddpm")))
    run = Run(model, ask(sampler="ddpm", seed=5, guidance="cfg"))
    tr, later = traced(run, previous=steps[3])
    assert tr.indices == [5, 6]
    for step in later:
        assert_same_step(tr.state(step.index), step)
    first = x0_from_eps(model.schedule, steps[3].x, later[0].t, later[0].extras["uncond"])
    np.testing.assert_array_equal(tr.uncond[0], to_pictures(first))
    for index in (4, 7, 5.5):
        with pytest.raises(InvalidInput, match="step must be"):
            tr.state(index)
    with pytest.raises(InvalidInput, match="no step"):
        Trace(run).state(1)


def test_a_trace_too_large_is_refused_before_memory_is_taken(model, monkeypatch):
    run = Run(model, ask(n=4, steps=20, guidance="cfg"))
    tr, _ = traced(run)
    monkeypatch.setattr(trace, "MAX_BYTES", tr.nbytes)
    Trace(run)
    monkeypatch.setattr(trace, "MAX_BYTES", tr.nbytes - 1)
    with pytest.raises(InvalidInput, match="4 images and 20 steps.*fewer images or steps"):
        Trace(run)


@every_sampler
@every_guidance
def test_a_branch_with_nothing_changed_is_the_run_itself(model, sampler, guidance):
    request = ask(**sampler, **guidance)
    alone = film(model, request)
    for at in (0, 3, 6):
        ticks = []
        both = branch(model, request, request, at, ticks.append)
        for pane in ("x", "x0"):
            for half in (slice(0, 2), slice(2, 4)):
                np.testing.assert_array_equal(getattr(both, pane)[:, half], getattr(alone, pane))
        assert both.t == alone.t
        assert both.finished and ticks == [1] * 6


CHANGES = {
    "label": {"label": 7},
    "scale": {"guidance_scale": 9},
    "method": {"guidance": "classifier", "guidance_scale": 30},
    "seed": {"seed": 4},
}


@every_sampler
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_branch_differs_after_its_step_only(model, sampler, change, at=3):
    request = ask(label=2, guidance="cfg", guidance_scale=2, **sampler)
    both = branch(model, request, replace(request, **change), at)
    np.testing.assert_array_equal(both.x[: at + 1, :2], both.x[: at + 1, 2:])
    np.testing.assert_array_equal(both.x0[: at + 1, :2], both.x0[: at + 1, 2:])
    np.testing.assert_array_equal(both.x[:, :2], film(model, request).x)
    # Without noise of its own along the way, another seed changes nothing after the start.
    changed = "seed" not in change or sampler["sampler"] != "dpm_solver_pp"
    assert np.array_equal(both.x[at + 2 :, :2], both.x[at + 2 :, 2:]) != changed


def test_a_branch_that_cannot_be_is_refused(model):
    with pytest.raises(InvalidInput, match="as many images"):
        branch(model, ask(), ask(n=3), 4)

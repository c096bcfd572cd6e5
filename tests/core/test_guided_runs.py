"""Guided runs: every image is as it would be alone, whatever stands beside it."""

from functools import partial

import pytest
import torch

from ddpm_core.denoiser import Prediction
from ddpm_core.errors import InvalidInput
from ddpm_core.guidance import SITES
from ddpm_core.request import Request
from ddpm_core.samplers import SAMPLERS
from ddpm_core.sampling import Run, scale_sheet

ask = partial(Request, n=3, steps=6, dtype="float32")
GUIDANCE = {
    "cfg": {"guidance": "cfg", "guidance_scale": 4},
    "cfg-rescaled": {"guidance": "cfg", "guidance_scale": 4, "rescale": 0.7},
    "cfg-interval": {"guidance": "cfg", "t_low": 15, "t_high": 35, "profile": "late"},
    **{f"classifier-{at}": {"guidance": "classifier", "at": at} for at in SITES},
    "classifier-plain": {"guidance": "classifier", "form": "plain"},
    "classifier-noisy": {"guidance": "classifier-noisy", "profile": "early"},
    "mixture": {"guidance": "cfg", "mix": 7, "share": 0.3},
}
every_guidance = pytest.mark.parametrize("guidance", GUIDANCE.values(), ids=GUIDANCE)
close = {"rtol": 0, "atol": 1e-4}

pytestmark = pytest.mark.usefixtures("classifiers")


def last(run: Run):
    return list(run.steps())[-1].x


# --- one request ---


@every_guidance
def test_an_image_alone_is_the_same_in_a_batch_and_guided(model, guidance):
    """No λ is divided by the number of images, and no path for small batches differs."""
    request, number = ask(n=16, **guidance), 11
    whole, alone = Run(model, request), Run(model, request, images=[number])
    for many, one in zip(whole.steps(report=True), alone.steps(report=True), strict=True):
        for name in ("x", "x0"):
            ours = getattr(many, name)[number]
            torch.testing.assert_close(ours, getattr(one, name)[0], **close)
        for name in ("push_norm", "strength"):
            ours = many.extras[name][number]
            torch.testing.assert_close(ours, one.extras[name][0], rtol=1e-3, atol=1e-4)
    unguided = last(Run(model, ask(n=16), images=[number]))
    assert not torch.allclose(one.x, unguided, **close)


@pytest.mark.parametrize("at", SITES)
def test_a_classifier_raises_the_probability_that_it_sees(classifiers, plain, at):
    def confidence(scale):
        request = ask(n=10, guidance="classifier", guidance_scale=scale, at=at, label=3)
        x = last(Run(plain, request))
        return classifiers["mnist-classifier"].log_probs(x)[:, 3].mean()

    assert confidence(-20) < confidence(0) < confidence(20)


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("factor", [1e30, float("nan")])
def test_numbers_out_of_range_are_told(model, sampler, factor):
    run = Run(model, ask(n=1))

    def denoiser(x, t):
        return Prediction(factor * x)

    steps = sampler(denoiser, model.schedule, run.start, run.timesteps, run.noise, clip=False)
    with pytest.raises(InvalidInput, match="out of range at t = .*smaller guidance scale"):
        list(steps)


# --- a mixture of classes ---


@pytest.mark.parametrize(
    ("method", "share", "label"), [("none", 0, 3), ("cfg", 1, 8), ("classifier", 1, 8)]
)
def test_the_ends_of_a_mixture_are_the_two_classes(model, method, share, label):
    mixed = last(Run(model, ask(label=3, mix=8, share=share, guidance=method)))
    pure = last(Run(model, ask(label=label, guidance=method)))
    torch.testing.assert_close(mixed, pure, **close)


# --- requests side by side ---


def assert_each_as_alone(model, requests):
    together = Run(model, requests)
    alone = [Run(model, r) for r in requests]
    assert together.images == [k for run in alone for k in run.images]
    assert together.labels == [label for run in alone for label in run.labels]
    assert torch.equal(together.start, torch.cat([run.start for run in alone]))
    walks = zip(*(run.steps() for run in alone), strict=True)
    for step, parts in zip(together.steps(), walks, strict=True):
        torch.testing.assert_close(step.x, torch.cat([part.x for part in parts]), **close)
        torch.testing.assert_close(step.x0, torch.cat([part.x0 for part in parts]), **close)


def test_requests_side_by_side_are_each_as_alone(model):
    kinds = [{}, *GUIDANCE.values(), {"label": "none"}, {"mix": 4}]
    assert_each_as_alone(
        model, [ask(n=1 + i % 3, sampler="ddpm", **kind) for i, kind in enumerate(kinds)]
    )
    base = {"guidance": "cfg", "sampler": "dpm_solver_pp"}
    changes = [{"seed": 1}, {"seed": 2, "first": 9}, {"seed": 1, "label": 4}]
    changes += [{"seed": 1, "guidance_scale": 7}, {"n": 5, "profile": "early"}]
    assert_each_as_alone(model, [ask(**base | change) for change in changes])


def test_requests_that_walk_differently_are_refused(model):
    with pytest.raises(InvalidInput, match="side by side must agree in spacing"):
        Run(model, [ask(), ask(spacing="quadratic")])


# --- sheets ---


def test_a_sheet_has_a_row_for_every_class_and_a_column_for_every_scale(model):
    sheet = scale_sheet(ask(n=9, first=4, guidance="cfg", seed=6), [0.5, 2], labels=[7, 1])
    assert [(r.label, r.guidance_scale) for r in sheet] == [(7, 0.5), (7, 2), (1, 0.5), (1, 2)]
    assert {(r.n, r.first, r.seed) for r in sheet} == {(1, 4, 6)}
    start = Run(model, sheet).start
    assert torch.equal(start, start[:1].expand_as(start))
    assert [r.label for r in scale_sheet(ask(guidance="cfg", label=2), [1, 2])] == [2, 2]
    with pytest.raises(InvalidInput, match="guidance"):
        scale_sheet(ask(), [1, 2])

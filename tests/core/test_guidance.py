"""Guidance: against what can be worked out by hand, and against finite differences."""

import math
from functools import partial

import pytest
import torch

from ddpm_core.denoiser import Prediction
from ddpm_core.diffusion import v_from_eps, x0_from_eps
from ddpm_core.guidance import FORMS, SITES, ClassifierFree, ClassifierGuided, Strength
from ddpm_core.schedules import NoiseSchedule
from tests.support.toys import toy_denoiser

SCHEDULE = NoiseSchedule.make("linear", 100, start=1e-3, end=0.2)
LAST = SCHEDULE.num_timesteps - 1
PIXELS, CLASSES = 16, 5
every_site = pytest.mark.parametrize("at", SITES)
every_time = pytest.mark.parametrize("t", [0, 7, 30])
same = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)


class LinearClassifier:
    """ln p(k | x) = ln softmax(W x)_k, whose gradient is W_k less the mean of W under p."""

    def __init__(self):
        generator = torch.Generator().manual_seed(3)
        weights = torch.randn(CLASSES, PIXELS, generator=generator, dtype=torch.float64)
        self.weights, self.levels = 0.4 * weights, []

    def log_probs(self, x, abar):
        self.levels.append(abar)
        return (x.flatten(1) @ self.weights.to(x.dtype).T).log_softmax(1)

    def gradient(self, x, targets):
        p = (x.flatten(1) @ self.weights.T).softmax(1)
        return ((targets - p) @ self.weights).view_as(x)


TOY = LinearClassifier()


def state(n=3):
    return torch.randn(n, 1, 4, 4, dtype=torch.float64)


def one_hot(*classes):
    return torch.eye(CLASSES, dtype=torch.float64)[list(classes)]


def constant(*values):
    return lambda t: torch.tensor(values)


def guided(values, targets=None, toy=TOY, denoiser=toy_denoiser, **options):
    targets = one_hot(*range(len(values))) if targets is None else targets
    strength = constant(*values)
    return ClassifierGuided(denoiser, toy.log_probs, targets, strength, SCHEDULE, **options)


# --- classifier guidance ---


@every_time
@pytest.mark.parametrize("form", FORMS)
def test_eps_is_that_of_equation_11_and_its_scaled_form(form, t):
    x, targets = state(), one_hot(4, 0, 2)
    factor = {"plain": 1.0, "scaled": math.sqrt(1 - SCHEDULE.abar(t))}[form]
    strength = torch.tensor([2, 5, -1]).double().view(-1, 1, 1, 1)
    expected = toy_denoiser(x, t).eps - strength * factor * TOY.gradient(x, targets)
    same(guided([2.0, 5.0, -1.0], targets, form=form)(x, t).eps, expected)


def central_differences(f, x, h=1e-6):
    """The gradient of f(x), one number per image, from two values per pixel."""
    nudges = h * torch.eye(PIXELS, dtype=x.dtype).view(PIXELS, *x.shape[1:])
    return torch.stack([(f(x + n) - f(x - n)) / (2 * h) for n in nudges], dim=1).view_as(x)


@every_time
@every_site
@pytest.mark.parametrize("clip", [True, False])
def test_the_gradient_is_that_of_what_the_classifier_sees(at, clip, t):
    x, targets = state(), one_hot(1, 2, 3)
    fixed_eps = toy_denoiser(x, t).eps

    def log_p(x):
        image, eps = x, toy_denoiser(x, t).eps if at == "x0-through" else fixed_eps
        if at != "x":
            image = x0_from_eps(SCHEDULE, x, t, eps)
            image = image.clamp(-1, 1) if clip else image
        return (TOY.log_probs(image, 1.0) * targets).sum(1)

    with torch.no_grad():
        prediction = guided([1.0] * 3, targets, at=at, clip=clip)(x, t)
    expected = central_differences(log_p, x)
    torch.testing.assert_close(prediction.extras["gradient"], expected, rtol=1e-5, atol=1e-7)
    # No graph is kept alive, not by the state that was given either.
    assert not any(v.requires_grad for v in (x, prediction.eps, *prediction.extras.values()))


@every_site
def test_the_classifier_is_told_how_noisy_what_it_sees_is(at):
    toy = LinearClassifier()
    guided([1.0] * 3, toy=toy, at=at)(state(), 42)
    assert toy.levels == [SCHEDULE.abar(42) if at == "x" else 1.0]


def test_lambda_0_is_the_denoiser_itself_and_costs_no_classifier():
    x, toy = state(), LinearClassifier()
    same(guided([0.0] * 3)(x, 20).eps, toy_denoiser(x, 20).eps)
    prediction = guided([0.0] * 3, toy=toy, complete=False)(x, 20)
    assert torch.equal(prediction.eps, toy_denoiser(x, 20).eps)
    assert (toy.levels, dict(prediction.extras)) == ([], {})


# --- classifier-free guidance ---


def unconditional(x, t):
    return Prediction(0.5 * x.roll(2, dims=-1) - 0.2)


def both_at_once(x, t):
    """Conditional first."""
    first, second = x.chunk(2)
    return Prediction(torch.cat([toy_denoiser(first, t).eps, unconditional(second, t).eps]))


def free(values, schedule=SCHEDULE, **options):
    return ClassifierFree(toy_denoiser, unconditional, constant(*values), schedule, **options)


def test_s_0_is_unconditional_and_s_1_conditional_to_the_last_bit():
    x = state()
    for s, denoiser in ((0.0, unconditional), (1.0, toy_denoiser)):
        assert torch.equal(free([s] * 3)(x, 20).eps, denoiser(x, 20).eps)
    mixed = free([1.0, 3.0, 0.0])(x, 20).eps
    assert torch.equal(mixed[0], toy_denoiser(x, 20).eps[0])
    assert torch.equal(mixed[2], unconditional(x, 20).eps[2])


@pytest.mark.parametrize("s", [-50, -0.5, 0.3, 2, 50])
def test_s_is_w_plus_1_of_ho_and_salimans_and_acts_linearly(s):
    x, w = state(2), s - 1
    cond, uncond = toy_denoiser(x, 20).eps, unconditional(x, 20).eps
    expected = (1 + w) * cond - w * uncond
    # Strengths are float32.
    torch.testing.assert_close(free([s, s])(x, 20).eps, expected, rtol=1e-5, atol=1e-5)


def test_one_call_on_both_halves_is_two_calls():
    x = state()
    two, one = free([3.0] * 3)(x, 20), free([3.0] * 3, joint=both_at_once)(x, 20)
    same(one.eps, two.eps)
    for name in two.extras:
        same(one.extras[name], two.extras[name])


@pytest.mark.parametrize("s", [0.0, 1.0, 6.0])
@pytest.mark.parametrize("schedule", [SCHEDULE, NoiseSchedule.make("straight", 100)])
def test_a_full_rescale_takes_over_the_standard_deviation_of_the_velocity_of_cond(schedule, s):
    def spread(eps):
        return v_from_eps(schedule, x0_from_eps(schedule, x, 20, eps), 20, eps).flatten(1).std(1)

    x = state()
    plain, half, full = (
        free([s] * 3, schedule=schedule, rescale=share)(x, 20).eps for share in (0.0, 0.5, 1.0)
    )
    torch.testing.assert_close(spread(full), spread(toy_denoiser(x, 20).eps))
    torch.testing.assert_close(half, (full + plain) / 2)


@pytest.mark.parametrize("joint", [None, both_at_once])
@pytest.mark.parametrize("rescale", [0.0, 0.7])
@pytest.mark.parametrize("s", [0.0, 0.4, 1.0, 3.0])
def test_leaving_out_what_is_not_needed_changes_no_bit(s, rescale, joint):
    x = state()
    options = {"rescale": rescale, "joint": joint}
    whole = free([s] * 3, **options)(x, 20)
    short = free([s] * 3, complete=False, **options)(x, 20)
    assert torch.equal(short.eps, whole.eps)
    assert bool(short.extras) == (s not in (0.0, 1.0) or (s == 0 and rescale > 0))


# --- what they tell ---

DENOISERS = {
    "cfg": free([3.0, 0.5, -2.0]),
    "cfg-rescaled": free([3.0, 0.5, -2.0], rescale=0.8),
    "classifier": guided([3.0, 0.5, -2.0]),
    "both": guided([3.0, 0.5, -2.0], denoiser=free([2.0] * 3)),
}


@pytest.mark.parametrize("denoiser", DENOISERS.values(), ids=DENOISERS)
def test_the_account_adds_up(denoiser):
    x = state()
    prediction = denoiser(x, 20)
    extras = prediction.extras
    same(extras["uncond"] + extras["push"], prediction.eps)
    base, push = extras["uncond"].flatten(1), extras["push"].flatten(1)
    same(extras["eps_norm"], base.norm(dim=1))
    same(extras["push_norm"], push.norm(dim=1))
    same(extras["cosine"], torch.cosine_similarity(base, push))
    assert extras["strength"].tolist() == [3.0, 0.5, -2.0]
    assert all(len(value) == 3 for value in extras.values())


# --- strengths over time ---


@pytest.mark.parametrize("t", [0, 50, 90])
def test_profiles_by_hand(t):
    def at(profile):
        return Strength([5.0, 0.0], 1.0, LAST + 1, profile=profile)(t).tolist()

    assert at("constant") == [5.0, 0.0]
    assert at("early") == pytest.approx([1 + 4 * t / 99, 1 - t / 99])
    assert at("late") == pytest.approx([5 - 4 * t / 99, t / 99])
    for low, high, inside in ((30, 90, t > 0), (t, t, True), (t + 1, 99, False)):
        strength = Strength([5.0], 1.0, LAST + 1, low, high)(t).tolist()
        assert strength == ([5.0] if inside else [1.0])
    for profile in ("constant", "early"):  # a schedule of a single step
        assert Strength([3.0], 0.0, 1, profile=profile)(0).tolist() == [3.0]

"""The variational bound: a denoiser that knows its data, for which every term has a formula."""

import math

import numpy as np
import pytest
import torch

from ddpm_core.data import Images, to_uint8
from ddpm_core.denoiser import Prediction
from ddpm_core.errors import InvalidInput
from ddpm_core.samplers import VARIANCES
from ddpm_core.schedules import NoiseSchedule
from ddpm_core.variational import step_bits
from lab.measure.bound import bound, of_model
from lab.progress import Progress, last
from tests.support.toys import GaussianDenoiser

MU, S = 0.1, 0.2
SHARE = 0.3  # of ln beta in the variance that was learned
SCHEDULES = {
    "linear": NoiseSchedule.make("linear", 60, start=2e-3, end=0.2),
    "cosine": NoiseSchedule.make("cosine", 60),
    "straight": NoiseSchedule.make("straight", 60),
}


def images(n=200, size=10, seed=0):
    """Pixels that are N(MU, S²), rounded to 8 bits."""
    generator = torch.Generator().manual_seed(seed)
    x = MU + S * torch.randn(n, 1, size, size, generator=generator)
    return Images(to_uint8(x), torch.arange(n) % 10, ())


def terms(schedule, variance):
    """The expected bits per dimension of the prior, each step t >= 1, and the decoder."""
    signal2, sigma2 = schedule.signals**2, schedule.sigmas**2
    prior = 0.5 * (signal2[-1] * (MU**2 + S**2) + sigma2[-1] - 1 - np.log(sigma2[-1]))
    true2 = schedule.posterior_variance
    share = {"beta": 1, "posterior": 0, "learned": SHARE}[variance]
    model2 = schedule.betas**share * np.append(true2[1], true2[1:]) ** (1 - share)
    # What remains unknown of x_0 at t, and how far it moves the mean.
    unknown = S**2 * sigma2 / (signal2 * S**2 + sigma2)
    pull2 = np.append(1, signal2[:-1]) * schedule.betas**2 / sigma2**2
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = 0.5 * (np.log(model2 / true2) + true2 / model2 - 1 + pull2 * unknown / model2)
    # A normal density times the width of a level, which is narrow against sigma.
    decoder = 0.5 * np.log(2 * np.pi * model2[0]) + unknown[0] / (2 * model2[0])
    decoder -= math.log(2 / 255)
    return prior / math.log(2), steps[1:] / math.log(2), decoder / math.log(2)


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_gaussian_gets_the_analytic_value_term_by_term(kind, variance):
    schedule = SCHEDULES[kind]
    ideal = GaussianDenoiser(schedule, MU, S)

    def learned(x, t):
        return Prediction(ideal(x, t).eps, {"variance": torch.full_like(x, SHARE)})

    result = last(bound(lambda labels: learned, schedule, images(), variance=variance, clip=False))
    prior, steps, decoder = terms(schedule, variance)
    assert result.prior == pytest.approx(prior, rel=0.02, abs=1e-4)
    assert result.steps == pytest.approx(steps.sum(), rel=0.02)
    # The cosine schedule's last sigma is small: levels are no longer narrow against it.
    assert result.decoder == pytest.approx(decoder, rel=0.02, abs=0.02)
    assert result.bits == pytest.approx(prior + steps.sum() + decoder, rel=0.01)
    assert result.bits == pytest.approx(result.prior + sum(result.quarters), rel=1e-9)
    first = decoder + steps[:14].sum()
    assert result.quarters[0] == pytest.approx(first, rel=0.02)
    # No code is shorter than the entropy of the source; for straight paths 60 steps are few.
    entropy = 0.5 * math.log2(2 * math.pi * math.e * S**2) - math.log2(2 / 255)
    assert entropy < result.bits < entropy + (2.0 if kind == "straight" else 1.5)
    signal2, sigma2 = schedule.signals**2, schedule.sigmas**2
    losses = (signal2 * S**2 / (signal2 * S**2 + sigma2)).reshape(4, 15).mean(1)
    assert result.losses == pytest.approx(losses, rel=0.05)


def test_fewer_evaluations_leave_the_mean_as_it_is():
    schedule = SCHEDULES["linear"]
    ideal, data = GaussianDenoiser(schedule, MU, S), images(8)

    def bits(evaluations, seed):
        return last(bound(lambda labels: ideal, schedule, data, evaluations=evaluations, seed=seed))

    # A seed has the same noise at the same t, however many timesteps are evaluated.
    pairs = [(bits(8, seed), bits(None, seed)) for seed in range(12)]
    differences = [few.bits - full.bits for few, full in pairs]
    assert np.std(differences) > 0
    assert abs(np.mean(differences)) < 4 * np.std(differences) / math.sqrt(12)
    # A timestep counts as many as it stands for: alone, the dense small t would tip the mean.
    first = [few.losses[0] - full.losses[0] for few, full in pairs]
    assert abs(np.mean(first)) < 4 * np.std(first) / math.sqrt(12)


def test_it_is_a_function_of_its_seed_and_not_of_the_batch():
    schedule = SCHEDULES["cosine"]
    ideal, data = GaussianDenoiser(schedule, MU, S), images(13)

    def measure(**options):
        return last(bound(lambda labels: ideal, schedule, data, **options))

    result = measure()
    assert measure() == result
    assert measure(batch=5).bits == pytest.approx(result.bits, rel=1e-9)
    assert measure(seed=1).bits != result.bits
    steps = list(bound(lambda labels: ideal, schedule, data, batch=5, evaluations=4))
    assert steps[:-1] == [Progress("bound", i, 12) for i in range(1, 13)]


def test_the_256_levels_have_all_of_the_probability():
    schedule = NoiseSchedule(np.array([0.04, 0.1]))
    levels = (torch.arange(256, dtype=torch.float64) / 127.5 - 1).view(256, 1, 1, 1)
    for mean in (-1.0, -0.3, 0.999):
        # At t = 0 the model's mean is x̂0: choose eps so that it is ``mean``.
        x = torch.full_like(levels, 0.2)
        eps = (x - math.sqrt(0.96) * mean) / math.sqrt(0.04)
        bits = step_bits(schedule, levels, x, 0, eps)
        assert float((2.0**-bits).sum()) == pytest.approx(1, abs=1e-6)
        assert int(bits.argmin()) == round((mean + 1) * 127.5) or abs(mean) > 0.99


def test_far_levels_are_counted_from_either_side_alike():
    schedule = NoiseSchedule(np.array([0.01, 0.1]))
    x = torch.zeros(2, 1, 1, 1, dtype=torch.float64)
    levels = torch.tensor([-0.6, 0.6], dtype=torch.float64).view(2, 1, 1, 1)
    low, high = step_bits(schedule, levels, x, 0, torch.zeros_like(x)).tolist()
    assert low == pytest.approx(high, rel=1e-9)
    # Six sigmas out: the density times the width of a level.
    density = math.exp(-18) / math.sqrt(2 * math.pi) / 0.1
    assert low == pytest.approx(-math.log2(density * 2 / 255), rel=0.01)


def test_what_the_bound_cannot_be_of_is_refused(model):
    with pytest.raises(InvalidInput, match="learned no variance"):
        of_model(model, images(3, 8), variance="learned")
    for evaluations in (0, 1):
        with pytest.raises(InvalidInput, match="evaluations"):
            last(bound(None, SCHEDULES["linear"], images(2), evaluations=evaluations))

"""The forward process, its conversions, and the loss."""

import math

import pytest
import torch

from ddpm_core import diffusion as d
from ddpm_core.errors import InvalidInput
from ddpm_core.schedules import SCHEDULES, NoiseSchedule


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_steps_with_known_noises_add_up_to_q_sample_with_the_combined_noise(kind):
    """x_t is linear in x_0 and the noises: tracking their share gives the noise of eq. 4."""
    schedule = NoiseSchedule.make(kind, 60)
    x0 = normal(4, 1, 5, 5)
    x, combined = x0, torch.zeros_like(x0)
    for t in range(60):
        z = normal(4, 1, 5, 5, seed=t + 1)
        x = d.q_step(schedule, x, t, z)
        a, b = math.sqrt(schedule.alphas[t]), math.sqrt(schedule.betas[t])
        combined = a * combined + b * z
        effective = combined / schedule.sigma(t)
        torch.testing.assert_close(x, d.q_sample(schedule, x0, t, effective), rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("t", [0, 1, 500, 998])
def test_conversions_invert_each_other(kind, t):
    schedule = NoiseSchedule.make(kind, 1000)
    x0, eps = normal(2, 1, 4, 4), normal(2, 1, 4, 4, seed=1)
    x = d.q_sample(schedule, x0, t, eps)
    close = {"rtol": 1e-8, "atol": 1e-8}
    torch.testing.assert_close(d.x0_from_eps(schedule, x, t, eps), x0, **close)
    torch.testing.assert_close(d.eps_from_x0(schedule, x, t, x0), eps, **close)
    for entry in d.PREDICTION_TYPES.values():
        target = entry.target(schedule, x0, t, eps)
        torch.testing.assert_close(entry.eps(schedule, x, t, target), eps, **close)


@pytest.mark.parametrize("t", [-1, 10, torch.tensor([0, 10]), torch.tensor([-1, 0])])
def test_timesteps_outside_the_schedule_are_refused(t):
    x = torch.zeros(2, 1, 2, 2)
    with pytest.raises(InvalidInput, match="between 0 and 9"):
        d.q_sample(NoiseSchedule.make("linear", 10), x, t, x)


@pytest.mark.parametrize("prediction", d.PREDICTION_TYPES)
def test_a_model_that_knows_the_answer_has_no_loss(prediction):
    schedule = NoiseSchedule.make("cosine", 50)
    x0, noise = normal(3, 1, 4, 4).float(), normal(3, 1, 4, 4, seed=1).float()
    t = torch.tensor([0, 20, 49])

    def model(x, t, labels):
        torch.testing.assert_close(x, d.q_sample(schedule, x0, t, noise))
        assert labels.tolist() == [1, 2, 3]
        return {
            "epsilon": noise,
            "v_prediction": d.v_from_eps(schedule, x0, t, noise),
            "flow_prediction": noise - x0,
        }[prediction]

    labels = torch.tensor([1, 2, 3])
    loss = d.denoising_loss(model, schedule, x0, t, noise, labels, prediction)
    assert loss.tolist() == [0, 0, 0]


def test_the_loss_of_a_half_precision_output_is_float32():
    schedule, x0 = NoiseSchedule.make("linear", 10), torch.zeros(2, 1, 4, 4)
    t = torch.tensor([0, 9])
    loss = d.denoising_loss(lambda x, t, y: x.bfloat16(), schedule, x0, t, torch.ones_like(x0))
    assert loss.dtype == torch.float32


def test_a_prediction_of_another_shape_has_no_loss():
    schedule, points, t = NoiseSchedule.make("linear", 10), normal(4, 2).float(), torch.arange(4)
    for short in (lambda x, t, y: x[:, :1], lambda x, t, y: x[:1]):
        with pytest.raises(InvalidInput, match="of one shape"):
            d.denoising_loss(short, schedule, points, t, torch.ones_like(points))

"""Flow matching: straight paths and their velocity, with the same trainer and samplers."""

import numpy as np
import pytest
import torch

from ddpm_core import Model, Request, Run, load
from ddpm_core.data import Images
from ddpm_core.errors import InvalidInput
from ddpm_core.guidance import ClassifierGuided
from ddpm_core.schedules import NoiseSchedule
from lab.measure.bound import of_model
from lab.process.forward import forward_film, inverting
from lab.process.report_errors import REPORT_ERRORS
from lab.progress import last
from tests.support.toys import save_tiny_checkpoint

SCHEDULE = NoiseSchedule.make("straight", 50)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    """Random weights, read back from their folder."""
    folder, straight = tmp_path_factory.mktemp("flow"), {"kind": "straight", "num_timesteps": 50}
    options = {"prediction": "flow_prediction", "schedule": straight}
    return load(save_tiny_checkpoint(folder / "tiny-flow", **options))


def test_euler_along_the_velocity_is_ddim(model):
    run = Run(model, Request(n=3, label=2, steps=12, clip=False, dtype="float32"))
    x, labels = run.start, torch.full((3,), 2)
    steps = list(run.steps())
    for t, step in zip(run.timesteps, steps, strict=True):
        with torch.no_grad():
            velocity = model.unet(x, torch.full((3,), t), labels)
        x = x + (SCHEDULE.sigma(step.t_next) - SCHEDULE.sigma(t)) * velocity
        torch.testing.assert_close(step.x, x, rtol=0, atol=2e-5)
    assert len(steps) == 12 and steps[-1].t_next == -1


def test_a_classifier_sees_the_state_at_the_variance_that_it_knows():
    inputs = []

    def log_probs(x, abar):
        inputs.append((x.detach(), abar))
        return (x.flatten(1)[:, :2] * x.new_tensor([1.0, -1.0])).log_softmax(1)

    x0, noise = torch.randn(40, 3, 20, 20), torch.randn(40, 3, 20, 20)
    strength = lambda t: torch.ones(40)  # noqa: E731
    guided = ClassifierGuided(
        lambda x, t: torch.zeros_like(x), log_probs, torch.eye(2).repeat(20, 1), strength, SCHEDULE
    )
    for t in (5, 25, 45):
        x = SCHEDULE.alpha(t) * x0 + SCHEDULE.sigma(t) * noise
        extras = guided(x, t).extras
        state, abar = inputs.pop()
        assert float(state.std()) == pytest.approx(1, abs=0.02)
        torch.testing.assert_close(state, abar**0.5 * x0 + (1 - abar) ** 0.5 * noise)
        # A score, times sigma, is an eps on any schedule.
        torch.testing.assert_close(extras["push"], -SCHEDULE.sigma(t) * extras["gradient"])


def test_it_is_noised_inverted_and_bounded_as_any_other(model):
    picture = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8, 1)
    film = forward_film(model, picture).film
    assert film.frames == 51 and film.finished
    *_, inversion = inverting(model, picture, label=3, steps=20)
    assert np.isfinite(inversion.rmse)
    images = Images(torch.from_numpy(picture).permute(2, 0, 1)[None], torch.tensor([3]), ())
    assert np.isfinite(last(of_model(model, images)).bits)


@pytest.mark.parametrize("fault", sorted(REPORT_ERRORS.keys() - {"batch-scale"}))  # of guidance
def test_an_error_of_betas_cannot_be_put_back_where_there_are_none(model, fault):
    request = Request(n=2, label=3, steps=4, sampler="ddpm", fault=fault)
    with pytest.raises(InvalidInput, match="an error of"):
        request.for_model(model)

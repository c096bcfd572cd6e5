"""Which class a diffusion model takes a picture for."""

import numpy as np
import pytest
import torch

from ddpm_core.diffusion import q_sample
from ddpm_core.errors import InvalidInput
from ddpm_core.schedules import NoiseSchedule
from lab.process.recognise import asked_classes, recognising, round_times, thoughts
from tests.support.toys import toy_denoiser

PICTURE = np.random.default_rng(3).integers(0, 256, (8, 8, 1), np.uint8)


def test_every_class_is_asked_about_the_same_noise_and_the_means_run(model):
    x0 = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1
    labels, times = [3, None, 7], round_times(model.schedule, 4)
    means = list(recognising(model, x0, labels, 4, seed=2, images=[5, 6], dtype="float32"))
    assert len(means) == 4
    expected = torch.zeros(4, 2, 3)
    for i, t in enumerate(times):
        noise = model.noise(2, [5, 6])(51 + t)
        x = q_sample(model.schedule, x0, t, noise)
        for k, label in enumerate(labels):
            with torch.no_grad():
                eps = model.denoiser([label] * 2, "float32")(x, t).eps
            expected[i, :, k] = (eps - noise).square().flatten(1).mean(1)
    for i, errors in enumerate(means, 1):
        np.testing.assert_allclose(errors, expected[:i].mean(0), rtol=1e-4)


def test_the_times_cover_what_can_be_told_apart(model):
    straight = NoiseSchedule.make("straight", 1000)
    for schedule in (model.schedule, straight):  # from as much image as noise on
        assert abs(schedule.log_snr[min(round_times(schedule, 5))]) < 0.3
    times = round_times(model.schedule, 5)
    shares = sorted(model.schedule.abar(t) for t in times)
    assert len({*times}) == 5 and shares[0] < 0.02 and 0.4 < shares[-1] <= 0.5
    # No more times than there are.
    assert len({*round_times(model.schedule, 1000)}) == len(round_times(model.schedule, 1000)) < 50


def test_the_class_whose_guess_is_best_wins(model, classifiers, monkeypatch):
    """A network that knows of class k that its images are k / 5 - 1, and nothing else."""

    def denoiser(labels, dtype):
        grey = torch.tensor([0.0 if k is None else k / 5 - 1 for k in labels]).view(-1, 1, 1, 1)
        schedule = model.schedule
        return lambda x, t: (x - schedule.alpha(t) * grey) / schedule.sigma(t)

    monkeypatch.setattr(model, "denoiser", denoiser)
    picture = np.full((8, 8, 1), round(127.5 * 8 / 5), np.uint8)
    *_, last = thoughts(model, picture, 3)
    assert int(np.argmax(last.gains)) == 8 and last.gains[8] > 0.99 and last.gains[0] < 0
    assert len(last.gains) == len(last.judged) == 10
    assert sum(last.judged) == pytest.approx(1, abs=1e-5)


def test_a_model_told_nothing_cannot_say_and_one_without_a_null_class_can(
    model, plain, monkeypatch
):
    with pytest.raises(InvalidInput, match="knows no classes"):
        next(thoughts(plain, PICTURE))
    assert asked_classes(model)[-1] is None
    monkeypatch.setattr(model.unet, "null_index", None)
    monkeypatch.setattr(model, "denoiser", lambda labels, dtype: toy_denoiser)
    (thought,) = thoughts(model, PICTURE, 1)
    assert (thought.round, thought.rounds) == (1, 1)
    assert thought.gains == pytest.approx([0] * 10)  # all say the same, as their mean does

"""A step of training: what it trains on, its averages, learning rate, precision and loss."""

import math

import pytest
import torch

from ddpm_core import hardware, training
from ddpm_core.errors import InvalidInput
from ddpm_core.trainer import Recipe, Trainer
from ddpm_core.training import STATE, learning_rate
from tests.support.tiny_run import RECIPE, trainer


@pytest.fixture
def batches(mnist_root, tmp_path):
    """(trainer, [(images, x0, t, noise, labels)]) of 30 steps of 20 images, untrained."""

    def collect(**changes):
        run = trainer(tmp_path, mnist_root, **changes)
        steps = []

        def record(model, schedule, x0, t, noise, labels):
            steps.append((run._indices(), x0, t, noise, labels))
            return run.model.conv_in.weight.sum() * 0 + torch.zeros(len(x0))

        run.loss = record
        for _ in range(30):
            run._train_step()
        return run, steps

    return collect


def test_labels_are_dropped_image_by_image_to_the_null_index(batches):
    run, steps = batches(p_uncond=0.3)
    assert run.model.null_index == 10
    dropped = []
    for indices, _, _, _, labels in steps:
        truth = run.images.labels[indices]
        is_null = labels == 10
        assert torch.equal(labels[~is_null], truth[~is_null])
        dropped.append(is_null)
    shares = torch.stack(dropped).float().mean(1)
    # 600 coins of 0.3: a standard error of 0.019; one coin per batch would give only 0 and 1.
    assert abs(shares.mean() - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 600)
    assert ((shares > 0) & (shares < 1)).float().mean() > 0.9


def test_images_are_mirrored_about_half_of_the_time(batches):
    run, steps = batches(flip=True)
    mirrored = []
    for indices, x0, *_ in steps:
        original, _ = run.images.batch(indices)
        same = (x0 == original).flatten(1).all(1)
        assert ((x0 == original.flip(-1)).flatten(1).all(1) | same).all()
        mirrored.append(~same)
    assert abs(torch.cat(mirrored).float().mean() - 0.5) < 5 * math.sqrt(0.25 / 600)


def test_timesteps_cover_the_whole_schedule_evenly_and_noise_is_standard_normal(batches):
    _, steps = batches()
    counts = torch.cat([t for _, _, t, _, _ in steps]).bincount()
    # Both ends too: leaving t = 0 untrained is a classic error.
    assert len(counts) == 40 and counts.min() > 0
    # 600 draws over 40 bins: chi-squared with 39 degrees of freedom, 5 standard deviations.
    chi2 = ((counts - 15) ** 2 / 15).sum()
    assert chi2 < 39 + 5 * math.sqrt(2 * 39)
    noise = torch.stack([noise for _, _, _, noise, _ in steps]).double()
    n = noise.numel()
    assert abs(noise.mean()) < 5 / math.sqrt(n)
    assert abs(noise.var() - 1) < 5 * math.sqrt(2 / n)
    assert not torch.equal(noise[0], noise[1])


def test_the_average_warms_up_its_memory(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root, ema=0.35, lr=0.05)
    key = "conv_in.weight"
    average = run.model.state_dict()[key].double().clone()
    for step in range(1, 8):
        run._train_step()
        # (1 + step) / (10 + step) until it reaches the decay asked for, at step 4.
        decay = min(0.35, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * run.model.state_dict()[key].double()
        torch.testing.assert_close(run.ema[key].double(), average, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(run.ema[key], run.model.state_dict()[key])


def test_learning_rate_warms_up_and_then_stays_or_falls_along_a_quarter_cosine():
    for decay, expected in {
        "none": [0.01, 0.05, 0.1, 0.1, 0.1, 0.1],
        "cosine": [0.01, 0.05, 0.1, 0.1, 0.1 * (0.02 + 0.98 * 0.5**0.5), 0.002],
        "one-cycle": [0.01, 0.05, 0.1, 0.1, 0.05, 0.0],
    }.items():
        recipe = Recipe(lr=0.1, warmup=10, decay=decay)
        rates = [learning_rate(recipe, step, 110) for step in (0, 4, 9, 10, 60, 110)]
        assert rates == pytest.approx(expected)


@pytest.mark.parametrize(
    ("flags", "native"), [("fpu avx512f", False), ("fpu avx512_bf16", True), ("amx_bf16", True)]
)
def test_bfloat16_is_decided_by_the_processors_flags(
    monkeypatch, mnist_root, tmp_path, flags, native
):
    monkeypatch.setattr(hardware, "_cpuinfo", lambda: {"flags": flags})
    monkeypatch.setattr(training, "bf16_is_native", hardware.bf16_is_native.__wrapped__)  # no cache
    run = Trainer(Recipe(**RECIPE), tmp_path, data_root=mnist_root, quiet=True)
    assert run.bf16 == native


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_what_is_no_number_ends_the_run_with_advice_and_leaves_the_weights(
    mnist_root, tmp_path, broken
):
    run = trainer(tmp_path, mnist_root)
    if broken == "loss":
        run.model.conv_in.weight.data[0] = math.nan
    else:
        run.model.conv_out.weight.register_hook(lambda grad: grad * math.inf)
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    with pytest.raises(InvalidInput, match="not finite at step 0.*smaller lr"):
        run.run()
    for key, value in run.model.state_dict().items():
        assert torch.equal(value.nan_to_num(), before[key].nan_to_num())
    assert torch.load(tmp_path / STATE, weights_only=True)["step"] == 0

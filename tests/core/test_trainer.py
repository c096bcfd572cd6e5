"""Training: an exact resume, a full disk, the label dropout, the averages and the loss."""

import csv
import errno
import math
import os
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from ddpm_core import checkpoints, hardware, training
from ddpm_core import trainer as trainer_module
from ddpm_core.errors import CheckpointError, DataError, InvalidInput
from ddpm_core.trainer import STATE, Cadence, Recipe, Trainer, learning_rate
from tests.core.tiny_run import (
    RECIPE,
    STEPS,
    Interrupted,
    assert_identical,
    state_of,
    trainer,
)
from tests.core.toys import write_mnist

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def small_sample_grids():
    """Grids of 64 would take most of the time here, and no test looks at their size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer_module, "SAMPLE_TILES", 4)
        yield


def without_the_clock(state: dict, *columns) -> dict:
    rows = [
        {k: v for k, v in r.items() if k not in ("seconds", *columns)} for r in state["history"]
    ]
    # Who started the run differs between a test and its child process.
    return state | {"seconds": None, "history": rows, "command": None, "commit": None}


@pytest.fixture(scope="module")
def uninterrupted(mnist_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    trainer(folder, mnist_root).run()
    return folder


@pytest.fixture
def interrupted(mnist_root, tmp_path):
    """A run that was stopped at step 7, and resumed to the end."""
    trainer(tmp_path, mnist_root, kind=Interrupted).run()
    assert state_of(tmp_path)["step"] == 7
    trainer(tmp_path, mnist_root).run()
    return tmp_path


# --- resume ---


def assert_same_run(resumed, whole):
    assert_identical(*(without_the_clock(state_of(f), "train") for f in (resumed, whole)))
    a, b = (checkpoints.load(f / "checkpoint").unet.state_dict() for f in (resumed, whole))
    assert_identical(dict(a), dict(b), "checkpoint")


def test_a_stopped_and_resumed_run_ends_with_the_same_bits(interrupted, uninterrupted):
    assert state_of(uninterrupted)["step"] == STEPS
    assert_same_run(interrupted, uninterrupted)


def test_a_resumed_run_reports_the_same_training_loss(interrupted, uninterrupted):
    train = [[row["train"] for row in state_of(f)["history"]] for f in (interrupted, uninterrupted)]
    assert train[0] == train[1]


@contextmanager
def child(folder, data_root):
    command = [sys.executable, "-m", "tests.core.tiny_run", str(folder), str(data_root)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_for_step(process, step):
    for line in process.stdout:
        if line == f"step {step}\n":
            return
    raise AssertionError("the run ended too early")


def test_ctrl_c_saves_and_ends_without_an_error(mnist_root, tmp_path, uninterrupted):
    with child(tmp_path, mnist_root) as process:
        wait_for_step(process, 5)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert 5 <= state_of(tmp_path)["step"] < STEPS
    assert checkpoints.load(tmp_path / "checkpoint").training["steps"] < STEPS
    trainer(tmp_path, mnist_root).run()
    assert_same_run(tmp_path, uninterrupted)


def test_kill_9_at_any_moment_costs_nothing_that_was_saved(mnist_root, tmp_path, uninterrupted):
    reached = 0
    for at_step in (3, 9):
        with child(tmp_path, mnist_root) as process:
            wait_for_step(process, at_step)
            # A step and its save take some 50 ms: any moment of them, another each time.
            time.sleep(random.uniform(0, 0.1))
            process.kill()
            assert process.wait(30) == -signal.SIGKILL
        state = state_of(tmp_path)
        assert at_step - 1 <= state["step"] < STEPS
        assert state["step"] > reached
        reached = state["step"]
    trainer(tmp_path, mnist_root).run()
    assert_same_run(tmp_path, uninterrupted)


def test_a_run_without_labels_dropout_or_flips_resumes_exactly_too(mnist_root, tmp_path):
    plain = {
        "conditional": False,
        "p_uncond": 0.0,
        "flip": False,
        "prediction_type": "v_prediction",
        "model": RECIPE["model"] | {"dropout": 0.0},
        "epochs": 10 / 50,
    }
    trainer(tmp_path / "whole", mnist_root, **plain).run()
    trainer(tmp_path / "resumed", mnist_root, kind=Interrupted, **plain).run()
    trainer(tmp_path / "resumed", mnist_root, **plain).run()
    assert_same_run(tmp_path / "resumed", tmp_path / "whole")


def test_a_run_crosses_epochs_and_sees_every_image_once_in_each(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root, batch_size=300, epochs=2)
    assert (run.steps_per_epoch, run.total_steps) == (3, 6)
    epochs = []
    for first in (0, 3):
        seen = []
        for run.step in range(first, first + 3):
            seen += run._indices().tolist()
        assert len(set(seen)) == 900
        epochs.append(seen)
    assert epochs[0] != epochs[1]


def test_a_finished_run_can_be_given_more_epochs(mnist_root, tmp_path):
    options = {"decay": "none"}
    trainer(tmp_path / "short", mnist_root, epochs=0.1, **options).run()
    trainer(tmp_path / "short", mnist_root, epochs=0.2, **options).run()
    trainer(tmp_path / "long", mnist_root, epochs=0.2, **options).run()
    for part in ("model", "ema", "optimizer"):
        short, long = (state_of(tmp_path / name)[part] for name in ("short", "long"))
        assert_identical(short, long, part)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"lr": 1e-3}, "lr"),
        ({"seed": 4, "flip": False}, "flip, seed"),
        ({"model": RECIPE["model"] | {"channels": [4, 4]}}, "model"),
    ],
)
def test_another_recipe_does_not_resume_and_is_told_what_differs(
    mnist_root, uninterrupted, changes, named
):
    with pytest.raises(InvalidInput, match=f"another {named};"):
        trainer(uninterrupted, mnist_root, **changes)


def test_an_unreadable_state_is_refused_by_name(mnist_root, tmp_path):
    (tmp_path / STATE).write_bytes(b"PK\x03\x04 truncated")
    with pytest.raises(InvalidInput, match=r"state\.pt cannot be read"):
        trainer(tmp_path, mnist_root)


# --- a disk that fills up ---


class FullDisk(Trainer):
    """From step 5 to step 8 the disk is full; ``switch`` fills and empties it."""

    switch = staticmethod(lambda full: None)

    def _train_step(self):
        loss = super()._train_step()
        self.switch(5 <= self.step <= 8)
        if self.step == 9:
            # What was there before is intact after the failures.
            self.seen = state_of(self.folder)["step"]
        return loss


def train_through(switch, data_root, folder, capsys):
    kind = type("FullDiskOfThisTest", (FullDisk,), {"switch": staticmethod(switch)})
    cadence = Cadence(validate=10, sample=6, save=2)
    run = trainer(folder, data_root, kind=kind, cadence=cadence, epochs=10 / 50)
    run.run()
    assert run.seen == 4
    assert state_of(folder)["step"] == 10
    assert "step 6: not saved" in capsys.readouterr().out
    assert list(folder.rglob("*.part")) == []


def test_training_survives_a_write_that_fails(mnist_root, tmp_path, monkeypatch, capsys):
    full, replace = False, os.replace

    def switch(now):
        nonlocal full
        full = now

    def failing(*paths):
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(*paths)

    monkeypatch.setattr(os, "replace", failing)
    train_through(switch, mnist_root, tmp_path, capsys)


def test_training_survives_a_disk_that_really_refuses_to_write(mnist_root, tmp_path, capsys):
    """torch and safetensors write from C++ and Rust, and do not raise OSError when that fails.

    A limit on the size of files makes the writing itself fail, as a full disk does.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def switch(full):
        limit = 10_000 if full else before[0]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))

    try:
        train_through(switch, mnist_root, tmp_path, capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --- what a step trains on ---


@pytest.fixture
def batches(mnist_root, tmp_path):
    """(trainer, [(images, x0, t, noise, labels)]) of 30 steps of 20 images, untrained."""

    def spy(**changes):
        run = trainer(tmp_path, mnist_root, **changes)
        seen = []

        def record(model, x0, t, noise, labels):
            seen.append((run._indices(), x0, t, noise, labels))
            return run.model.conv_in.weight.sum() * 0 + torch.zeros(len(x0))

        run._loss = record
        for _ in range(30):
            run._train_step()
        return run, seen

    return spy


def test_labels_are_dropped_image_by_image_to_the_null_index(batches):
    run, seen = batches(p_uncond=0.3)
    assert run.model.null_index == 10
    dropped = []
    for indices, _, _, _, labels in seen:
        truth = run.images.labels[indices]
        gone = labels == 10
        assert torch.equal(labels[~gone], truth[~gone])
        dropped.append(gone)
    shares = torch.stack(dropped).float().mean(1)
    # 600 coins of 0.3: a standard error of 0.019; one coin per batch would give only 0 and 1.
    assert abs(shares.mean() - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 600)
    assert ((shares > 0) & (shares < 1)).float().mean() > 0.9


def test_without_p_uncond_no_label_is_dropped_and_there_is_no_null_class(batches):
    run, seen = batches(p_uncond=0.0)
    assert run.model.null_index is None
    for indices, _, _, _, labels in seen:
        assert torch.equal(labels, run.images.labels[indices])


def test_an_unconditional_model_gets_no_labels(batches):
    _, seen = batches(conditional=False, p_uncond=0.0)
    assert all(labels is None for *_, labels in seen)


def test_images_are_mirrored_about_half_of_the_time(batches):
    run, seen = batches(flip=True)
    mirrored = []
    for indices, x0, *_ in seen:
        original, _ = run.images.batch(indices)
        same = (x0 == original).flatten(1).all(1)
        assert ((x0 == original.flip(-1)).flatten(1).all(1) | same).all()
        mirrored.append(~same)
    assert abs(torch.cat(mirrored).float().mean() - 0.5) < 5 * math.sqrt(0.25 / 600)


def test_timesteps_cover_the_whole_schedule_evenly(batches):
    _, seen = batches()
    counts = torch.cat([t for _, _, t, _, _ in seen]).bincount()
    # Both ends too: leaving t = 0 untrained is a classic error.
    assert len(counts) == 40
    assert counts.min() > 0
    # 600 draws over 40 bins: chi-squared with 39 degrees of freedom, 5 standard deviations.
    chi2 = ((counts - 15) ** 2 / 15).sum()
    assert chi2 < 39 + 5 * math.sqrt(2 * 39)


def test_noise_is_standard_normal_and_new_at_every_step(batches):
    _, seen = batches()
    noise = torch.stack([noise for _, _, _, noise, _ in seen]).double()
    n = noise.numel()
    assert abs(noise.mean()) < 5 / math.sqrt(n)
    assert abs(noise.var() - 1) < 5 * math.sqrt(2 / n)
    assert not torch.equal(noise[0], noise[1])


# --- averages, learning rate, precision ---


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


def test_the_exported_weights_are_the_average(uninterrupted):
    state = state_of(uninterrupted)
    exported = checkpoints.load(uninterrupted / "checkpoint").unet.state_dict()
    assert_identical(dict(exported), dict(state["ema"]))
    assert not torch.equal(state["ema"]["conv_in.weight"], state["model"]["conv_in.weight"])


def test_learning_rate_warms_up_and_then_stays():
    recipe = Recipe(lr=0.1, warmup=4)
    rates = [learning_rate(recipe, step, 100) for step in (0, 1, 3, 4, 50, 99)]
    assert rates == pytest.approx([0.025, 0.05, 0.1, 0.1, 0.1, 0.1])


def test_learning_rate_falls_along_a_quarter_cosine_to_two_percent():
    recipe = Recipe(lr=0.1, warmup=10, decay="cosine")
    assert learning_rate(recipe, 10, 110) == pytest.approx(0.1)
    assert learning_rate(recipe, 60, 110) == pytest.approx(0.1 * (0.02 + 0.98 * 0.5**0.5))
    assert learning_rate(recipe, 110, 110) == pytest.approx(0.002)


def test_the_optimizer_uses_that_learning_rate(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root)
    for step in range(4):
        run._train_step()
        assert run.optimizer.param_groups[0]["lr"] == pytest.approx(2e-3 * (step + 1) / 5)


@pytest.mark.parametrize(
    ("flags", "native"),
    [("fpu sse2 avx2 avx512f", False), ("fpu avx512_bf16", True), ("amx_bf16 amx_tile", True)],
)
def test_bfloat16_is_decided_by_the_processors_flags(
    monkeypatch, mnist_root, tmp_path, flags, native
):
    monkeypatch.setattr(hardware, "_cpuinfo", lambda: {"flags": flags, "model name": "test"})
    hardware.bf16_is_native.cache_clear()
    try:
        assert hardware.bf16_is_native("cpu") == native
        run = Trainer(Recipe(**RECIPE), tmp_path, data_root=mnist_root, quiet=True)
        assert run.bf16 == native
    finally:
        hardware.bf16_is_native.cache_clear()


def test_bfloat16_keeps_weights_and_losses_in_float32(mnist_root, tmp_path):
    run = Trainer(Recipe(**RECIPE), tmp_path, data_root=mnist_root, bf16=True, quiet=True)
    x0, labels = run.images.batch(torch.arange(4))
    t = torch.arange(4)
    loss = run._loss(run.model, x0, t, torch.ones_like(x0), labels)
    assert loss.dtype == torch.float32
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}


# --- the loss ---


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_first_loss_is_that_of_predicting_nothing(mnist_root, tmp_path, prediction):
    """The mean of eps² is 1; random pixels have a mean square of 1/3 and v lies between."""
    run = trainer(tmp_path, mnist_root, prediction_type=prediction)
    low = 0.9 if prediction == "epsilon" else 0.3
    assert low < run._train_step() < 1.4


def test_the_loss_falls_on_images_that_can_be_learned(tmp_path):
    """All images are the same bars, so that the noise can be told from them."""
    bars = torch.zeros(5_100, 28, 28, dtype=torch.uint8)
    bars[:, :, ::2] = 255
    labels = torch.zeros(5_100, dtype=torch.uint8)
    for stem in ("train", "t10k"):
        write_mnist(tmp_path, stem, bars.numpy(), labels.numpy())
    model = {"channels": [4, 8], "groups": 2, "mid_attention": False}
    run = trainer(tmp_path / "run", tmp_path, model=model, lr=1e-2, epochs=20, flip=False)
    losses = [run._train_step() for _ in range(100)]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_a_loss_that_is_no_number_ends_the_run_with_advice(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root)
    run.model.conv_in.weight.data.fill_(math.nan)
    with pytest.raises(InvalidInput, match="not finite at step 0.*smaller lr"):
        run.run()
    assert not (tmp_path / STATE).exists()


def test_a_gradient_that_is_no_number_leaves_the_weights_alone(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root)
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    run.model.conv_out.weight.register_hook(lambda grad: grad * math.inf)
    with pytest.raises(InvalidInput, match="gradient not finite"):
        run.run()
    for key, value in run.model.state_dict().items():
        assert torch.equal(value, before[key])


# --- what a run leaves behind ---


def test_losses_are_written_as_a_table(uninterrupted):
    with (uninterrupted / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["images"]) for row in rows] == [("10", "200"), ("20", "400")]
    for row in rows:
        quarters = [float(row[f"t{i}"]) for i in range(1, 5)]
        assert float(row["validation"]) == pytest.approx(sum(quarters) / 4, abs=1e-4)
        assert 0 < float(row["train"]) < 2


def test_the_checkpoint_of_a_run_tells_how_it_came_to_be(uninterrupted):
    model = checkpoints.load(uninterrupted / "checkpoint")
    assert model.config.preprocessing == {"range": [-1, 1], "flip": True}
    assert model.classes == list("0123456789")
    assert model.unet.null_index == 10
    assert model.training["recipe"] == RECIPE | {"prediction_type": "epsilon", "clip_norm": 1.0} | {
        "ema": 0.9995
    }
    assert (model.training["steps"], model.training["images"]) == (20, 400)
    assert model.training["training_set"] == 1000
    assert (uninterrupted / "samples" / "0000020.png").exists()
    assert "p_uncond = 0.3" in (uninterrupted / "checkpoint" / "README.md").read_text()


def test_validation_is_the_same_whenever_it_is_measured(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root)
    model = run._averaged()
    first = run.validation.loss_by_quarter(run, model)
    torch.rand(7)
    assert run.validation.loss_by_quarter(run, model) == first
    assert len(first) == 4


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"p_uncond": 1.5}, "p_uncond"),
        ({"p_uncond": True}, "p_uncond"),
        ({"epochs": math.nan}, "epochs"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"lr": -1}, "lr"),
        ({"lr": math.inf}, "lr"),
        ({"warmup": -1}, "warmup"),
        ({"ema": 1.0}, "ema"),
        ({"clip_norm": 0}, "clip_norm"),
        ({"seed": -1}, "seed"),
        ({"decay": "linear"}, "decay"),
    ],
)
def test_a_recipe_out_of_range_is_refused(changes, named):
    with pytest.raises(InvalidInput, match=named):
        Recipe(**changes)


def test_a_batch_larger_than_the_dataset_is_refused(mnist_root, tmp_path):
    with pytest.raises(InvalidInput, match="batch_size 1001 exceeds 1000 images"):
        trainer(tmp_path, mnist_root, batch_size=1001)


def test_errors_are_of_one_family():
    assert issubclass(CheckpointError, InvalidInput)
    assert issubclass(DataError, InvalidInput)
    assert issubclass(InvalidInput, ValueError)


def test_the_seeds_of_steps_do_not_overlap():
    seeds = {training.mix(seed, step) for seed in range(30) for step in range(300)}
    assert len(seeds) == 9000


def test_what_is_watched_becomes_a_column(mnist_root, tmp_path):
    seen = []

    def watch(model):
        assert not model.unet.training
        seen.append(model.unet.state_dict())
        return {"fid": float(len(seen))}

    folder = tmp_path / "watched"
    run = trainer(folder, mnist_root, watch=watch)
    run.run()
    assert [row["fid"] for row in run.history] == [1.0, 2.0]
    assert_identical(dict(seen[-1]), run.ema)
    with (folder / "losses.csv").open() as file:
        assert [row["fid"] for row in csv.DictReader(file)] == ["1.0", "2.0"]

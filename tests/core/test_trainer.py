"""Training runs: an exact resume, a full disk, and what a run leaves behind."""

import csv
import math
import os
import random
import resource
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch

from ddpm_core import checkpoints, record
from ddpm_core.errors import InvalidInput
from ddpm_core.schedules import NoiseSchedule
from ddpm_core.trainer import Recipe, Trainer
from ddpm_core.training import STATE
from tests.support.tiny_run import (
    RECIPE,
    STEPS,
    assert_identical,
    state_of,
    stopping,
    trainer,
    without_the_clock,
)

pytestmark = pytest.mark.usefixtures("no_sample_grids")


# --- resume ---


def assert_same_run(resumed, whole):
    assert_identical(*(without_the_clock(state_of(f)) for f in (resumed, whole)))
    a, b = (checkpoints.load(f / "checkpoint").unet.state_dict() for f in (resumed, whole))
    assert_identical(dict(a), dict(b))


def test_a_stopped_and_resumed_run_ends_with_the_same_bits(mnist_root, tmp_path, finished_run):
    stopping(trainer(tmp_path, mnist_root)).run()
    assert state_of(tmp_path)["step"] == 7
    trainer(tmp_path, mnist_root).run()
    assert state_of(finished_run)["step"] == STEPS
    assert_same_run(tmp_path, finished_run)


def test_it_trains_in_a_thread_which_may_not_listen_to_signals(mnist_root, tmp_path, finished_run):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(trainer(tmp_path, mnist_root).run).result()
    assert_same_run(tmp_path, finished_run)


def train_slowly(folder, data_root):
    """Save after every step: a signal can hit any moment of it."""
    run = trainer(folder, data_root, save_every=1)
    run.progress = lambda *_: time.sleep(0.05)  # for the parent, which may be slow
    run.run()


def exit_code(folder, data_root, at, number):
    """That of a training which is sent a signal soon after step ``at``."""
    # Forked: libraries are imported already.
    process = get_context("fork").Process(target=train_slowly, args=(folder, data_root))
    process.start()
    try:
        while not (folder / STATE).exists() or state_of(folder)["step"] < at:
            time.sleep(0.005)
        # A step and its save take some 80 ms: any moment of them, another each time.
        time.sleep(random.uniform(0, 0.08))
        os.kill(process.pid, number)
        process.join(30)
        return process.exitcode
    finally:
        process.kill()


def test_neither_kill_9_nor_ctrl_c_at_any_moment_costs_what_was_saved(
    mnist_root, tmp_path, finished_run
):
    assert exit_code(tmp_path, mnist_root, 3, signal.SIGKILL) == -signal.SIGKILL
    killed = state_of(tmp_path)["step"]
    assert 3 <= killed < STEPS
    assert exit_code(tmp_path, mnist_root, 12, signal.SIGINT) == 0
    assert max(killed, 12) <= state_of(tmp_path)["step"] < STEPS
    assert checkpoints.load(tmp_path / "checkpoint").training["steps"] < STEPS
    trainer(tmp_path, mnist_root).run()
    assert_same_run(tmp_path, finished_run)


def test_a_run_crosses_epochs_and_sees_every_image_once_in_each(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root, batch_size=300, epochs=2)
    assert (run.steps_per_epoch, run.total_steps) == (3, 6)
    epochs = []
    for first in (0, 3):
        indices = []
        for run.step in range(first, first + 3):
            indices += run._indices().tolist()
        assert len(set(indices)) == 900
        epochs.append(indices)
    assert epochs[0] != epochs[1]


# --- a beginning with given weights ---


def test_a_run_begins_with_a_checkpoint_of_the_same_model(mnist_root, tmp_path, finished_run):
    begin = checkpoints.load(finished_run / "checkpoint")
    run = stopping(trainer(tmp_path, mnist_root, begin=begin))
    assert_identical(run.ema, dict(begin.unet.state_dict()))
    run.run()
    assert record_of(tmp_path)["finetuned"] == begin.name
    # Stopped, it goes on where it was, with the same command or without --init.
    for options in ({}, {"begin": begin}):
        assert_identical(trainer(tmp_path, mnist_root, **options).ema, run.ema)


def test_a_checkpoint_of_another_model_or_other_images_is_no_beginning(
    finished_run, mnist_root, tmp_path
):
    """With other images: it may have learned from those that are held out now."""
    begin = checkpoints.load(finished_run / "checkpoint")
    with pytest.raises(InvalidInput, match="its model, classes differ"):
        trainer(tmp_path, mnist_root, begin=begin, conditional=False, p_uncond=0.0)
    begin.training["training_set"] = 4_000
    with pytest.raises(InvalidInput, match="its images differ"):
        trainer(tmp_path, mnist_root, begin=begin)


def record_of(folder) -> dict:
    return checkpoints.load(folder / "checkpoint").training


def test_a_run_tells_of_each_machine_and_command_that_it_went_on_with(
    mnist_root, tmp_path, monkeypatch
):
    stopping(trainer(tmp_path, mnist_root)).run()
    first = record_of(tmp_path)
    monkeypatch.setattr(record, "describe", lambda device: "another machine")
    monkeypatch.setattr(record, "command", lambda *_: "another command")
    trainer(tmp_path, mnist_root).run()
    monkeypatch.setattr(record, "describe", lambda device: "where nothing is left to do")
    trainer(tmp_path, mnist_root).run()
    whole = record_of(tmp_path)
    assert whole["hardware"] == f"{first['hardware']}; then another machine"
    assert whole["command"] == f"{first['command']} && another command"
    assert whole["precision"] == "float32"


def test_the_command_that_is_kept_tells_of_no_place():
    arguments = ["train", "--data-root=/home/me/data", "--init", "../me/its", "--out", "runs/x"]
    command = record.command("ddpm_core", arguments)
    assert command == "python -m ddpm_core train --data-root=data --init its --out runs/x"


def test_another_recipe_does_not_resume_and_is_told_what_differs(mnist_root, finished_run):
    with pytest.raises(InvalidInput, match="another flip, seed;"):
        trainer(finished_run, mnist_root, seed=4, flip=False)
    with pytest.raises(InvalidInput, match="more than the 2 asked for"):
        trainer(finished_run, mnist_root, steps=2)
    with pytest.raises(InvalidInput, match="batch_size 1001 exceeds 1000 images"):
        trainer(finished_run, mnist_root, batch_size=1001)


def test_a_damaged_state_is_refused_by_name(mnist_root, tmp_path):
    stopping(trainer(tmp_path, mnist_root)).run()
    content = bytearray((tmp_path / STATE).read_bytes())
    weights = state_of(tmp_path)["ema"]["up.0.blocks.0.conv1.weight"].numpy().tobytes()
    content[content.index(weights) + len(weights) // 2] ^= 1  # a single bit
    for damaged in (content, b"PK\x03\x04 truncated"):
        (tmp_path / STATE).write_bytes(damaged)
        with pytest.raises(InvalidInput, match=r"state\.pt is damaged"):
            trainer(tmp_path, mnist_root)


def test_a_folder_that_cannot_be_written_to_is_noticed_before_the_first_step(mnist_root, tmp_path):
    (tmp_path / "file").write_text("in the way")
    run = trainer(tmp_path / "file" / "run", mnist_root)
    with pytest.raises(OSError, match="file"):
        run.run()
    assert run.step == 0


# --- a disk that fills up ---


def test_training_survives_a_disk_that_really_refuses_to_write(mnist_root, tmp_path, capsys):
    """torch and safetensors write from C++ and Rust, and do not raise OSError when that fails."""
    before, saved = resource.getrlimit(resource.RLIMIT_FSIZE), {}

    def fill_disk(step, *_):
        """From step 5 to step 8 no file may grow large, as on a disk that is full."""
        limit = 10_000 if 5 <= step <= 8 else before[0]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        saved[step] = state_of(tmp_path)["step"]

    run = trainer(tmp_path, mnist_root, save_every=2, steps=10)
    run.progress = fill_disk
    try:
        run.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert saved[9] == 4  # what was there before is intact after the failures
    assert state_of(tmp_path)["step"] == 10
    assert "step 6: not saved" in capsys.readouterr().out
    assert list(tmp_path.rglob("*.part")) == []


# --- what a run leaves behind ---


def test_losses_are_written_as_a_table(finished_run):
    with (finished_run / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["images"]) for row in rows] == [("10", "200"), ("20", "400")]
    for row in rows:
        quarters = [float(row[f"t{i}"]) for i in range(1, 5)]
        assert float(row["validation"]) == pytest.approx(sum(quarters) / 4, abs=1e-4)
        assert 0 < float(row["train"]) < 2


def test_the_checkpoint_of_a_run_tells_how_it_came_to_be(finished_run):
    model, state = checkpoints.load(finished_run / "checkpoint"), state_of(finished_run)
    assert_identical(dict(model.unet.state_dict()), state["ema"])
    assert not torch.equal(state["ema"]["conv_in.weight"], state["model"]["conv_in.weight"])
    assert model.config.preprocessing == {"range": [-1, 1], "flip": True}
    assert model.classes == list("0123456789")
    assert model.unet.null_index == 10
    assert model.training["recipe"].items() >= RECIPE.items()
    assert (model.training["steps"], model.training["images"]) == (20, 400)
    assert model.training["training_set"] == 1000
    assert (finished_run / "samples" / "0000020.png").exists()
    assert "p_uncond = 0.3" in (finished_run / "checkpoint" / "README.md").read_text()


def test_a_recipe_out_of_range_is_refused():
    with pytest.raises(InvalidInput, match="ema must be between"):
        Recipe(ema=1.0)
    with pytest.raises(InvalidInput, match="goes with a conditional model"):
        Recipe(p_uncond=0.1)


def test_timesteps_are_drawn_by_the_density_of_the_recipe(tmp_path):
    def drawn(density):
        timesteps = []

        def loss(network, schedule, x0, t, noise, labels):
            timesteps.append(t)
            return network(x0, t, labels).square().mean((1, 2, 3))

        model = {"channels": [8], "blocks": 1}
        recipe = Recipe(model=model, steps=40, batch_size=40, timestep_density=density)
        pixels = torch.randint(0, 256, (60, 1, 4, 4), dtype=torch.uint8)
        Trainer(recipe, tmp_path / density, images=pixels, quiet=True, loss=loss).run()
        return torch.cat(timesteps).numpy()

    def middle_half(t):
        return ((t >= 250) & (t < 750)).mean()

    assert middle_half(drawn("uniform")) == pytest.approx(0.5, abs=0.05)
    # u between -ln 3 and ln 3, where its sigmoid is a quarter and three quarters.
    in_middle = math.erf(math.log(3) / math.sqrt(2))
    assert middle_half(drawn("logit_normal")) == pytest.approx(in_middle, abs=0.05)
    schedule = NoiseSchedule.make(**Recipe().schedule)
    levels = np.log(schedule.sigmas / schedule.signals)[drawn("log_normal")]
    assert np.median(levels) == pytest.approx(-0.8, abs=0.15)
    within = (abs(levels + 0.8) < 1.6).mean()
    assert within == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.05)
    with pytest.raises(InvalidInput, match="uniform timesteps"):
        Recipe(timestep_density="logit_normal", learn_variance=True)

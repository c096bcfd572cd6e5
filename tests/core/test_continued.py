"""Training that begins with a checkpoint: what it draws, what it tells, and what it refuses."""

from __future__ import annotations

import shutil

import pytest
import torch

from ddpm_core import checkpoints, data, record, training
from ddpm_core import trainer as trainer_module
from ddpm_core.errors import InvalidInput
from tests.support.tiny_run import STEPS, Interrupted, assert_identical, state_of, trainer

pytestmark = pytest.mark.usefixtures("small_sample_grids")


@pytest.fixture(scope="module")
def continued(finished_run, mnist_root, tmp_path_factory):
    """The folder of a run that began with a checkpoint and came to its end."""
    folder = tmp_path_factory.mktemp("continued") / "more"
    begin = checkpoints.load(finished_run / "checkpoint")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer_module, "SAMPLE_TILES", 4)
        run = trainer(folder, mnist_root, begin=begin)
        for name, value in begin.unet.state_dict().items():
            assert torch.equal(run.model.state_dict()[name], value)
            assert torch.equal(run.ema[name], value)
        run.run()
    return folder


def test_a_run_that_begins_with_a_checkpoint_carries_its_record_on(
    continued, finished_run, mnist_root, tmp_path
):
    before = checkpoints.load(finished_run / "checkpoint").training
    record = checkpoints.load(continued / "checkpoint").training
    assert record["steps"] == 2 * STEPS and record["images"] == 2 * STEPS * 20
    assert [row["step"] for row in record["history"]] == [10, 20, 30, 40]
    assert record["history"][:2] == before["history"]
    (earlier,) = record["earlier"]
    assert earlier["steps"] == STEPS and earlier["commit"] == before["commit"]
    card = (continued / "checkpoint" / "README.md").read_text()
    told = f"| before that | `{earlier['command']}`, {STEPS * 20} images in {STEPS} steps"
    assert told in card and f"{2 * STEPS} steps) |" in card
    assert record["history"][2]["seconds"] >= 3600 * earlier["hours"]
    # A third run tells of both, each with its own steps.
    third = trainer(tmp_path, mnist_root, begin=checkpoints.load(continued / "checkpoint"))
    assert [run["steps"] for run in third.earlier] == [STEPS, STEPS]
    assert third.drawn == 2 * STEPS


def test_a_continued_run_draws_what_would_have_come_next(finished_run, mnist_root, tmp_path):
    begin = checkpoints.load(finished_run / "checkpoint")
    fresh = trainer(tmp_path / "fresh", mnist_root)
    run = trainer(tmp_path / "more", mnist_root, begin=begin)
    first = run._indices()
    assert not torch.equal(first, fresh._indices())
    fresh.step = STEPS
    assert torch.equal(first, fresh._indices())


def test_a_continued_run_that_is_stopped_goes_on(continued, finished_run, mnist_root, tmp_path):
    begin = checkpoints.load(finished_run / "checkpoint")
    trainer(tmp_path, mnist_root, kind=Interrupted, begin=begin).run()
    resumed = trainer(tmp_path, mnist_root)  # what it began with is in its state
    assert resumed.step == Interrupted.stop_at
    resumed.run()
    whole, parts = state_of(continued), state_of(tmp_path)
    assert_identical(whole["ema"], parts["ema"])
    assert whole["earlier"] == parts["earlier"] != []


@pytest.mark.parametrize("record", [{"source": "pictures (JPEG)"}, {"training_set": 4_000}])
def test_what_was_trained_on_other_images_is_not_carried_on(
    finished_run, mnist_root, tmp_path, record
):
    """It may have been trained on what is held out now."""
    begin = checkpoints.load(finished_run / "checkpoint")
    begin.training |= record
    with pytest.raises(InvalidInput, match="was trained on other images than mnist has here"):
        trainer(tmp_path / "other", mnist_root, begin=begin)


def test_a_run_goes_on_with_neither_another_beginning_nor_other_images(
    finished_run, mnist_root, tmp_path, monkeypatch
):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    trainer(folder, mnist_root)
    begin = checkpoints.load(finished_run / "checkpoint")
    with pytest.raises(InvalidInput, match="did not begin with that checkpoint"):
        trainer(folder, mnist_root, begin=begin)
    fewer = data.load("mnist", "train", mnist_root).subset(slice(0, 900))
    monkeypatch.setattr(training.data, "load", lambda *about: fewer)
    with pytest.raises(InvalidInput, match="holds a run on other images than mnist has now"):
        trainer(folder, mnist_root)


def test_the_command_that_is_kept_tells_of_no_place():
    words = ["train", "--data-root=/home/me/data", "--init", "/home/me/its", "--out", "runs/x"]
    kept = record.command(words)
    assert kept == "python -m ddpm_core train --data-root=data --init its --out runs/x"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conditional": False, "p_uncond": 0.0}, "another model: its model, classes differ"),
        ({"schedule": {"kind": "cosine", "num_timesteps": 40}}, "its schedule differ"),
        ({"prediction_type": "v_prediction"}, "its prediction_type differ"),
        ({"dataset": "fashion-mnist"}, "its dataset, classes differ"),
    ],
)
def test_a_checkpoint_of_another_model_is_no_beginning(
    finished_run, mnist_root, tmp_path, changes, words
):
    begin = checkpoints.load(finished_run / "checkpoint")
    for name in ("MNIST", "FashionMNIST"):
        (tmp_path / name).symlink_to(mnist_root / "MNIST")
    with pytest.raises(InvalidInput, match=words):
        trainer(tmp_path / "other", tmp_path, begin=begin, **changes)

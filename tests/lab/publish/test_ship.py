"""A run becomes a checkpoint that ships, with what was measured on its card."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image

from ddpm_core import CheckpointError, InvalidInput, Request, checkpoints, load, sample
from lab.__main__ import main
from lab.measure import results
from lab.measure.protocol import words
from lab.measure.results import fingerprint
from lab.publish import cards, space
from lab.publish.ship import ship
from lab.report import tables
from tests.support.toys import result_of, save_tiny_checkpoint, save_tiny_classifier


def test_a_shipped_run_is_the_same_model_with_card_and_picture(checkpoint, tmp_path):
    run = tmp_path / "my-run"
    run.mkdir()
    (run / "checkpoint").symlink_to(checkpoint, target_is_directory=True)
    folder = ship(run, home=tmp_path / "home")
    assert folder == tmp_path / "home" / "my-run"
    request = Request(n=3, steps=3, dtype="float32")
    shipped = load("my-run", tmp_path / "home")
    assert np.array_equal(sample(shipped, request), sample(load(checkpoint), request))
    card = (folder / "README.md").read_text()
    assert card.count("# my-run") == 1 and "](samples.png)" in card
    # A run has no such picture.
    assert "samples.png" not in (checkpoint / "README.md").read_text()
    with Image.open(folder / "samples.png") as picture:
        note = json.loads(picture.info["Description"])
        size = shipped.unet.image_size
        assert picture.size == (2 * (8 * (size + 1) - 1),) * 2
    assert note["n"] == 64 and note["steps"] == 20 and note["model"] == "my-run"


def test_a_model_of_other_images_is_not_shipped_over(checkpoint, tmp_path):
    home = tmp_path / "home"
    folder = ship(checkpoint, "mine", home)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dataset": "cifar10"}))
    before = (folder / "README.md").read_text()
    with pytest.raises(InvalidInput, match="mine is a model of cifar10"):
        ship(checkpoint, "mine", home)
    assert (folder / "README.md").read_text() == before


def test_a_classifier_is_not_shipped_over_a_model(checkpoint, classifiers, tmp_path):
    ship(checkpoint, "mine", home=tmp_path)
    classifier = save_tiny_classifier(tmp_path / "runs" / "guide")
    with pytest.raises(InvalidInput, match="mine is a checkpoint of another kind"):
        ship(classifier, "mine", home=tmp_path)
    assert load(tmp_path / "mine").shape == (1, 8, 8)


def test_a_checkpoint_is_called_as_its_run_wherever_it_is_shipped_from(
    checkpoint, tmp_path, monkeypatch
):
    inside = shutil.copytree(checkpoint, tmp_path / "my-run" / "checkpoint")
    for here, run in ((inside.parent, "."), (inside, ".."), (tmp_path, "my-run/checkpoint")):
        monkeypatch.chdir(here)
        assert ship(Path(run), home=tmp_path / "home").name == "my-run"
    for name in ("..", "a/b", "."):
        with pytest.raises(InvalidInput, match="that of a folder"):
            ship(inside, name, home=tmp_path / "home")


def my_result(fid: float, mark: str, **changes) -> dict:
    request = Request(**{"n": 8192, "label": "all", "sampler": "ddim", "steps": 50} | changes)
    return result_of(tables.Measurement("mine", request, "test"), fid, 0.1, mark=mark)


@pytest.fixture
def measured(checkpoint, tmp_path):
    """A shipped checkpoint with a FID of its own, and one of other weights."""
    folder = ship(checkpoint, "mine", home=tmp_path / "home")
    results.save(folder, my_result(1.25, fingerprint(load(folder).unet)))
    results.save(folder, my_result(77.0, "0" * 16))
    return folder


def test_the_command_that_ships_other_weights_deletes_figures_of_the_old(
    measured, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(checkpoints, "HOME", tmp_path / "home")
    other = save_tiny_checkpoint(tmp_path / "run" / "checkpoint")
    with torch.no_grad():
        model = load(other)
        model.unet.conv_in.bias.add_(1)
    checkpoints.write_folder(other, model.config, model.unet.state_dict(), model.training)
    assert main(["ship", str(tmp_path / "run"), "--name", "mine"]) == 0
    assert capsys.readouterr().out.count("of other weights, deleted") == 2
    assert results.read(measured) == []
    assert "## Measured" not in (measured / "README.md").read_text()


def test_figures_are_published_with_the_model_and_those_of_other_weights_are_not(
    measured, tmp_path
):
    folder = space.measured_folder(measured, "user/mine", tmp_path / "out")
    (stored,) = results.read(folder)
    assert stored["fid"] == 1.25
    assert len(results.read(measured)) == 2  # nothing is deleted where it was
    text = (folder / "README.md").read_text()
    assert "# user/mine" in text and "judge distance 1.2500 ± 0.1000" in text and "77" not in text


def test_a_card_has_what_is_not_stale_and_keeps_broken_runs_from_its_metadata(measured):
    mark = results.mark_of(measured)
    for fid, changes in enumerate(({"fault": "off-by-one"}, {"clip": False}, {"seed": 9}), 2):
        results.save(measured, my_result(fid, mark, **changes))
    cards.rewrite(measured)
    card = ModelCard.load(measured / "README.md")
    distances = [r for r in card.data.eval_results if r.metric_type == cards.DISTANCE]
    assert sorted(r.metric_value for r in distances) == [1.25, 4.0]
    assert {r.dataset_split for r in distances} == {"test"}
    stored = results.current(measured)
    assert len(stored) == 4 and all(f"- {words(result)}" in card.text for result in stored)
    assert "77" not in card.text


def test_a_mark_is_that_of_the_network_and_follows_its_file(tmp_path):
    folder = save_tiny_checkpoint(tmp_path / "it")
    model = load(folder)
    assert results.mark_of(folder) == fingerprint(model.unet)
    with torch.no_grad():
        model.unet.conv_in.bias.add_(1)
    checkpoints.write_folder(folder, model.config, model.unet.state_dict(), model.training)
    assert results.mark_of(folder) == fingerprint(load(folder).unet) == fingerprint(model.unet)
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="no safetensors file"):
        results.mark_of(folder)
    assert results.mark_of(tmp_path) is None

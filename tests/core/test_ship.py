"""A run becomes a checkpoint that ships; a strip shows one image's way."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import CheckpointError, Request, film, load, sample
from ddpm_core.__main__ import main
from ddpm_core.checkpoints import load_classifier
from ddpm_core.ship import ship
from tests.core.toys import save_tiny_classifier


def test_a_shipped_run_is_the_same_model_with_card_and_picture(checkpoint, tmp_path):
    run = tmp_path / "my-run"
    run.mkdir()
    (run / "checkpoint").symlink_to(checkpoint, target_is_directory=True)
    folder = ship(run, home=tmp_path / "home")
    assert folder == tmp_path / "home" / "my-run"
    request = Request(n=3, steps=3, dtype="float32")
    shipped = load("my-run", tmp_path / "home")
    assert np.array_equal(sample(shipped, request), sample(load(checkpoint), request))
    assert (folder / "README.md").read_text().count("# my-run") == 1
    with Image.open(folder / "samples.png") as picture:
        about = json.loads(picture.info["Description"])
        size = shipped.unet.image_size
        assert picture.size == (2 * (8 * (size + 1) - 1),) * 2
    assert about["n"] == 64 and about["steps"] == 20 and about["model"] == "checkpoint"


def test_a_shipped_classifier_is_the_same_with_a_card_and_no_picture(tmp_path):
    source = save_tiny_classifier(tmp_path / "my-judge" / "checkpoint")
    folder = ship(tmp_path / "my-judge", home=tmp_path / "home")
    assert folder == tmp_path / "home" / "my-judge"
    x = torch.randn(2, 1, 8, 8)
    shipped = load_classifier("my-judge", tmp_path / "home")
    assert torch.equal(shipped.log_probs(x), load_classifier(source).log_probs(x))
    assert (folder / "README.md").read_text().count("# my-judge") == 1
    assert not (folder / "samples.png").exists()


def test_a_run_without_weights_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"config.json is missing"):
        ship(tmp_path / "empty", home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_a_strip_leads_from_noise_to_picture(checkpoint, tmp_path):
    out = tmp_path / "strip.png"
    arguments = ["--steps", "6", "--strip", "4", "--scale", "1", "--panes", "x", "x0"]
    assert main(["sample", "--model", str(checkpoint), "--out", str(out), *arguments]) == 0
    model = load(checkpoint)
    whole = film(model, Request(n=1, steps=6))
    size = model.unet.image_size
    with Image.open(out) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (2 * size + 1, 4 * (size + 1) - 1)
    for column, frame in enumerate((0, 2, 4, 6)):
        left = column * (size + 1)
        assert np.array_equal(pixels[:size, left : left + size], whole.x[frame, 0, ..., 0])
        assert np.array_equal(pixels[size + 1 :, left : left + size], whole.x0[frame, 0, ..., 0])


@pytest.mark.parametrize("options", [["--strip", "1"], ["--strip", "22"], ["--strip", "-3"]])
def test_an_impossible_strip_is_refused(checkpoint, tmp_path, options, capsys):
    arguments = ["sample", "--model", str(checkpoint), "--out", str(tmp_path / "a.png"), *options]
    assert main(arguments) == 2
    assert "strip must be between 2 and 21" in capsys.readouterr().err


def test_a_strip_is_a_png(checkpoint, tmp_path, capsys):
    arguments = ["sample", "--model", str(checkpoint), "--out", str(tmp_path / "a.gif")]
    assert main([*arguments, "--strip", "4"]) == 2
    assert "--strip makes a .png" in capsys.readouterr().err

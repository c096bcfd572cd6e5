"""The command line, called in process: files, exit statuses and messages."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ddpm_core import SAMPLERS, checkpoints, read_note, recorder, sampling
from ddpm_core.__main__ import main
from ddpm_core.recipes import CLASSIFIERS, RECIPES, classifier_recipe_from, recipe_from
from ddpm_core.request import Request
from lab.measure import watch
from tests.support.films import frames_of
from tests.support.toys import TINY_NETS


@pytest.fixture
def run(checkpoint, tmp_path):
    """Call 'sample' on the tiny checkpoint; returns the exit status and the file's path."""

    def call(name, *options):
        out = tmp_path / name
        arguments = ["--model", checkpoint, "--out", out, "--n", 5, "--steps", 4]
        arguments += ["--dtype", "float32", *options]
        return main(["sample", *map(str, arguments)]), out

    return call


def expected(checkpoint, **changes):
    request = Request(**{"n": 5, "steps": 4, "dtype": "float32"} | changes)
    return checkpoints.load(checkpoint), request


# --- sample ---


def test_npz_holds_the_images_their_labels_and_how_they_were_made(run, checkpoint):
    status, out = run("a.npz", "--seed", 3)
    assert status == 0
    model, request = expected(checkpoint, seed=3)
    with np.load(out) as arrays:
        whole = arrays["images"]
        np.testing.assert_array_equal(whole, sampling.sample(model, request))
        assert whole.dtype == np.uint8
        assert arrays["labels"].tolist() == [0, 1, 2, 3, 4]
        assert json.loads(str(arrays["about"]))["seed"] == 3
    with np.load(run("a.npz", "--seed", 3, "--n", 2, "--first", 3)[1]) as arrays:
        assert arrays["labels"].tolist() == [3, 4]
        assert np.abs(arrays["images"].astype(int) - whole[3:]).max() <= 1
    with np.load(run("a.npz", "--label", "none")[1]) as arrays:
        assert arrays["labels"].tolist() == [-1] * 5


def test_npz_of_an_unconditional_model_has_no_labels(run, unconditional_checkpoint):
    status, out = run("a.npz", "--model", unconditional_checkpoint)
    assert status == 0
    with np.load(out) as arrays:
        assert sorted(arrays) == ["about", "images"]


def test_png_is_the_grid_enlarged(run, checkpoint):
    status, out = run("new/folder/a.png", "--scale", 2, "--label", 7)
    assert status == 0
    pictures = sampling.sample(*expected(checkpoint, label=7))
    wanted = recorder.enlarge(recorder.grid(pictures), 2)[..., 0]
    with Image.open(out) as image:
        np.testing.assert_array_equal(np.asarray(image), wanted)
        assert json.loads(image.text["Description"])["label"] == 7


@pytest.mark.parametrize("ending", ["gif", "webp", "mp4"])
def test_films_leave_in_every_format_with_what_made_them(run, ending):
    for stride, frames in ((1, 5), (3, 3)):
        status, out = run(f"a.{ending}", "--panes", "x", "x0", "--stride", stride)
        assert status == 0
        assert len(frames_of(out)) == frames
        about = json.loads(read_note(out))
        assert (about["model"], about["steps"]) == ("tiny", 4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.png", ["--label", "²"], "'²'"),
        ("a.png", ["--n", "0"], "n must be between"),
        ("a.png", ["--sampler", "euler"], f"known: {', '.join(SAMPLERS)}"),
        ("a.png", ["--scale", "0"], "scale"),
        ("a.png", ["--threads", "-2"], "threads"),
        ("a.png", ["--model", "nobody"], "no checkpoint 'nobody'"),
        ("a.gif", ["--stride", "0"], "stride"),
        ("a.gif", ["--n", "100000", "--steps", "50"], "fewer images or steps"),
        ("a.jpg", [], ".png, .gif, .webp, .mp4, .npz"),
        ("a", [], ".png, .gif, .webp, .mp4, .npz"),
        ("picture.png/a.png", [], ""),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_bad_options_end_with_status_2_and_one_line_before_sampling(
    run, capsys, monkeypatch, tmp_path, name, options, message
):
    (tmp_path / "picture.png").write_text("a file in the way")
    monkeypatch.setattr(sampling.Run, "steps", lambda *a, **k: pytest.fail("sampled for nothing"))
    status, out = run(name, *options)
    assert status == 2
    error = capsys.readouterr().err.rpartition("\r")[2]  # after a progress bar that was wiped
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


# --- train ---


@pytest.fixture
def train(mnist_root, tmp_path, small_sample_grids):
    def call(*options):
        base = ["--data-root", mnist_root, "--out", tmp_path / "run", "--channels", 4, 8]
        base += ["--batch-size", 100, "--timesteps", 20, "--no-bf16", "--threads", 1]
        return main(["train", *map(str, [*base, *options])])

    return call


def test_train_writes_a_checkpoint_that_sample_loads_and_goes_on(train, tmp_path, capsys):
    folder = tmp_path / "run"
    assert train("--epochs", 0.2, "--conditional") == 0
    assert "2 steps of 100, from step 0" in capsys.readouterr().out
    model = checkpoints.load(folder / "checkpoint")
    assert model.schedule.num_timesteps == 20
    assert model.unet.null_index == 10
    assert model.training["recipe"]["p_uncond"] == 0.1
    out = tmp_path / "a.png"
    arguments = ["--model", folder / "checkpoint", "--out", out, "--n", 2, "--steps", 3]
    assert main(["sample", *map(str, arguments)]) == 0
    assert out.exists()
    assert train("--epochs", 0.4, "--conditional") == 0
    assert "4 steps of 100, from step 2" in capsys.readouterr().out
    with (folder / "losses.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4"]


def test_train_begins_with_a_checkpoint_and_measures_the_fid(train, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "fid_watch", lambda *a, **k: lambda model: {"fid": 3.5})
    assert train("--epochs", 0.2) == 0
    words = ["--epochs", 0.1, "--init", tmp_path / "run" / "checkpoint", "--fid"]
    assert train(*words, "--out", tmp_path / "on") == 0
    record = checkpoints.load(tmp_path / "on" / "checkpoint").training
    assert (record["steps"], record["history"][-1]["fid"]) == (1, 3.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "imagenet"], "unknown dataset 'imagenet'"),
        (["--batch-size", "2000"], "batch_size 2000 exceeds 1000 images"),
        (["--timesteps", "0"], "timesteps must be"),
        (["--attention", "5"], "attention level"),
        (["--device", "abacus"], "abacus"),
    ],
    ids=lambda value: "".join(value) if isinstance(value, list) else "",
)
def test_bad_training_options_end_with_status_2_and_one_line(train, capsys, options, message):
    assert train(*options) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error


def test_what_is_wrong_with_the_data_or_the_folder_is_an_error_not_a_traceback(
    train, tmp_path, monkeypatch, capsys
):
    def unreachable(*args, **kwargs):
        raise OSError("no network")

    target = "torchvision.datasets.mnist.download_and_extract_archive"
    monkeypatch.setattr(target, unreachable)
    assert train("--data-root", tmp_path / "nothing") == 2
    assert "error: MNIST is missing from" in capsys.readouterr().err
    assert train("--epochs", 0.1) == 0
    assert train("--epochs", 0.1, "--lr", 0.5) == 2
    assert "another lr" in capsys.readouterr().err


# --- train-classifier ---


@pytest.fixture
def train_classifier(mnist_root, tmp_path, monkeypatch):
    small = replace(
        CLASSIFIERS["mnist-classifier"], classifier={"kind": "conv"} | TINY_NETS["conv"]
    )
    monkeypatch.setitem(CLASSIFIERS, "mnist-classifier", small)

    def call(*options):
        base = ["--recipe", "mnist-classifier", "--data-root", mnist_root, "--no-bf16"]
        base += ["--out", tmp_path / "run", "--batch-size", 100, "--threads", 1]
        return main(["train-classifier", *map(str, [*base, *options])])

    return call


def test_train_classifier_writes_a_checkpoint_that_ships_and_goes_on(
    train_classifier, tmp_path, capsys
):
    assert train_classifier("--epochs", 0.2, "--rotate", 3) == 0
    assert "2 steps of 100, from step 0" in capsys.readouterr().out
    it = checkpoints.load_classifier(tmp_path / "run" / "checkpoint")
    assert it.training["recipe"]["rotate"] == 3
    assert it.training["test"]["images"] == 60
    assert train_classifier("--epochs", 0.4, "--rotate", 3) == 0
    assert "4 steps of 100, from step 2" in capsys.readouterr().out
    with (tmp_path / "run" / "losses.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4"]


# --- recipes ---


def test_options_change_a_shipped_recipe_and_nothing_else():
    base = RECIPES["mnist-conditional"]
    recipe = recipe_from("mnist-conditional", {"epochs": 1, "prediction": "epsilon"})
    assert recipe == replace(base, epochs=1, prediction_type="epsilon")
    recipe = classifier_recipe_from("mnist-judge", {"epochs": 1, "device": "cpu"})
    assert recipe == replace(CLASSIFIERS["mnist-judge"], epochs=1)


def test_attention_is_chosen_by_level_and_follows_their_number():
    recipe = recipe_from(None, {"attention": [2, 1]})
    assert recipe.model["attention"] == [False, True, True]
    assert recipe.model["mid_attention"]
    none = recipe_from("mnist-conditional", {"attention": []})
    assert none.model["attention"] == [False, False, False]
    assert not none.model["mid_attention"]
    fewer = recipe_from("mnist-conditional", {"channels": [8, 16]})
    assert fewer.model["attention"] == [False, True]

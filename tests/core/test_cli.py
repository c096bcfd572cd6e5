"""The command line, called in process: files, exit statuses and messages."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from ddpm_core import checkpoints, read_note, recorder, sampling
from ddpm_core.__main__ import main
from ddpm_core.recipes import CLASSIFIERS, RECIPES, classifier_recipe_from, recipe_from
from ddpm_core.request import Request
from tests.support.films import frames_of
from tests.support.toys import TINY_NETS

ask = partial(Request, n=3, steps=4, dtype="float32")


@pytest.fixture
def run(checkpoint, classifiers, tmp_path):
    """Call 'sample' on the tiny checkpoint; returns the exit status and the file's path."""

    def call(name, *options):
        out = tmp_path / name
        arguments = ["--model", checkpoint, "--out", out, "--n", 3, "--steps", 4]
        arguments += ["--dtype", "float32", *options]
        return main(["sample", *map(str, arguments)]), out

    return call


# --- sample ---


def test_npz_holds_the_images_their_labels_and_how_they_were_made(
    run, model, unconditional_checkpoint
):
    status, out = run("a.npz", "--seed", 3)
    assert status == 0
    with np.load(out) as arrays:
        whole = arrays["images"]
        np.testing.assert_array_equal(whole, sampling.sample(model, ask(seed=3)))
        assert whole.dtype == np.uint8 and arrays["labels"].tolist() == [0, 1, 2]
        assert json.loads(str(arrays["about"]))["seed"] == 3
    with np.load(run("a.npz", "--seed", 3, "--n", 2, "--first", 1)[1]) as arrays:
        assert np.abs(arrays["images"].astype(int) - whole[1:]).max() <= 1
    with np.load(run("a.npz", "--label", "none")[1]) as arrays:
        assert arrays["labels"].tolist() == [-1] * 3
    with np.load(run("a.npz", "--model", unconditional_checkpoint)[1]) as arrays:
        assert sorted(arrays) == ["about", "images"]


def assert_shows(result, pictures, columns=None) -> dict:
    """Check that a grey PNG is the sheet of these pictures; return its note."""
    status, path = result
    assert status == 0
    with Image.open(path) as image:
        expected = recorder.enlarge(recorder.grid(pictures, columns), 4)[..., 0]
        np.testing.assert_array_equal(np.asarray(image), expected)
        return json.loads(image.text["Description"])


def test_png_is_the_grid_enlarged(run, model):
    result = run("new/folder/a.png", "--label", 7)
    assert assert_shows(result, sampling.sample(model, ask(label=7)))["label"] == 7


def test_scales_are_a_row_of_one_image_and_with_every_class_an_atlas(
    run, model, unconditional_checkpoint
):
    scales = [0, 1, 2.5, 8]
    result = run("a.png", "--guidance", "cfg", "--label", 3, "--scales", *scales)
    requests = sampling.scale_sheet(ask(guidance="cfg", label=3), scales)
    assert_shows(result, sampling.film(model, requests).images(), 4)
    options = ["--model", unconditional_checkpoint, "--guidance", "classifier"]
    status, out = run("a.png", *options, "--label", "all", "--scales", 0, 2, "--scale", 1)
    assert status == 0
    with Image.open(out) as image:  # the classes are those of its guide
        assert image.size == (2 * 8 + 1, 10 * 8 + 9)


def test_a_request_beside_is_a_row_of_its_own(run, model):
    options = ["--label", 3, "--beside", "guidance=cfg", "guidance_scale=5"]
    result = run("a.png", *options, "--beside", "seed=9", "mix=4")
    requests = [ask(label=3), ask(label=3, guidance="cfg", guidance_scale=5)]
    film = sampling.film(model, [*requests, ask(label=3, seed=9, mix=4)])
    assert assert_shows(result, film.images(), 3)["beside"] == [
        {"guidance": "cfg", "guidance_scale": 5.0},
        {"seed": 9, "mix": 4},
    ]
    # An option may be for a row beside.
    assert run("a.png", "--rescale", 0.5, "--beside", "guidance=cfg")[0] == 0


def test_where_classes_are_called_by_other_numbers_a_label_says_so(tmp_path, model, capsys):
    named = replace(model.config, classes=["1", "10", *"2345678", "9"])
    folder = tmp_path / "numbers"
    checkpoints.write_folder(folder, named, model.unet.state_dict())
    words = ["sample", str(folder), "--n", "1", "--steps", "1", "--out", str(tmp_path / "a.png")]
    for label, note in (("2", "the class called 2 is --label 2"), ("3", "called 3 is --label 3")):
        assert main([*words, "--label", label]) == 0
        assert note not in capsys.readouterr().err
    assert main([*words, "--label", "1"]) == 0
    assert "the class called 1 is --label 0" in capsys.readouterr().err


def test_ctrl_c_ends_in_one_line(monkeypatch, capsys, tmp_path):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "load", interrupted)
    assert main(["sample", "--out", str(tmp_path / "a.png")]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_a_branch_is_the_row_beside(run, model):
    result = run("a.png", "--label", 3, "--beside", "label=8", "--branch-at", 2)
    film = sampling.branch(model, ask(label=3), ask(label=8), 2)
    assert assert_shows(result, film.images(), 3)["branch_at"] == 2


@pytest.mark.parametrize("kind", ["gif", "webp", "mp4"])
def test_films_leave_in_every_format_with_what_made_them(run, kind):
    status, out = run(f"a.{kind}", "--panes", "x", "x0", "--stride", 3)
    assert status == 0 and len(frames_of(out)) == 3
    note = json.loads(read_note(out))
    assert (note["model"], note["steps"]) == ("tiny", 4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.png", "--sampler euler", "known: ddim"),
        ("a.png", "--threads -2", "threads"),
        ("a.png", "--model nobody", "no checkpoint 'nobody'"),
        ("a.gif", "--n 100000 --steps 50", "fewer images or steps"),
        ("a.mp4", "--n 400 --scale 64", "more than the 4,096 of this format"),
        ("a.gif", "--n 1000 --steps 50 --scale 64", "pixels in all"),
        ("a.png", "--guidance cfg --scales 1 --toward 3", "no --scales of it"),
        ("a", "", ".png, .gif, .webp, .mp4, .npz"),
        ("picture.png/a.png", "", ""),
        ("a.png", "--rescale 0.5", "--rescale is an option of guidance: add --guidance cfg"),
        ("a.png", "--guidance-scale 3 --beside label=1", "--guidance-scale is that of a"),
        ("a.png", "--sampler heun --eta 0.5", "--eta is an option of --sampler ddim, not of heun"),
        ("a.png", "--sampler ddim --variance beta", "--variance is an option of --sampler ddpm"),
        ("a.png", "--toward 3 --mix 4 --share 0.2 --label 3", "--share goes without --toward"),
        ("a.png", "--along 0.2", "--along is that of a second seed: choose one with --toward"),
        ("a.png", "--guidance cfg --scales 1 --beside n=2", "no --scales"),
        ("a.png", "--beside colour=red", "field in --beside 'colour'"),
        ("a.png", "--beside guidance_scale=3", "changes nothing here"),
        ("a.png", "--label 1 --beside label=1", "makes the same images"),
        ("a.png", "--beside label=8 rescale=0.5", "rescale in --beside changes"),
        ("a.png", "--beside label=8 label=9", "something twice"),
        ("a.png", "--beside label=8 n=4", "as many images"),
        ("a.png", "--guidance cfg --guidance-scale 2 --scales 1 2", "give one of them"),
        ("a.png", "--branch-at 2", "needs one --beside"),
        ("a.png", "--stride 1", "--stride is of films"),
    ],
)
def test_bad_options_end_with_status_2_and_one_line_before_sampling(
    run, capsys, monkeypatch, tmp_path, name, options, message
):
    (tmp_path / "picture.png").write_text("a file in the way")
    monkeypatch.setattr(sampling.Run, "steps", lambda *a, **k: pytest.fail("sampled for nothing"))
    status, out = run(name, *options.split())
    assert status == 2 and not out.exists()
    error = capsys.readouterr().err.splitlines()[-1].rpartition("\r")[2]  # after a progress bar
    assert error.startswith("error: ") and message in error


# --- train ---


@pytest.fixture
def train(mnist_root, tmp_path, no_sample_grids):
    def call(*options, command="train", network=("--channels", 4, 8, "--timesteps", 20)):
        base = ["--data-root", mnist_root, "--out", tmp_path / "run", "--batch-size", 100]
        return main([command, *map(str, [*base, "--no-bf16", "--threads", 1, *network, *options])])

    return call


def test_train_writes_a_checkpoint_and_goes_on(train, tmp_path, capsys):
    assert train("--steps", 2, "--conditional") == 0
    assert "2 steps of 100, from step 0" in capsys.readouterr().out
    model = checkpoints.load(tmp_path / "run" / "checkpoint")
    assert model.schedule.num_timesteps == 20
    assert model.unet.null_index == 10
    assert model.training["recipe"]["p_uncond"] == 0.1
    assert train("--steps", 4, "--conditional") == 0
    assert "4 steps of 100, from step 2" in capsys.readouterr().out


def test_train_begins_with_a_checkpoint(train, tmp_path):
    assert train("--steps", 1) == 0
    options = ["--steps", 1, "--init", tmp_path / "run" / "checkpoint"]
    assert train(*options, "--out", tmp_path / "on") == 0
    record = checkpoints.load(tmp_path / "on" / "checkpoint").training
    assert (record["steps"], record["finetuned"]) == (1, "run")


def test_what_cannot_be_trained_is_an_error_not_a_traceback(train, capsys):
    for options, message in (
        (["--dataset", "nothing"], "error: unknown dataset 'nothing'"),
        (["--attention", 5], "attention level"),
    ):
        assert train(*options) == 2
        assert message in capsys.readouterr().err


def test_train_classifier_writes_a_checkpoint_that_ships_and_goes_on(
    train, tmp_path, capsys, monkeypatch
):
    name = "mnist-classifier"
    small = replace(CLASSIFIERS[name], classifier={"kind": "conv"} | TINY_NETS["conv"])
    monkeypatch.setitem(CLASSIFIERS, name, small)
    options = {"command": "train-classifier", "network": ("--recipe", name, "--rotate", 3)}
    for steps, message in ((2, "2 steps of 100, from step 0"), (4, "4 steps of 100, from step 2")):
        assert train("--steps", steps, **options) == 0
        assert message in capsys.readouterr().out
    classifier = checkpoints.load_classifier(tmp_path / "run" / "checkpoint")
    assert classifier.training["recipe"]["rotate"] == 3
    assert classifier.training["test"]["images"] == 60


# --- recipes ---


def test_options_change_a_shipped_recipe_and_nothing_else():
    base = RECIPES["mnist-conditional"]
    recipe = recipe_from("mnist-conditional", {"epochs": 1, "prediction": "epsilon"})
    assert recipe == replace(base, epochs=1, prediction_type="epsilon")
    recipe = classifier_recipe_from("mnist-judge", {"epochs": 1, "device": "cpu"})
    assert recipe == replace(CLASSIFIERS["mnist-judge"], epochs=1)


def test_attention_is_chosen_by_level_and_follows_their_number():
    recipe = recipe_from(None, {"attention": [2, 1]})
    assert recipe.model["attention"] == [False, True, True] and recipe.model["mid_attention"]
    none = recipe_from("mnist-conditional", {"attention": []})
    assert none.model["attention"] == [False, False, False]
    assert not none.model["mid_attention"]
    half = recipe_from("cifar10-conditional", {"timesteps": 500})
    assert (RECIPES["cifar10-conditional"].stable_from, half.stable_from) == (900, 450)
    assert recipe_from("cifar10-conditional", {"learn_variance": True}).stable_from is None
    fewer = recipe_from("mnist-conditional", {"channels": [8, 16]})
    assert fewer.model["attention"] == [False, True]

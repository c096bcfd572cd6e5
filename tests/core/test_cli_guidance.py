"""The command line's guided pictures and its figures, called in process."""

import json

import numpy as np
import pytest
from PIL import Image

from ddpm_core import recorder, sampling
from ddpm_core.__main__ import main
from ddpm_core.request import Request

pytestmark = pytest.mark.usefixtures("classifiers")
BASE = ["--steps", 4, "--dtype", "float32"]


@pytest.fixture
def draw(checkpoint, tmp_path):
    """Call 'sample' on the tiny checkpoint; returns the exit status and the file's path."""

    def call(name, *options):
        out = tmp_path / name
        arguments = ["--model", checkpoint, "--out", out, "--n", 3, *BASE, *options]
        return main(["sample", *map(str, arguments)]), out

    return call


def ask(**changes) -> Request:
    return Request(**{"n": 3, "steps": 4, "dtype": "float32"} | changes)


def opened(path):
    """Pixels and the description of a grey PNG."""
    with Image.open(path) as image:
        return np.asarray(image), json.loads(image.text["Description"])


def sheet(images, columns, scale=4):
    return recorder.enlarge(recorder.grid(images, columns), scale)[..., 0]


# --- sample ---


def test_scales_are_a_row_of_one_image(draw, model):
    scales = [0, 1, 2.5, 8]
    status, out = draw("a.png", "--guidance", "cfg", "--label", 3, "--scales", *scales)
    assert status == 0
    pixels, _ = opened(out)
    assert pixels.shape == (4 * 8, 4 * (4 * 8 + 3))
    requests = sampling.scale_sheet(ask(guidance="cfg", label=3), scales)
    np.testing.assert_array_equal(pixels, sheet(sampling.film(model, requests).images(), 4))


def test_scales_with_every_class_are_an_atlas_of_the_model_or_of_its_guide(
    draw, unconditional_checkpoint
):
    scales = ["--label", "all", "--scales", 0, 2, "--scale", 1]
    status, out = draw("a.png", "--guidance", "cfg", *scales)
    assert status == 0
    pixels, about = opened(out)
    assert pixels.shape == (10 * 8 + 9, 2 * 8 + 1)
    assert len(about["beside"]) == 19
    plain = ["--model", unconditional_checkpoint, "--guidance", "classifier"]
    status, out = draw("a.png", *plain, *scales[2:])
    assert status == 0
    assert opened(out)[0].shape == (10 * 8 + 9, 2 * 8 + 1)


def test_a_request_beside_is_a_row_of_its_own(draw, model):
    options = ["--label", 3, "--beside", "guidance=cfg", "guidance_scale=5"]
    status, out = draw("a.png", *options, "--beside", "seed=9", "mix=4")
    assert status == 0
    requests = [ask(label=3), ask(label=3, guidance="cfg", guidance_scale=5)]
    requests += [ask(label=3, seed=9, mix=4)]
    pixels, about = opened(out)
    assert pixels.shape == (4 * (3 * 8 + 2), 4 * (3 * 8 + 2))
    np.testing.assert_array_equal(pixels, sheet(sampling.film(model, requests).images(), 3))
    assert about["beside"] == [
        {"guidance": "cfg", "guidance_scale": 5.0},
        {"seed": 9, "mix": 4},
    ]
    # An option may be that of a row beside.
    status, _ = draw("a.png", "--rescale", 0.5, "--share", 0.2, "--beside", "guidance=cfg", "mix=2")
    assert status == 0


def test_a_branch_is_the_row_beside(draw, model):
    status, out = draw("a.png", "--label", 3, "--beside", "label=8", "--branch-at", 2)
    assert status == 0
    both = sampling.branch(model, ask(label=3), ask(label=8), 2)
    pixels, about = opened(out)
    np.testing.assert_array_equal(pixels, sheet(both.images(), 3))
    assert about["branch_at"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--guidance", "clip"], "known: none, cfg, classifier, classifier-noisy"),
        (["--guidance", "cfg", "--label", "none"], "choose one"),
        (
            ["--guidance", "classifier-noisy", "--at", "x0"],
            "--at is an option of guidance: add --guidance classifier",
        ),
        (["--rescale", "0.5"], "--rescale is an option of guidance: add --guidance cfg"),
        (["--t-low", "3"], "add --guidance cfg or classifier or classifier-noisy"),
        (["--guidance-scale", "3", "--beside", "label=1"], "--guidance-scale is that of a"),
        (["--share", "0.2"], "second class"),
        (["--scales", "1", "2"], "scales are those of a guidance"),
        (["--guidance", "cfg", "--scales", "nan"], "guidance_scale"),
        (["--guidance", "cfg", "--scales", "1", "--beside", "n=2"], "no --scales"),
        (["--beside", "colour=red"], "field in --beside 'colour'"),
        (["--beside", "steps=3"], "agree in steps"),
        (["--branch-at", "2"], "needs one --beside"),
        (["--beside", "label=1", "--branch-at", "5"], "branch_at must be between 0 and 4"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_bad_options_end_with_status_2_and_one_line(draw, capsys, options, message):
    status, out = draw("a.png", *options)
    assert status == 2
    error = capsys.readouterr().err.rpartition("\r")[2]  # after a progress bar that was wiped
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    "options", [["--scales", "1", "--guidance", "cfg"], ["--beside", "seed=1"]]
)
def test_an_array_file_holds_one_request(draw, capsys, options):
    assert draw("a.npz", *options)[0] == 2
    assert "make a .png or a film" in capsys.readouterr().err
    assert draw("a.png", "--fault", "batch-scale", "--scales", "1")[0] == 2
    assert "--fault batch-scale is of a batch" in capsys.readouterr().err

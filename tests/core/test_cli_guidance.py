"""The command line's guided pictures and its figures, called in process."""

import json

import numpy as np
import pytest
from PIL import Image

from ddpm_core import recorder, sampling
from ddpm_core.__main__ import main
from ddpm_core.request import Request

pytestmark = pytest.mark.usefixtures("classifiers")


@pytest.fixture
def draw(checkpoint, tmp_path):
    """Call 'sample' on the tiny checkpoint; returns the exit status and the file's path."""

    def call(name, *options):
        out = tmp_path / name
        arguments = ["--model", checkpoint, "--out", out, "--n", 3, "--steps", 4]
        arguments += ["--dtype", "float32", *options]
        return main(["sample", *map(str, arguments)]), out

    return call


def ask(**changes) -> Request:
    return Request(**{"n": 3, "steps": 4, "dtype": "float32"} | changes)


def assert_shows(drawn, film, columns) -> dict:
    """That a grey PNG is the sheet of a film's images; gives its description."""
    status, path = drawn
    assert status == 0
    with Image.open(path) as image:
        wanted = recorder.enlarge(recorder.grid(film.images(), columns), 4)[..., 0]
        np.testing.assert_array_equal(np.asarray(image), wanted)
        return json.loads(image.text["Description"])


def test_scales_are_a_row_of_one_image_and_with_every_class_an_atlas(
    draw, model, unconditional_checkpoint
):
    scales = [0, 1, 2.5, 8]
    drawn = draw("a.png", "--guidance", "cfg", "--label", 3, "--scales", *scales)
    requests = sampling.scale_sheet(ask(guidance="cfg", label=3), scales)
    assert_shows(drawn, sampling.film(model, requests), 4)
    plain = ["--model", unconditional_checkpoint, "--guidance", "classifier"]
    status, out = draw("a.png", *plain, "--label", "all", "--scales", 0, 2, "--scale", 1)
    assert status == 0
    with Image.open(out) as image:  # of the classes of its guide
        assert image.size == (2 * 8 + 1, 10 * 8 + 9)


def test_a_request_beside_is_a_row_of_its_own(draw, model):
    options = ["--label", 3, "--beside", "guidance=cfg", "guidance_scale=5"]
    drawn = draw("a.png", *options, "--beside", "seed=9", "mix=4")
    requests = [ask(label=3), ask(label=3, guidance="cfg", guidance_scale=5)]
    about = assert_shows(drawn, sampling.film(model, [*requests, ask(label=3, seed=9, mix=4)]), 3)
    assert about["beside"] == [
        {"guidance": "cfg", "guidance_scale": 5.0},
        {"seed": 9, "mix": 4},
    ]
    # An option may be that of a row beside.
    status, _ = draw("a.png", "--rescale", 0.5, "--share", 0.2, "--beside", "guidance=cfg", "mix=2")
    assert status == 0


def test_a_branch_is_the_row_beside(draw, model):
    drawn = draw("a.png", "--label", 3, "--beside", "label=8", "--branch-at", 2)
    both = sampling.branch(model, ask(label=3), ask(label=8), 2)
    assert assert_shows(drawn, both, 3)["branch_at"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--guidance clip", "known: none, cfg, classifier, classifier-noisy"),
        ("--guidance cfg --label none", "choose one"),
        ("--rescale 0.5", "--rescale is an option of guidance: add --guidance cfg"),
        ("--guidance-scale 3 --beside label=1", "--guidance-scale is that of a"),
        ("--share 0.2", "second class"),
        ("--along 0.2", "--along is that of a second seed: choose one with --toward"),
        ("--scales 1 2", "scales are those of a guidance"),
        ("--guidance cfg --scales 1 --beside n=2", "no --scales"),
        ("--beside colour=red", "field in --beside 'colour'"),
        ("--beside steps=3", "agree in steps"),
        ("--branch-at 2", "needs one --beside"),
        ("--beside label=1 --branch-at 5", "branch_at must be between 0 and 4"),
    ],
)
def test_bad_options_end_with_status_2_and_one_line(draw, capsys, options, message):
    status, out = draw("a.png", *options.split())
    assert status == 2
    error = capsys.readouterr().err.rpartition("\r")[2]  # after a progress bar that was wiped
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_an_array_file_holds_one_request(draw, capsys):
    assert draw("a.npz", "--beside", "seed=1")[0] == 2
    assert "make a .png or a film" in capsys.readouterr().err
    assert draw("a.png", "--fault", "batch-scale", "--scales", "1")[0] == 2
    assert "--fault batch-scale is of a batch" in capsys.readouterr().err

"""``python -m lab forward``, called in process: files, figures and refusals."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from ddpm_core.diffusion import q_sample
from ddpm_core.request import Request
from ddpm_core.sampling import Run
from lab.__main__ import main
from lab.process.forward import (
    forward_film,
    from_picture,
    reconstruct,
    return_times,
    to_picture,
)
from lab.process.packed import pack, unpack

PICTURE = np.random.default_rng(3).integers(0, 256, (8, 8, 1), np.uint8)


@pytest.fixture
def run(checkpoint, tmp_path):
    """Call 'forward' on the tiny checkpoint of T = 50; the exit status and the file's path."""
    file = tmp_path / "picture.png"
    Image.fromarray(PICTURE[..., 0]).save(file)

    def call(name, *given, source=("--picture", file)):
        out = [] if name is None else ["--out", tmp_path / name]
        words = ["forward", "--model", checkpoint, *source, *out, "--scale", 1, *given]
        return main([*map(str, words)]), tmp_path / (name or "none")

    return call


def tiles(path, rows, columns):
    """The pictures of a labelled sheet of 8 x 8 tiles: (rows, columns, 8, 8)."""
    sheet = np.asarray(Image.open(path))
    sheet = sheet[-(9 * rows - 1) :, -(9 * columns - 1) :]
    found = [
        [sheet[9 * r : 9 * r + 8, 9 * c : 9 * c + 8] for c in range(columns)] for r in range(rows)
    ]
    return np.array(found)


def note(path):
    with Image.open(path) as image:
        return json.loads(image.text["Description"])


def test_a_strip_shows_both_equations_at_the_times_asked_for(run, model):
    status, out = run("a.png", "--t", 0, 7, 50, "--seed", 4)
    assert status == 0
    found, film = tiles(out, 2, 3), forward_film(model, PICTURE, 4).film
    for column, time in enumerate((0, 7, 50)):
        np.testing.assert_array_equal(found[0, column], film.x[50 - time, 0, ..., 0])
        np.testing.assert_array_equal(found[1, column], film.x0[50 - time, 0, ..., 0])
    # Time 7 is what eq. 4 says of the table's row 6.
    x = q_sample(model.schedule, from_picture(PICTURE, model.shape), 6, model.noise(4, [0])(50))
    np.testing.assert_array_equal(found[0, 1], to_picture(x)[..., 0])
    np.testing.assert_array_equal(found[:, 0], [PICTURE[..., 0]] * 2)
    about = note(out)
    assert (about["model"], about["seed"]) == ("tiny", 4)
    np.testing.assert_array_equal(unpack(about["packed"], (1, 8, 8)), PICTURE)


def test_unless_told_it_covers_the_whole_process(run, model):
    status, out = run("a.png")
    times = return_times(model.schedule)
    assert status == 0 and (times[0], times[-1]) == (2, 50)
    found = tiles(out, 2, 1 + len(times))
    np.testing.assert_array_equal(found[0, 0], PICTURE[..., 0])
    np.testing.assert_array_equal(found[0, -1], forward_film(model, PICTURE).film.x[0, 0, ..., 0])


def test_a_film_has_a_frame_for_every_time_the_picture_first(run):
    status, out = run("a.gif")
    assert status == 0
    with Image.open(out) as gif:
        assert gif.n_frames == 51
        first = np.asarray(gif.convert("L"))[:8, :8].astype(int)
    assert np.abs(first - PICTURE[..., 0]).max() <= 9  # sixteen greys


def test_a_packed_picture_is_the_picture(run):
    _, one = run("a.png", "--t", 3)
    _, other = run("b.png", "--t", 3, source=("--packed", pack(PICTURE)))
    assert one.read_bytes() == other.read_bytes()


def test_back_is_the_samplers_run_from_the_noised_picture(run, model):
    options = ("--label", 3, "--steps", 5, "--seed", 2, "--t", 4, 30)
    status, out = run("a.png", "--back", *options)
    assert status == 0
    found = tiles(out, 2, 2)
    request = Request(n=1, label=3, steps=5, seed=2, sampler="ddim", eta=1.0)
    for column, time in enumerate((4, 30)):
        walk = Run(model, request, x0=from_picture(PICTURE, model.shape), t=time - 1)
        np.testing.assert_array_equal(found[0, column], to_picture(walk.start)[..., 0])
        *_, step = walk.steps()
        np.testing.assert_array_equal(found[1, column], to_picture(step.x)[..., 0])
    assert {k: note(out)[k] for k in ("label", "steps", "sampler", "eta")} == {
        "label": 3,
        "steps": 5,
        "sampler": "ddim",
        "eta": 1.0,
    }


def test_invert_tells_the_error_of_the_reconstruction(run, model, capsys):
    status, out = run("a.png", "--invert", "--steps", 10, "--top", 40, "--label", 3)
    assert status == 0
    told = capsys.readouterr().out
    x0 = from_picture(PICTURE, model.shape)
    found = reconstruct(model.denoiser([3], "float32"), model.schedule, x0, 10, 39)
    assert f"RMSE {float(found.rmse[0]):.4f}" in told
    assert f"PSNR {float(found.psnr[0]):.1f} dB" in told and "up to t = 40" in told
    shown = tiles(out, 1, 4)[0]
    np.testing.assert_array_equal(shown[0], PICTURE[..., 0])
    np.testing.assert_array_equal(shown[1], to_picture(found.up[-1].x)[..., 0])
    again = to_picture(found.down[-1].x)[..., 0]
    np.testing.assert_array_equal(shown[2], again)
    apart = np.abs(again.astype(int) - PICTURE[..., 0])
    np.testing.assert_array_equal(shown[3], (4 * apart).clip(0, 255))


def test_invert_writes_no_file_unless_asked(run, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    status, _ = run(None, "--invert", "--steps", 4)
    assert status == 0 and re.search(
        r"4 steps each way, up to t = 45: RMSE", capsys.readouterr().out
    )
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--t", "51"], "t must be between 0 and 50"),
        (["--back", "--t", "0"], "t must be between 1 and 50"),
        (["--invert", "--steps", "41", "--top", "40"], "steps must be between 1 and 40"),
        (["--invert", "--top", "0"], "top must be"),
        (["--label", "3"], "--label has no meaning for noising alone"),
        (["--invert", "--t", "3"], "--t has no meaning for --invert"),
        (["--back", "--top", "3"], "--top has no meaning for --back"),
        (["--scale", "0"], "scale must be"),
    ],
)
def test_what_cannot_be_is_refused_in_words(run, capsys, options, told):
    status, out = run("a.png", *options)
    assert status == 2 and not out.exists()
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("a.txt", [], "unknown ending of --out"),
        ("a.gif", ["--back"], "unknown ending of --out"),
        ("a.gif", ["--t", "3"], "--t chooses the times of a .png"),
    ],
)
def test_files_that_cannot_be_are_refused(run, capsys, name, options, told):
    status, _ = run(name, *options)
    assert status == 2 and told in capsys.readouterr().err


def test_pictures_that_cannot_be_are_refused(run, capsys, tmp_path):
    for source, told in (
        (("--picture", tmp_path / "none.png"), "there is no file"),
        (("--packed", "eNoD"), "damaged"),
        (("--packed", pack(PICTURE[:4])), "not one of 8 x 8 pixels"),
    ):
        assert run("a.png", source=source)[0] == 2
        assert told in capsys.readouterr().err

"""Films, GIFs, PNGs, grids and sheets: what leaves is as computed."""

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import recorder
from ddpm_core.animation import save_gif, save_png
from ddpm_core.errors import InvalidInput
from ddpm_core.recorder import Film, contact_sheet, grid
from tests.support.films import frames_of, make_film, make_step


def test_frames_are_the_clamped_states_and_predictions_as_the_steps_come():
    x, x0 = torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), -0.5)
    film = Film(torch.zeros(1, 1, 2, 2), 2, 100)
    steps = [make_step(1, x, x0), make_step(2, x, x0)]
    recording = film.record(iter(steps))
    assert film.frames == 1
    assert next(recording) is steps[0]
    assert (film.frames, film.finished) == (2, False)
    assert [*recording] == steps[1:]
    assert (film.frames, film.finished, film.t) == (3, True, [100, 99, 98])
    levels = [(int(x.max()), int(x0.max())) for x, x0 in zip(film.x, film.x0, strict=True)]
    assert levels == [(128, 128), (255, 64), (255, 64)]
    assert (film.images() == 255).all()


def test_a_film_takes_the_memory_announced_or_is_refused(monkeypatch):
    film = make_film(steps=4, n=2, channels=3, size=5)
    assert film.nbytes == recorder.film_bytes((2, 3, 5, 5), 4)
    with pytest.raises(InvalidInput, match="1000 images and 1000 steps.*fewer"):
        Film(torch.zeros(1, 1, 1, 1).expand(1000, 3, 32, 32), 1000, 1000)
    monkeypatch.setattr(recorder, "MAX_FILM_BYTES", 2 * film.nbytes - 1)
    with pytest.raises(InvalidInput, match="4 images and 4 steps.*fewer"):
        film.beside(film)


@pytest.mark.parametrize("count", [1, 4, 50])
def test_strided_frames_keep_both_ends(count):
    indices = make_film(steps=10, n=1).strided(count)
    assert (indices[0], indices[-1]) == (0, 10)
    assert len(set(indices)) == len(indices) == min(max(count, 2), 11)


def test_films_of_different_timelines_do_not_stand_side_by_side():
    film, other = make_film(steps=5), make_film(steps=5)
    other.t = [*other.t[:3], 50, 40, 30]
    with pytest.raises(InvalidInput, match="timeline"):
        film.beside(other)
    both = film.beside(other.until(2))
    assert (both.frames, both.finished) == (3, False)


def test_a_grid_shows_each_image_in_its_place():
    images = np.arange(5, dtype=np.uint8).repeat(4 * 3).reshape(5, 4, 3, 1) * 10
    sheet = grid(images, columns=3, gap=2, background=77)
    expected = np.full((2 * 4 + 2, 3 * 3 + 2 * 2, 1), 77, np.uint8)
    for i in range(5):
        y, x = (i // 3) * 6, (i % 3) * 5
        expected[y : y + 4, x : x + 3] = 10 * i
    np.testing.assert_array_equal(sheet, expected)
    # By default grids are nearly square; the grid of 7, which is prime, has gaps.
    columns = {1: 1, 4: 2, 10: 5, 64: 8, 7: 3}
    assert {n: recorder.default_columns(n) for n in columns} == columns


@pytest.mark.parametrize("rows", [None, ["zero", "one"]])
def test_a_contact_sheet_is_the_grid_enlarged_below_and_beside_its_labels(rows):
    images = np.random.default_rng(0).integers(0, 200, (6, 5, 7, 3), dtype=np.uint8)
    sheet = contact_sheet(images, ["1", "2", "4"], rows, scale=8, gap=2)
    inner = recorder.enlarge(grid(images, 3, gap=2), 8)
    height, width = inner.shape[:2]
    top, left = sheet.shape[0] - height, sheet.shape[1] - width
    assert top > 0 and (left > 0) == (rows is not None)
    np.testing.assert_array_equal(sheet[top:, left:], inner)
    assert (sheet[:top, left:] < 128).any() and (rows is None or (sheet[top:, :left] < 128).any())


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_holds_exactly_the_pixels_enlarged_and_the_note(tmp_path, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, channels), dtype=np.uint8)
    save_png(pixels, tmp_path / "a.png", scale=3, note='{"seed": 3, "name": "dé"}')
    with Image.open(tmp_path / "a.png") as image:
        enlarged = np.asarray(image).reshape(21, 27, channels)
        assert image.text["Description"] == '{"seed": 3, "name": "dé"}'
    np.testing.assert_array_equal(enlarged, pixels.repeat(3, 0).repeat(3, 1))


def test_colour_gifs_come_close(tmp_path):
    # Smooth pictures: 256 shared colours cannot hold noise, which no one would see anyway.
    ramp = torch.linspace(-1, 1, 16)
    picture = torch.stack([ramp.expand(16, 16), ramp.expand(16, 16).T, torch.zeros(16, 16)])[None]
    film = Film(picture, 3, 100)
    for index in (1, 2, 3):
        film.add(make_step(index, picture * (1 - index / 6)))
    save_gif(film, tmp_path / "a.gif")
    difference = frames_of(tmp_path / "a.gif").astype(int) - film.x[:, 0].astype(int)
    assert np.abs(difference).mean() < 6
    assert np.abs(difference).max() < 48

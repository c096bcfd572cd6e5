"""GIF, WebP and MP4: a frame for every picture, the right pixels, and a note that comes back."""

import av
import numpy as np
import pytest
from PIL import Image

from ddpm_core import InvalidInput, animation, read_note, save_animation, save_film, save_png
from ddpm_core.animation import KINDS
from ddpm_core.recorder import enlarge, grid
from lab.process.packed import open_picture
from tests.support.films import durations_of, frames_of, make_film

NOTE = '{"model": "m", "label": 3, "name": "dé <&> ]]> \\u2028"}'


def pictures(count=6, shape=(7, 9, 1), seed=0):
    return [*np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)]


def psnr(a, b) -> float:
    return 10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b.astype(float)) ** 2)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 9, 3)])
def test_equal_neighbours_stay_frames_of_their_own(tmp_path, kind, shape):
    path = tmp_path / f"a.{kind}"
    same = np.full(shape, 200, np.uint8)
    for count in (1, 20):
        assert save_animation(iter([same] * count), path) == count
        frames = frames_of(path)
        assert len(frames) == count
        assert np.abs(frames[-1, : shape[0], : shape[1]].astype(int) - 200).max() <= 4


@pytest.mark.parametrize("kind", KINDS)
def test_every_denoising_step_of_a_thousand_is_there(tmp_path, kind):
    film, path = make_film(steps=1000, n=1, size=16), tmp_path / f"a.{kind}"
    assert save_film(film, path, scale=2, frame_ms=20) == 1001
    frames = frames_of(path)
    assert len(frames) == 1001
    # Each frame shows its own step: it is nearer to that than to either neighbour.
    for i in (1, 250, 500, 999):
        near = [psnr(frames[i][..., :1], enlarge(film.x[j, 0], 2)) for j in (i - 1, i, i + 1)]
        assert near[1] > max(near[0], near[2]) + 5


@pytest.mark.parametrize("channels", [1, 3])
def test_webp_holds_exactly_the_pixels(tmp_path, channels):
    path, images = tmp_path / "a.webp", pictures(5, (7, 9, channels))
    save_animation(images, path, scale=3, frame_ms=70, hold_ms=900)
    for frame, picture in zip(frames_of(path), images, strict=True):
        np.testing.assert_array_equal(frame, np.broadcast_to(enlarge(picture, 3), frame.shape))
    assert durations_of(path) == [70] * 4 + [900]
    with Image.open(path) as image:
        assert image.info["loop"] == 0


def test_a_grey_gif_has_the_16_levels_and_its_times(tmp_path):
    path, images = tmp_path / "a.gif", pictures()
    save_animation(images, path, frame_ms=120, hold_ms=700)
    for frame, picture in zip(frames_of(path), images, strict=True):
        np.testing.assert_array_equal(frame[..., :1], np.rint(picture / 17) * 17)
    assert durations_of(path) == [120] * 5 + [700]


def test_mp4_comes_close_and_is_padded_with_paper_to_even_sides(tmp_path):
    film = make_film(steps=10, n=4, size=7)
    save_film(film, tmp_path / "a.mp4", scale=3, frame_ms=50, hold_ms=1500)
    frames = frames_of(tmp_path / "a.mp4")
    expected = np.stack([enlarge(grid(x), 3) for x in film.x])
    assert expected.shape[1:3] == (45, 45)
    assert frames.shape == (11, 46, 46, 3)
    assert psnr(frames[:, :45, :45, :1], expected) > 40
    assert np.abs(frames[:, 45].astype(int) - 255).max() < 12
    with av.open(str(tmp_path / "a.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        packets = [p for p in film.demux(stream) if p.dts is not None]
        times = [float(p.pts * p.time_base) for p in packets]
        np.testing.assert_allclose(np.diff(times), 0.05, atol=1e-6)
        assert float(film.duration / 1e6) == pytest.approx(10 * 0.05 + 1.5, abs=0.002)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("note", ["", "x" * 255, NOTE, '{"label": 3} ' * 600], ids=len)
def test_a_note_comes_back_from_every_format(tmp_path, kind, note):
    path = tmp_path / f"a.{kind}"
    save_animation(pictures(3), path, note=note)
    assert len(frames_of(path)) == 3
    assert read_note(path.rename(tmp_path / "a.something-else")) == note


@pytest.mark.parametrize("name", ["http:/a.org/b.png", "imageio:chelsea.png", "<screen>"])
def test_a_name_that_imageio_would_look_up_is_that_of_a_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_note(name.replace(":/", "://"))
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    picture = pictures(1)[0]
    for kind in KINDS:
        save_animation([picture], name, note=kind, kind=kind)
        assert read_note(name) == kind
    save_png(picture, name, note="png")
    assert read_note(name) == "png"
    np.testing.assert_array_equal(open_picture(name, (1, 7, 9)), picture)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\0\0\0\x18ftypmp42" + b"\0" * 9])
def test_a_file_that_is_none_of_them_is_refused(tmp_path, content):
    path = tmp_path / "a.gif"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"a\.gif is no"):
        read_note(path)


def test_a_palette_of_ones_own_is_kept(tmp_path):
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    images = [np.full((4, 4, 3), colour, np.uint8) for colour in colours]
    save_animation(images, tmp_path / "a.gif", palette=colours)
    np.testing.assert_array_equal(frames_of(tmp_path / "a.gif"), np.stack(images))


def test_the_last_picture_of_a_gif_keeps_its_colours_though_noise_came_before_it(tmp_path):
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (64, 64, 3)).astype(np.uint8) for _ in range(20)]
    shades = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    last = np.stack([100 + shades // 2, 80 + shades // 4, 140 - shades // 4], axis=-1)
    save_animation([*noise, last], tmp_path / "a.gif")
    assert np.abs(frames_of(tmp_path / "a.gif")[-1].astype(int) - last).max() < 7


@pytest.mark.parametrize("stride, indices", [(3, [0, 3, 6, 9, 10]), (99, [0, 10])])
@pytest.mark.parametrize("kind", KINDS)
def test_a_film_is_strided_and_keeps_both_ends_in_every_format(tmp_path, kind, stride, indices):
    film, path = make_film(steps=10, n=1), tmp_path / f"a.{kind}"
    assert save_film(film, path, stride=stride, panes=("x0", "x")) == len(indices)
    frames = frames_of(path)
    assert frames.shape[:3] == (len(indices), 6, 16)
    for frame, index in zip(frames, indices, strict=True):
        assert psnr(frame[:, :6, :1], film.x0[index, 0]) > 30
        assert psnr(frame[:, -6:, :1], film.x[index, 0]) > 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pictures": []}, "a picture at least"),
        ({"pictures": [*pictures(1), *pictures(1, (9, 7, 1))]}, "one shape"),
        ({"pictures": [np.zeros((4, 4, 1))]}, "uint8 of shape"),
        ({"frame_ms": 10}, "frame_ms"),
        ({"scale": 64, "pictures": pictures(1, (80, 2, 1))}, "5,120 pixels are more"),
        ({"path": "a.avi"}, "known: gif, webp, mp4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_written_is_refused_and_leaves_no_file(tmp_path, changes, message):
    arguments = {"pictures": pictures(2), "path": "a.mp4"} | changes
    with pytest.raises(InvalidInput, match=message):
        save_animation(arguments.pop("pictures"), tmp_path / arguments.pop("path"), **arguments)
    assert list(tmp_path.iterdir()) == []


def test_work_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(animation, "MAX_PIXELS", 4 * 7 * 9 * 4)
    assert save_animation(pictures(4), tmp_path / "a.webp", scale=2) == 4
    with pytest.raises(InvalidInput, match="larger stride"):
        save_animation(pictures(5), tmp_path / "b.webp", scale=2)

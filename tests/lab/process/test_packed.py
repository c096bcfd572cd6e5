"""A picture survives the text it is packed into; what is no such text is refused in words."""

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from ddpm_core.errors import InvalidInput
from lab.process.packed import MAX_TEXT, open_picture, pack, unpack

RNG = np.random.default_rng(0)


def text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@given(arrays(np.uint8, st.sampled_from([(5, 5, 1), (3, 3, 3), (1, 1, 1), (28, 28, 1)])))
def test_it_comes_back_pixel_by_pixel(picture):
    h, w, c = picture.shape
    text = pack(picture)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    np.testing.assert_array_equal(unpack(text, (c, h, w)), picture)


def test_colour_noise_of_32_pixels_fits_and_larger_noise_is_refused():
    noise = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    assert len(pack(noise)) <= MAX_TEXT
    np.testing.assert_array_equal(unpack(pack(noise), (3, 32, 32)), noise)
    with pytest.raises(InvalidInput, match=r"characters, more than the 4,200 that a link carries"):
        pack(RNG.integers(0, 256, (64, 64, 3), np.uint8))


GOOD = zlib.compress(bytes(range(64)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not base64!", "damaged"),
        (None, "damaged"),
        (text_of(b"no deflate"), "damaged"),
        (text_of(GOOD[:-3]), "damaged"),
        (text_of(zlib.compress(RNG.bytes(MAX_TEXT))), "damaged"),  # refused unread
        (text_of(zlib.compress(bytes(10**6), 9)), "not one of 8 x 8"),
    ],
)
def test_what_was_not_packed_is_refused(text, message):
    with pytest.raises(InvalidInput, match=message):
        unpack(text, (1, 8, 8))


def save_picture(tmp_path, image, name="a.png"):
    image.save(tmp_path / name)
    return tmp_path / name


def test_a_picture_is_made_to_fit(tmp_path):
    """It stays as it is, or is the middle square; what is transparent is black,
    or white behind dark ink."""
    for channels in (1, 3):
        pixels = RNG.integers(0, 256, (8, 8, channels), np.uint8)
        path = save_picture(tmp_path, Image.fromarray(pixels.squeeze()))
        np.testing.assert_array_equal(open_picture(path, (channels, 8, 8)), pixels)
    pixels = np.zeros((40, 120), np.uint8)
    pixels[:, 40:60], pixels[:, :40] = 255, 90  # left half of the middle; what is cut off
    picture = open_picture(save_picture(tmp_path, Image.fromarray(pixels)), (1, 8, 8))
    assert picture.shape == (8, 8, 1)
    assert picture[:, :3].min() > 230 and picture[:, 5:].max() < 25
    pixels = np.full((8, 8, 4), 255, np.uint8)
    pixels[:, :4, 3] = 0
    pixels[0, 7] = (255, 0, 0, 255)
    picture = open_picture(save_picture(tmp_path, Image.fromarray(pixels)), (1, 8, 8))
    assert picture[:, :4].max() == 0 and picture[1:, 4:].min() == 255 and picture[0, 7] == 76
    pixels[..., :3] = 0  # black ink on nothing
    picture = open_picture(save_picture(tmp_path, Image.fromarray(pixels)), (1, 8, 8))
    assert picture[:, :4].min() == 255 and picture[:, 4:].max() == 0


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_photograph_is_turned_and_mirrored_as_its_camera_noted(tmp_path, mode):
    stored, exif = np.arange(64, dtype=np.uint8).reshape(8, 8), Image.Exif()
    transposed = stored.T
    upright = {2: stored[:, ::-1], 4: stored[::-1], 5: transposed, 6: transposed[:, ::-1]}
    for exif[0x0112], pixels in upright.items():
        Image.fromarray(stored).convert(mode).save(tmp_path / "a.png", exif=exif)
        picture = open_picture(tmp_path / "a.png", (1, 8, 8))
        np.testing.assert_array_equal(picture[..., 0], pixels)


def test_what_would_fill_the_memory_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    path = save_picture(tmp_path, Image.new("1", (64, 64)))
    with pytest.raises(InvalidInput, match="4096 pixels"):
        open_picture(path, (1, 8, 8))


@pytest.mark.parametrize("note", [b"Exif\0\0II*\0", b"Exif\0\0 no note at all"])
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_damaged_note_of_a_camera_leaves_the_picture_as_it_is(tmp_path, note, kind):
    path = tmp_path / f"a.{kind}"
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(path, exif=note)
    assert np.abs(open_picture(path, (1, 8, 8)).astype(int) - 200).max() <= 3


def test_a_file_that_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    for path, message in (
        (tmp_path / "a.png", "not a picture that can be read"),
        (tmp_path / "none.png", "there is no file"),
    ):
        with pytest.raises(InvalidInput, match=message):
            open_picture(path, (1, 8, 8))

"""Folders and zips of pictures as datasets: what is read, in which order, and how damage reads."""

import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import data, pictures
from ddpm_core.errors import DataError, InvalidInput


def picture(value: int, size=(4, 4), mode="RGB"):
    """One of which every pixel says ``value``."""
    fill = (value, 0, 255 - value) if mode == "RGB" else value
    return Image.new(mode, size, fill)


def write(folder, counts: dict[str, int], mode="RGB", start=0, ending="png"):
    """So many pictures in each class folder; no two alike."""
    value = start
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            picture(value, mode=mode).save(folder / name / f"{i:03d}.{ending}")
            value += 1
    return folder


def pack(folder, target):
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder).as_posix())
    return target


@pytest.fixture
def root(tmp_path):
    """A data root with ``flowers``: 30 pictures to train on and 6 to test with."""
    write(tmp_path / "flowers" / "train", {"tulip": 10, "rose": 12, "aster": 8})
    write(tmp_path / "flowers" / "test", {"tulip": 3, "rose": 3}, start=100)
    return tmp_path


def values(images) -> list[int]:
    """What was written, by the first pixel's red."""
    return images.pixels[:, 0, 0, 0].tolist()


# --- reading ---


def test_classes_are_the_folders_in_alphabetical_order(root):
    images = data.load("flowers", "train", root)
    assert images.classes == ("aster", "rose", "tulip")
    everything = data.load("flowers", "validation", root)
    # Ten tulips were drawn first, then twelve roses, then the asters.
    drawn = [2] * 10 + [1] * 12 + [0] * 8
    for part in (images, everything):
        assert [drawn[value] for value in values(part)] == part.labels.tolist()


def test_pixels_are_as_they_were_drawn_channels_first(root):
    images = data.load("flowers", "test", root)
    assert images.pixels.shape == (6, 3, 4, 4)
    assert images.pixels.dtype == torch.uint8
    assert sorted(values(images)) == list(range(100, 106))
    for row, value in zip(images.pixels, values(images), strict=True):
        assert row[:, 2, 3].tolist() == [value, 0, 255 - value]


def test_a_zip_is_the_same_dataset_as_the_folder(root, tmp_path_factory):
    packed = tmp_path_factory.mktemp("packed")
    (packed / "flowers").mkdir()
    for part in ("train", "test"):
        pack(root / "flowers" / part, packed / "flowers" / f"{part}.zip")
    for split in data.SPLITS:
        a, b = data.load("flowers", split, root), data.load("flowers", split, packed)
        assert torch.equal(a.pixels, b.pixels)
        assert torch.equal(a.labels, b.labels)
        assert (a.classes, a.source) == (b.classes, b.source)


def test_class_folders_may_lie_in_a_folder_of_their_own(tmp_path):
    inner = write(tmp_path / "flowers" / "train" / "photos" / "all", {"rose": 9, "aster": 9})
    assert data.load("flowers", "train", tmp_path).classes == ("aster", "rose")
    pack(tmp_path / "flowers", tmp_path / "blooms.zip")
    with pytest.raises(DataError, match="side by side"):
        write(inner, {"deeper/tulip": 2})
        data.load("flowers", "train", tmp_path)
    assert len(data.load("blooms", "train", tmp_path)) == 16


def test_other_files_are_passed_over(root):
    folder = root / "flowers" / "train"
    (folder / "rose" / "notes.txt").write_text("none")
    (folder / "rose" / "._000.png").write_bytes(b"a Mac's leavings")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "000.png").write_bytes(b"the same")
    assert len(data.load("flowers", "train", root)) == 27


def test_grey_pictures_have_one_channel_unless_one_is_in_colour(tmp_path):
    for mode in ("L", "1"):
        write(tmp_path / f"marks-{mode}", {"a": 10, "b": 10}, mode=mode)
        found = data.load(f"marks-{mode}", "train", tmp_path)
        assert found.pixels.shape == (16, 1, 4, 4)
    picture(99).save(tmp_path / "marks-L" / "a" / "red.png")
    found = pictures.read(tmp_path / "marks-L")
    assert found.pixels.shape == (21, 3, 4, 4)
    grey = found.pixels[found.pixels[:, 0, 0, 0] != 99]
    assert torch.equal(grey[:, 0], grey[:, 2])


def test_what_was_read_is_told_where_it_may_be_lossy(tmp_path, mnist_root):
    write(tmp_path / "photos", {"a": 10}, ending="jpg")
    assert data.load("photos", "train", tmp_path).source == "pictures (JPEG)"
    assert data.load("mnist", "test", mnist_root).source == ""


def test_pictures_are_decoded_once(root, monkeypatch):
    first = data.load("flowers", "train", root)
    monkeypatch.setattr(pictures, "_decode", lambda *a: pytest.fail("decoded again"))
    again = data.load("flowers", "train", root)
    assert torch.equal(first.pixels, again.pixels)
    monkeypatch.undo()
    picture(222).save(root / "flowers" / "train" / "rose" / "999.png")
    later = [data.load("flowers", split, root) for split in ("train", "validation")]
    assert 222 in values(later[0]) + values(later[1])


# --- splits ---


def test_a_tenth_is_held_out_and_another_where_there_is_no_test_set(root):
    train, held_out, tested = (data.load("flowers", split, root) for split in data.SPLITS)
    assert (len(train), len(held_out), len(tested)) == (27, 3, 6)
    assert sorted(values(train) + values(held_out)) == list(range(30))
    write(root / "herbs", {"rose": 25, "tulip": 15})
    parts = [data.load("herbs", split, root) for split in data.SPLITS]
    assert [len(part) for part in parts] == [32, 4, 4]
    assert sorted(sum((values(part) for part in parts), [])) == list(range(40))


def test_the_first_images_are_a_fair_sample_and_never_others(tmp_path):
    """Class by class as they lie on the disk, the first 60 would all be of one class."""
    write(tmp_path / "flowers", {"a": 100, "b": 100})
    images = data.load("flowers", "train", tmp_path)
    assert 18 < images.labels[:60].sum() < 42
    # Written down once: another order would leak validation images into published models.
    assert values(images)[:8] == GOLDEN


GOLDEN = [18, 170, 107, 98, 5, 12, 152, 61]


@pytest.mark.parametrize("name", data.DATASETS)
def test_a_dataset_is_read_from_pictures_where_its_own_files_are_not(tmp_path, name):
    classes = data.DATASETS[name].classes
    counts = dict.fromkeys(reversed(classes), 2)
    write(tmp_path / name / "train", counts)
    write(tmp_path / name / "test", counts, start=50)
    images = data.load(name, "test", tmp_path)
    assert images.classes == classes
    assert [images.classes[i] for i in images.labels] == [
        list(counts)[(value - 50) // 2] for value in values(images)
    ]
    write(tmp_path / name / "test", {"unicorn": 1}, start=90)
    write(tmp_path / name / "train", {"unicorn": 1}, start=90)
    with pytest.raises(DataError, match="has other classes"):
        data.load(name, "test", tmp_path)


# --- errors ---


@pytest.mark.parametrize("name", ["../flowers", "/etc", "", ".", "a/b", "x" * 99, None, "nothing"])
def test_a_dataset_is_a_name_below_the_root_never_a_path(root, name):
    (root / "inner").mkdir()
    with pytest.raises(InvalidInput, match="unknown dataset"):
        data.load(name, "train", root / "inner" if name == "../flowers" else root)


def break_size(folder):
    picture(0, (5, 5)).save(folder / "rose" / "odd.png")
    return r"differ in size: .*4 x 4|differ in size: .*5 x 5"


def break_shape(folder):
    picture(0, (4, 5)).save(folder / "rose" / "odd.png")
    return r"rose/odd.png in .* is 4 x 5 pixels; only squares"


def break_content(folder):
    content = (folder / "rose" / "000.png").read_bytes()
    (folder / "rose" / "odd.png").write_bytes(content[: len(content) // 2])
    return r"rose/odd.png in .* cannot be read as a picture"


def break_place(folder):
    picture(0).save(folder / "odd.png")
    return r"odd.png in .* lies in no class folder"


def break_depth(folder):
    (folder / "rose" / "red").mkdir()
    picture(0).save(folder / "rose" / "red" / "odd.png")
    return "do not lie side by side"


def break_bits(folder):
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(folder / "rose" / "odd.png")
    return "not of 8 bits"


def break_width(folder):
    picture(0, (513, 513)).save(folder / "rose" / "odd.png")
    return "513 pixels wide, more than 512"


BREAKS = [v for k, v in sorted(globals().items()) if k.startswith("break_")]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("damage", BREAKS, ids=lambda f: f.__name__[6:])
def test_the_picture_that_does_not_fit_is_named(tmp_path, packed, damage):
    folder = write(tmp_path / "flowers", {"rose": 10, "tulip": 10})
    message = damage(folder)
    source = pack(folder, tmp_path / "flowers.zip") if packed else folder
    with pytest.raises(DataError, match=message):
        pictures.read(source)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_holds_far_more_than_it_says_is_refused_without_unpacking_it(tmp_path, method):
    source, name = tmp_path / "flowers.zip", "rose/1.png"
    with zipfile.ZipFile(source, "w", method) as archive:
        archive.writestr(name, bytes(64 * 2**20))
    said = (64 * 2**20).to_bytes(4, "little")
    source.write_bytes(source.read_bytes().replace(said, (1000).to_bytes(4, "little")))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="1.png"):
            pictures.read(source)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_damage_is_told_and_named(tmp_path, root):
    write(tmp_path / "cifar10" / "train", dict.fromkeys(data.THINGS, 2))
    # The originals are preferred, and damage to them is told, not passed over.
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"cut short")
    with pytest.raises(DataError, match="test_batch is damaged"):
        data.load("cifar10", "test", tmp_path)
    (tmp_path / "none.zip").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="none.zip is damaged, or no zip"):
        data.load("none", "train", tmp_path)
    packed = pack(write(tmp_path / "herbs", {"rose": 10}), tmp_path / "blooms.zip")
    content = bytearray(packed.read_bytes())
    place = content.index(b"rose/004.png") + 40
    content[place : place + 8] = b"\0" * 8
    packed.write_bytes(content)
    with pytest.raises(DataError, match="rose/004.png in .*cannot be read"):
        data.load("blooms", "train", tmp_path)
    (tmp_path / "empty" / "rose").mkdir(parents=True)
    (tmp_path / "empty" / "rose" / "a.txt").write_text("x")
    with pytest.raises(DataError, match="holds no pictures"):
        data.load("empty", "train", tmp_path)
    for path in (root / "flowers" / "test").rglob("*.png"):
        picture(0, (6, 6)).save(path)
    with pytest.raises(DataError, match=r"are of \(3, 6, 6\), those in .* of \(3, 4, 4\)"):
        data.load("flowers", "test", root)


def test_too_few_too_many_and_unknown_ones_are_refused(root, monkeypatch):
    write(root / "flowers" / "test", {"weed": 1})
    with pytest.raises(DataError, match="classes unknown to .*: weed"):
        data.load("flowers", "test", root)
    write(root / "few", {"rose": 9})
    with pytest.raises(DataError, match="9 pictures; at least 10"):
        data.load("few", "train", root)
    write(root / "only" / "test", {"rose": 9})
    with pytest.raises(DataError, match="none to train on"):
        data.load("only", "test", root)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 30 * 16 - 1)
    pictures._read.cache_clear()
    with pytest.raises(DataError, match="480 pixels, more than the 479"):
        data.load("flowers", "train", root)

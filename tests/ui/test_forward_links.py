"""A link, Python and the command line of the Forward tab say the same, and lead back."""

import subprocess
from urllib.parse import parse_qsl

import numpy as np
import pytest

from ddpm_core import InvalidInput, load
from lab.__main__ import main
from lab.process.filling import fill_request, fill_run, filling
from lab.process.forward import forward_film
from lab.process.into_another import turning
from lab.process.packed import MAX_TEXT, pack
from tests.ui.test_forward import picture
from ui.sharing.forward_links import (
    commands,
    digit_of,
    parse,
    python,
    python_to_fill,
    python_to_turn,
    query,
)
from ui.widgets.sketch.sketch import digit


@pytest.fixture
def conditional():
    return load("mnist-conditional")


def test_two_pictures_too_large_for_an_address_leave_the_first_out():
    large = picture("colour"), picture("colour")
    assert "from=" not in query("colour", large[0], 0, "none", first=(large[1], "none"))
    small = query("free", picture("free"), 0, "2", first=(picture("free"), "1"))
    assert dict(parse_qsl(small))["from_label"] == "1"


def test_a_digit_of_the_test_set_is_told_by_its_number(conditional):
    link = query("mnist-conditional", digit(7), 1, "3")
    assert dict(parse_qsl(link))["digit"] == "7" and len(link) < 80
    asked = parse(parse_qsl(link), conditional)
    assert (asked.digit, asked.picture) == (7, None)
    other = digit(7).copy()
    other[0, 0] ^= 1
    assert digit_of(other) is None and "picture=" in query("m", other, 0, "none")


def test_a_picture_too_large_is_left_out_and_nothing_else():
    large = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert set(dict(parse_qsl(query("m", large, 3, "none")))) == {"tab", "model", "seed", "label"}
    # The longest address there is: a small picture in colour that does not compress.
    assert len(query("m", picture("colour"), 0, "none")) < MAX_TEXT + 100


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": "-1"}, "seed must be between"),
        ({"label": "all"}, "one class, or none"),
        ({"resample": "2"}, "unknown resample 2"),
        ({"picture": "@@"}, "damaged"),
        ({"picture": pack(np.zeros((8, 8, 1), np.uint8))}, "not one of 28 x 28 pixels"),
    ],
)
def test_a_broken_link_is_refused_in_words(changed, message, conditional):
    pairs = list(({"seed": "0", "label": "3"} | changed).items())
    with pytest.raises(InvalidInput, match=message):
        parse(pairs, conditional)


def test_the_python_runs_and_makes_the_film(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    drawing = picture()
    names = {}
    exec(python(str(checkpoint), pack(drawing), 5, "3"), names)
    np.testing.assert_array_equal(names["picture"], drawing)
    expected = forward_film(load(checkpoint), drawing, 5).film
    np.testing.assert_array_equal(names["film"].x, expected.x)
    assert (tmp_path / "tiny-forward.gif").exists()
    assert [m.time for m in names["back"]] == names["times"]
    assert capsys.readouterr().out.strip() != ""


def test_the_python_of_what_is_filled_and_turned_runs_and_makes_the_same(
    checkpoint, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model, (first, last) = load(checkpoint), (picture(), picture())
    hole, names = np.arange(64).reshape(8, 8) < 30, {}
    request = fill_request(model, 3, 5)
    exec(python_to_fill(str(checkpoint), last, hole, request, 3), names)
    *_, (step, _) = filling(fill_run(model, last, hole, request), 3)
    np.testing.assert_array_equal(names["step"].x, step.x)
    exec(python_to_turn(str(checkpoint), ((first, "1"), (last, "none"))), names)
    *_, images = turning(model, (first, last), (1, "none"))
    np.testing.assert_array_equal(names["images"], images)
    assert (tmp_path / "tiny.gif").exists()


def test_the_commands_run_in_a_shell_and_make_the_same(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    drawing = picture("colour")  # of many lines; then one that the model can take
    for packed in (pack(drawing), pack(picture())):
        script = commands(str(checkpoint), packed, 5, "3")
        # In place of Python, print the words that it would be given.
        script = "python() { printf '%s\\t' \"$@\"; echo; }\n" + script
        result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        calls = [line.rstrip("\t").split("\t") for line in result.stdout.splitlines()]
        assert len(calls) == 3
        for words in calls:
            assert words[:3] == ["-m", "lab", "forward"]
            assert words[words.index("--packed") + 1] == packed
    for words in calls:
        assert main(words[2:]) == 0
    assert (tmp_path / "tiny-forward.gif").exists() and (tmp_path / "tiny-back.png").exists()
    assert "RMSE" in capsys.readouterr().out

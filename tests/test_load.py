"""The load script: its report is always printed, and what is amiss is said and is its status."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from playwright.sync_api import Error

from ddpm_core import Request, film, grid, load, sample, save_gif, save_png
from tests.load import __main__ as script
from tests.load.alone import Alone
from tests.load.page import PATIENCE, Slider, request_of
from tests.load.visitors import Answer, Visitor, frames

PICTURE = Answer({"model": "mnist-linear", "n": 1, "steps": 2, "seed": 5}, [])


class Same:
    """A core whose pictures are, or are not, those that were sent."""

    def __init__(self, wrong=False):
        self.wrong, self.mean, self.most = wrong, 0, 3

    def off(self, answer):
        return self


def visitor(number=0, took=(1.0,), **outcome):
    made = Visitor("", number, 1)
    made.took, made.outcome = list(took), Counter(outcome or {"came": len(took)})
    made.first = PICTURE if took else None
    return made


def slider(*moved):
    made = Slider("")
    made.moved, made.first = list(moved), PICTURE
    return made


def report(capsys, visitors, browser, wrong=False, memory=2**30):
    """The status, what is told, and the reasons for the status."""
    status = script.report(visitors, browser, memory, Same(wrong))
    lines = capsys.readouterr().out.splitlines()
    failed = [line.removeprefix("FAILED: ") for line in lines if line.startswith("FAILED: ")]
    return status, "\n".join(lines), failed


def test_all_is_well(capsys):
    status, told, failed = report(capsys, [visitor(0), visitor(1)], slider(0.2, 0.3, 5.0))
    assert (status, failed) == (0, [])
    assert "among 3: 3, median 0.30 s" in told
    assert "of 3 of 3 a picture or film was made again alone" in told
    assert "at most 1,024 MiB" in told


def test_a_wrong_picture_is_told_of_with_its_visitor(capsys):
    status, _, failed = report(capsys, [visitor(4)], slider(0.2), wrong=True)
    assert status == 1 and len(failed) == 2
    assert failed[0].startswith("visitor 4 (4 photographs): not the picture of seed 5")
    assert failed[1].startswith("the browser: ")


def test_whoever_got_neither_a_result_nor_a_clear_word_is_told_of(capsys):
    silent, refused = visitor(0, ()), visitor(1, (), error=7)
    refused.errors.append("ConnectError: reset")
    full = visitor(2, (), full=3)
    status, told, failed = report(capsys, [silent, refused, full], slider(0.2))
    assert status == 1 and len(failed) == 2
    assert "visitor 0" in failed[0] and failed[0].endswith("no answer")
    assert "visitor 1" in failed[1] and failed[1].endswith("ConnectError: reset")
    assert "told that the page is full: 3 times, 1 visitors, 1 of whom got nothing" in told


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        ([0.2, 1.0, 3.0], "previews: a median of 1.00 s"),
        ([PATIENCE, PATIENCE], "no preview came at all"),
        ([], "no preview came at all"),
    ],
)
def test_previews_that_are_late_or_never_come_are_told_of(capsys, moved, words):
    status, _, failed = report(capsys, [visitor()], slider(*moved))
    assert (status, failed) == (1, [words])


def test_without_a_browser_there_is_a_report(monkeypatch, capsys):
    class Nothing:
        url = "http://127.0.0.1:1/"

        def __init__(self, port=0):
            pass

        def memory(self):
            return 2**20

        end = memory

    def refuse(self):
        raise Error("Executable doesn't exist\nLooked for it everywhere")

    monkeypatch.setattr(script, "Server", Nothing)
    monkeypatch.setattr(Slider, "__enter__", refuse)
    assert script.main(["--visitors", "3", "--seconds", "1"]) == 1
    told = capsys.readouterr().out
    assert "among 3: none came" in told
    assert "the browser: Executable doesn't exist" in told
    assert "FAILED: no preview came at all" in told


def test_a_picture_is_compared_image_by_image_and_a_film_frame_by_frame(tmp_path):
    asked = {"model": "cifar10-conditional", "n": 5, "steps": 2, "seed": 7}
    pictures = sample(load(asked["model"]), Request(n=5, steps=2, seed=7))
    sheet = grid(pictures, background=0)  # between images, the page has a colour of its own
    save_png(sheet, tmp_path / "a.png")
    right = frames((tmp_path / "a.png").read_bytes())
    assert Alone().off(Answer(asked, right)).most == 0
    pictures[3] = 255 - pictures[3]  # a single one is somebody else's
    save_png(grid(pictures), tmp_path / "b.png")
    assert Alone().off(Answer(asked, frames((tmp_path / "b.png").read_bytes()))).wrong
    assert Alone().off(Answer(asked, [np.zeros((9, 9, 3), np.uint8)])).wrong

    asked = {"model": "mnist-linear", "n": 2, "steps": 9, "sampler": "ddpm", "stride": 4, "seed": 3}
    made = film(load("mnist-linear"), Request(n=2, steps=9, sampler="ddpm", seed=3))
    save_gif(made, tmp_path / "a.gif", stride=4)
    got = frames((tmp_path / "a.gif").read_bytes())
    assert len(got) == 4 and Alone().off(Answer(asked, got)).most == 0
    assert Alone().off(Answer(asked | {"seed": 4}, got)).wrong
    assert Alone().off(Answer(asked, got[:3])).wrong


def test_the_run_on_a_stage_is_read_back():
    asked = request_of(
        "model=mnist-linear&n=8&label=3&steps=50&guidance=cfg&guidance_scale=1.5&x=1"
    )
    assert (asked["model"], asked["n"], asked["columns"]) == ("mnist-linear", 8, 8)
    assert (asked["label"], asked["guidance_scale"]) == (3, 1.5)

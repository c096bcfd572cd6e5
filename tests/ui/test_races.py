"""Races as links, Python and command lines; and how they run on behalf of visitors."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import pytest

from ddpm_core import InvalidInput, Request
from ddpm_core import race as core
from ddpm_core.__main__ import main
from ddpm_core.animation import read_note
from ui import laboratory, races
from ui.keep import Choice
from ui.races import RaceKey
from ui.runs import Ending, Studio

FEW = Request(n=1, label="none", sampler="ddpm", steps=6, seed=8, dtype="float32")
GUIDED = replace(FEW, label=3, guidance="classifier-noisy", guidance_scale=4.0, n=2)
KEYS = [
    RaceKey("schedules", "mnist-linear", FEW, against="mnist-cosine"),
    RaceKey("break", "mnist-linear", FEW, error="no-clip"),
    RaceKey("break", "mnist-linear", replace(FEW, steps=9), error="missing-root"),
    RaceKey("break", "mnist-linear", GUIDED, error="batch-scale"),
]
every_key = pytest.mark.parametrize("key", KEYS, ids=lambda k: f"{k.view}-{k.error}")


@pytest.fixture(scope="module")
def studio():
    return Studio()


def finished(studio, key):
    for progress in races.stream(studio, Ending(), key):
        pass
    return progress


@every_key
def test_a_link_restores_its_race(key):
    view = next(view for view in laboratory.VIEWS if view.name == key.view)
    assert races.parse(dict(parse_qsl(races.query(key, tab="reverse"))), view.default) == key


@every_key
def test_the_python_that_is_offered_runs_the_same_race(studio, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(races.python(key), names)
    for ours, theirs in zip(finished(studio, key).race.lanes, names["race"].lanes, strict=True):
        np.testing.assert_array_equal(ours.x, theirs.x)
    assert (tmp_path / "race.gif").stat().st_size > 0


@every_key
def test_the_command_line_that_is_offered_writes_the_same_race(studio, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    meant = studio.model(key.model).config.sampling
    words = shlex.split(races.command_line(key, meant))
    assert words[:3] == ["python", "-m", "ddpm_core"]
    assert main(words[3:]) == 0
    note = json.loads(read_note(tmp_path / words[-1]))
    assert note == json.loads(finished(studio, key).race.describe())


def test_samplers_are_spelled_without_what_they_set_themselves(studio):
    key = laboratory.VIEWS[1].default
    assert "steps=" not in races.python(key) and "samplers(load(" in races.python(key)
    line = races.command_line(key, {})
    assert "--sampler" not in line and "--steps" not in line and "race samplers" in line


def test_a_stopped_race_is_kept_and_run_again_in_full(studio):
    key, ending = KEYS[0]._replace(request=replace(FEW, steps=400, seed=11)), Ending()
    for progress in races.stream(studio, ending, key):
        ending.asked = True
    assert progress.done and progress.stopped and not progress.finished
    assert studio.kept(progress.key) is progress
    again = races.stream(studio, Ending(), key)
    assert next(again).race is not progress.race
    again.close()


def test_a_finished_race_is_not_run_twice(studio):
    first = finished(studio, KEYS[0])
    (second,) = races.stream(studio, Ending(), KEYS[0])
    assert second.race is first.race


def test_a_race_that_is_overtaken_says_nothing_more(studio):
    key, ending = KEYS[0]._replace(request=replace(FEW, seed=12)), Ending()
    for progress in races.stream(studio, ending, key):
        ending.superseded = ending.asked = True
    assert not progress.done and studio.kept(key) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"view": "sprint"}, "unknown view"),
        ({"model": "../etc"}, "unknown model"),
        ({"against": ""}, "unknown model"),
        ({"request": replace(FEW, n=5)}, "n must be between 1 and 4"),
        ({"request": GUIDED}, "not guided"),
        ({"view": "break", "error": "gremlin"}, "unknown error"),
        ({"view": "break", "error": "batch-scale"}, "classifier guidance"),
        ({"view": "break", "model": "mnist-cosine", "error": "first-beta"}, "linear schedule"),
    ],
)
def test_what_cannot_race_is_refused_in_words(studio, changes, words):
    with pytest.raises(InvalidInput, match=words):
        finished(studio, KEYS[0]._replace(**changes))


def test_a_race_leaves_with_a_frame_for_every_step_and_a_note(studio):
    done = finished(studio, KEYS[0])
    for kind, stride, frames in (("gif", 1, 7), ("webp", 2, 4), ("mp4", 4, 3)):
        taken = races.take(studio, Choice(kind, stride, ("x", "x0"), 1), tuple(done.key))
        assert taken.frames == frames
        assert json.loads(read_note(taken.path))["tab"] == "reverse"
        assert json.loads(read_note(taken.png))["race"] == "schedules"
    with pytest.raises(InvalidInput, match="again"):
        races.take(studio, Choice(), tuple(KEYS[0]._replace(request=replace(FEW, seed=99))))


def test_the_names_of_the_errors_are_those_of_the_core():
    assert set(races.ERROR_WORDS) == set(laboratory.TOLD) == set(core.ERRORS)

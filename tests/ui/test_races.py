"""Races as links, Python and command lines; and how they run for visitors."""

import json
import shlex
from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import pytest

from ddpm_core import InvalidInput, Request, save_animation
from ddpm_core.animation import read_note
from lab.__main__ import main
from tests.support.films import frames_of
from ui.runs import races, runs
from ui.runs.races import RaceKey
from ui.runs.runs import Studio
from ui.runs.ticket import Ticket
from ui.sharing import race_links
from ui.tabs.reverse import comparison_views

FEW = Request(n=1, label="none", sampler="ddpm", steps=6, seed=8, dtype="float32")
GUIDED = replace(FEW, label=3, guidance="classifier-noisy", guidance_scale=4.0, n=2)
KEYS = [
    RaceKey("schedules", "mnist-linear", FEW, against="mnist-cosine"),
    RaceKey("break", "mnist-linear", FEW, error="no-clip"),
    RaceKey("break", "mnist-linear", replace(FEW, steps=9), error="missing-root"),
    RaceKey("break", "mnist-linear", GUIDED, error="batch-scale"),
]
SAMPLERS = comparison_views.VIEWS[1].default
SAMPLERS = replace(SAMPLERS, request=replace(SAMPLERS.request, label="none", seed=8))


def name_of(key):
    return f"{key.view}-{key.error}"


@pytest.fixture(scope="module")
def studio():
    return Studio()


def finished(studio, key):
    for progress in races.stream(studio, Ticket(), key):
        pass
    return progress


@pytest.mark.parametrize("key", [*KEYS, SAMPLERS], ids=name_of)
def test_a_link_restores_its_race(key):
    view = next(view for view in comparison_views.VIEWS if view.name == key.view)
    assert (
        race_links.parse(dict(parse_qsl(race_links.query(key, tab="reverse"))), view.default) == key
    )


@pytest.mark.parametrize("key", [KEYS[0], KEYS[3]], ids=name_of)
def test_the_python_that_is_offered_runs_the_same_race(studio, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(race_links.python(key), names)
    for ours, theirs in zip(finished(studio, key).film.lanes, names["race"].lanes, strict=True):
        np.testing.assert_array_equal(ours.x, theirs.x)
    assert (tmp_path / "race.gif").stat().st_size > 0


@pytest.mark.parametrize("key", [KEYS[0], KEYS[3]], ids=name_of)
def test_the_command_line_that_is_offered_writes_the_same_race(
    studio, key, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(race_links.command_line(key, studio.model(key.model).config.sampling))
    assert words[:3] == ["python", "-m", "lab"]
    assert main(words[3:]) == 0
    ours, printed = finished(studio, key).film, capsys.readouterr().out
    assert all(f"{lane.name}: {lane.calls} calls" in printed for lane in ours.lanes)
    save_animation(ours.pictures(("x", "x0"), scale=2), tmp_path / "ours.gif")
    np.testing.assert_array_equal(frames_of(tmp_path / words[-1]), frames_of(tmp_path / "ours.gif"))
    assert json.loads(read_note(tmp_path / words[-1])) == json.loads(ours.describe())


def test_a_stopped_race_is_kept_and_run_again_in_full(studio):
    key, ticket = replace(KEYS[0], request=replace(FEW, steps=400, seed=11)), Ticket()
    for progress in races.stream(studio, ticket, key):
        ticket.asked = True
    assert progress.done and progress.stopped and not progress.finished
    assert studio.kept(progress.key) is progress
    second = races.stream(studio, Ticket(), key)
    assert next(second).film is not progress.film
    second.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "../etc"}, "unknown model"),
        ({"request": replace(FEW, n=5)}, "n must be between 1 and 4"),
        ({"request": GUIDED}, "not guided"),
        ({"view": "break", "error": "batch-scale"}, "has guidance classifier-noisy"),
    ],
)
def test_what_cannot_race_is_refused_in_words(studio, changes, message):
    with pytest.raises(InvalidInput, match=message):
        finished(studio, replace(KEYS[0], **changes))


def test_a_race_too_large_to_be_kept_is_refused_and_all_others_stay(studio, monkeypatch):
    done = finished(studio, KEYS[0])
    monkeypatch.setattr(races, "KEPT_BYTES", 1000)
    with pytest.raises(InvalidInput, match="allowed; take fewer images or steps"):
        finished(studio, replace(KEYS[0], request=replace(FEW, seed=13)))
    assert studio.kept(KEYS[0]).film is done.film


def test_room_for_a_race_is_asked_for_before_it_is_made(studio, monkeypatch):
    key = replace(KEYS[0], request=replace(FEW, seed=15))
    monkeypatch.setattr(runs, "RUNNING_BYTES", 1000)
    monkeypatch.setattr(races, "_make", lambda *_: pytest.fail("it was made"))
    with studio.room(1), pytest.raises(InvalidInput, match="the page is full"):
        finished(studio, key)

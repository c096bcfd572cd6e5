"""Fetching a model, apart from the run of what was fetched."""

import threading
from dataclasses import replace

import pytest

from ddpm_core import InvalidInput
from ddpm_core.hub import Hub
from ui.page import build
from ui.runs.runs import Key, Studio
from ui.tabs.run_controls import Pick

NOBODY = Hub("http://127.0.0.1:9", patience=0.2)


def updates(page, *values, by="chosen"):
    """The updates after a pick on the Sample tab, or a press there."""
    events = (f.fn for f in page.fns.values() if f.concurrency_id == "hub")
    return list(next(fn for fn in events if fn.__name__ == by)(*values))


def words(updates) -> str:
    return " ".join(str(v.get("value")) for v in updates.values() if isinstance(v, dict))


def test_offline_a_choice_says_so_in_one_line_and_the_picker_goes_back(tmp_path):
    studio = Studio(replace(NOBODY, cache=tmp_path))
    page = build(studio)
    *_, last = updates(page, Pick("google/ddpm-cifar10-32", "mnist-cosine", 0))
    assert "cannot be reached" in words(last) and "\n" not in words(last)
    assert "mnist-cosine" in last.values()
    # No model of photographs is offered that cannot be had.
    *_, last = updates(page, Pick("cifar10-conditional", "mnist-cosine", 1))
    assert "fetched" not in words(last)


def test_a_download_has_left_its_place_when_the_run_begins(monkeypatch):
    studio = Studio()
    page = build(studio)
    monkeypatch.setattr(studio, "stream", lambda *_: pytest.fail("it runs in a download's place"))
    *_, last = updates(page, "mnist-linear", "mnist-cosine", by="fetch")
    keys = [value for value in last.values() if isinstance(value, Key)]
    assert keys and all(key.model == "mnist-linear" for key in keys)


def test_two_who_ask_for_one_model_wait_for_the_same_download(tmp_path, monkeypatch):
    studio, arrived, asked = Studio(replace(NOBODY, cache=tmp_path)), threading.Event(), []

    def folder(hub, name, *_):
        asked.append(name)
        arrived.wait(10)

    monkeypatch.setattr(Hub, "folder", folder)
    first, second, other, another = map(studio.fetching, ("a/b", "a/b", "c/d", "e/f"))
    assert [next(first), next(second), next(other)] == [(0, 0)] * 3
    with pytest.raises(InvalidInput, match="under way"):
        next(another)
    arrived.set()
    for walk in (first, second, other, studio.fetching("e/f")):
        list(walk)
    assert sorted(asked) == ["a/b", "c/d", "e/f"]

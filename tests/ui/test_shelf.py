"""Fetching a model, apart from the run of what was fetched."""

from dataclasses import replace

import pytest

from ddpm_core.hub import Hub
from ui.page import build
from ui.runs.runs import Key, Studio

NOBODY = Hub("http://127.0.0.1:9", patience=0.2)


def updates(page, name, before=None, by="chosen"):
    """The updates after a choice on the Sample tab, or a press there."""
    events = (f.fn for f in page.fns.values() if f.concurrency_id == "hub")
    return list(next(fn for fn in events if fn.__name__ == by)(name, before))


def words(updates) -> str:
    return " ".join(str(v.get("value")) for v in updates.values() if isinstance(v, dict))


def test_offline_a_choice_says_so_in_one_line_and_the_picker_goes_back(tmp_path):
    studio = Studio(replace(NOBODY, cache=tmp_path))
    page = build(studio)
    *_, last = updates(page, "google/ddpm-cifar10-32", "mnist-cosine")
    assert "cannot be reached" in words(last) and "\n" not in words(last)
    assert "mnist-cosine" in last.values()
    # No model of photographs is offered that cannot be had.
    *_, last = updates(page, "cifar10-conditional", "mnist-cosine")
    assert "fetched" not in words(last)


def test_a_download_has_left_its_place_when_the_run_begins(monkeypatch):
    studio = Studio()
    page = build(studio)
    monkeypatch.setattr(studio, "stream", lambda *_: pytest.fail("it runs in a download's place"))
    *_, last = updates(page, "mnist-linear", by="fetch")
    keys = [value for value in last.values() if isinstance(value, Key)]
    assert keys and all(key.model == "mnist-linear" for key in keys)

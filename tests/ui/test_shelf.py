"""Fetching a model, apart from the run of what was fetched."""

from __future__ import annotations

import pytest

from ui.page import build
from ui.runs.runs import Key, Studio


def test_a_download_has_left_its_place_when_the_run_begins(monkeypatch):
    studio = Studio()
    page = build(studio)
    fetch = next(f.fn for f in page.fns.values() if f.concurrency_id == "hub")
    monkeypatch.setattr(studio, "stream", lambda *_: pytest.fail("it runs in a download's place"))
    *_, last = fetch("mnist-linear")
    wanted = [value for value in last.values() if isinstance(value, Key)]
    assert wanted and all(key.model == "mnist-linear" for key in wanted)

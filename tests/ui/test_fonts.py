"""The page's letters: served with the page, and left to the system where a package is missing."""

from __future__ import annotations

import re
from importlib import reload

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.page import LOOK
from ui.theme import fonts
from ui.widgets import modules


def test_every_file_that_the_page_names_is_served_and_kept():
    server = TestClient(Starlette(routes=modules.routes()))
    addresses = set(re.findall(rf"{modules.FOLDER}/fonts/[^\"]+", LOOK["head"]))
    assert len(addresses) == len(fonts.FILES) >= 4
    for address in addresses:
        answer = server.get(f"/{address}")
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("font/")
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.content == fonts.FILES[address.removeprefix(f"{modules.FOLDER}/")]


@pytest.fixture
def without_packages(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    yield reload(fonts)
    monkeypatch.undo()
    reload(fonts)


def test_without_their_packages_the_page_asks_for_none(without_packages):
    assert without_packages.FILES == {}
    assert "url(" not in without_packages.head("page") and "preload" not in fonts.head("page")

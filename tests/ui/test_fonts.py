"""The page's letters: served with the page, and left to the system where a package is missing."""

from __future__ import annotations

import re

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

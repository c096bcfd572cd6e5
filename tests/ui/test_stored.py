"""The first values of the page's components stand in files of their own, not in the page."""

import json
import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.page import LOOK, build
from ui.widgets import modules

LONG = {"words": ["it's", '"quoted"', "<b>`${x}\\`</b>"] * 100}


@pytest.fixture(scope="module")
def server():
    return TestClient(Starlette(routes=modules.routes()))


def test_a_text_is_served_as_it_is_and_for_good(server):
    text = json.dumps(LONG)
    name = modules.stored(text)
    response = server.get(f"/{modules.FOLDER}/{name}")
    assert response.json() == LONG and "immutable" in response.headers["Cache-Control"]
    assert modules.stored(text) == name != modules.stored(json.dumps([LONG]))
    assert modules.stored(json.dumps({"few": "words"})) is None
    assert server.get(f"/{modules.FOLDER}/data/none.json").status_code == 404


def test_the_page_is_small_and_all_that_it_leaves_out_is_served(server, monkeypatch):
    # Gradio counts components on through a process: after other tests every number has more digits.
    monkeypatch.setattr("gradio.context.Context.id", 0)
    config = build().get_config_file()
    # What a browser reads before it shows anything.
    page = json.dumps(config, default=str, separators=(",", ":")) + LOOK["css"] + LOOK["head"]
    assert len(page) < 420_000
    values = [part["props"].get("value") for part in config["components"]]
    stored = [v["file"] for v in values if isinstance(v, dict) and v.get("kind") == "stored"]
    for name in stored:
        value = server.get(f"/{modules.FOLDER}/{name}").json()
        files = re.findall(r'"url": "(.+?)"', json.dumps(value))
        assert all(url.startswith("gradio_api/file=") for url in files)
    assert {"film", "equations", "network"} <= {
        server.get(f"/{modules.FOLDER}/{name}").json()["kind"] for name in stored
    }

"""What a stranger may ask of a public page, and what they get."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

import app

ROOT = Path(__file__).parent.parent.parent
OWN = ["app.py", "ui/page.py", "requirements.txt", "checkpoints/mnist-conditional/config.json"]


@pytest.fixture
def ask(url):
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", *OWN])
@pytest.mark.parametrize("route", ["gradio_api/file=", "file=", "gradio_api/file/", "static/"])
def test_no_file_of_the_machine_is_served(ask, route, path):
    absolute = path if path.startswith("/") else str(ROOT / path)
    secret = Path(absolute).read_bytes()[:60]
    tries = [absolute, path, f"../../{path}", absolute.replace("/", "%2f"), f"..%2f..%2f{path}"]
    for attempt in tries:
        answer = ask.get(f"{route}{attempt}")
        assert answer.status_code in (307, 400, 403, 404), (attempt, answer.status_code)
        assert secret not in answer.content


def test_nothing_is_fetched_for_a_stranger(ask):
    seen = []

    class Inner(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"inner secret")

        def log_message(self, *args):
            pass

    inner = HTTPServer(("127.0.0.1", 0), Inner)
    threading.Thread(target=inner.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{inner.server_port}/latest/meta-data"
    for route in ("gradio_api/file=", "gradio_api/proxy=", "file=", "proxy="):
        assert b"inner secret" not in ask.get(f"{route}{address}").content
    inner.shutdown()
    assert seen == []


def the_run(ask) -> tuple[int, list, int]:
    """Which event samples on the Sample tab, of what, and at which of its inputs the seed is."""
    config = ask.get("config").json()
    button = next(c for c in config["components"] if c["props"].get("elem_id") == "sample-run")
    event = next(d for d in config["dependencies"] if [button["id"], "click"] in d["targets"])
    values = {c["id"]: c["props"].get("value") for c in config["components"]}
    named = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
    values |= {named["sample-n"]: 1, named["sample-steps"]: 1}
    inputs = event["inputs"]
    return event["id"], [values[i] for i in inputs], inputs.index(named["sample-seed"])


def test_a_flood_is_turned_away_in_words_and_the_page_lives_on(ask, visit):
    event, data, seed = the_run(ask)

    def join(number: int) -> httpx.Response:
        one = {"data": [*data[:seed], number, *data[seed + 1 :]], "fn_index": event}
        return ask.post("gradio_api/queue/join", json=one | {"session_hash": f"flood{number}"})

    with ThreadPoolExecutor(24) as crowd:
        answers = list(crowd.map(join, range(150)))
    turned_away = [a for a in answers if a.status_code == 503]
    assert turned_away and all("full" in a.text for a in turned_away)
    assert {a.status_code for a in answers} == {200, 503}
    visitor = visit("?steps=8&n=4&seed=31")
    visitor.wait_for_kept("9 frames")


def test_the_settings_are_those_of_a_public_page():
    assert app.SAFE["allowed_paths"] == [] and app.SAFE["max_file_size"] == "2mb"
    assert app.SAFE["show_error"] is False and app.SAFE["strict_cors"] is True
    assert app.SAFE["enable_monitoring"] is False and app.SAFE["run_history"] is False


class Unserved:
    def queue(self, **_):
        return self

    def launch(self, **_):
        return None, "an address", None


@pytest.mark.parametrize(
    ("words", "space", "public"),
    [
        ([], False, False),
        (["--host", "localhost"], False, False),
        (["--share"], False, True),
        (["--host", "0.0.0.0"], False, True),
        ([], True, True),
    ],
)
def test_a_public_page_asks_the_hub_in_nobodys_name(monkeypatch, words, space, public):
    studios = []
    monkeypatch.setattr(app, "build", lambda studio: studios.append(studio) or Unserved())
    monkeypatch.setattr(app, "ON_A_SPACE", space)
    app.launch(words)
    hub = studios[0]._hub
    assert (hub.token is False) == (hub.keep_bytes is not None) == public
    assert hub.max_bytes <= 500 * 10**6


def test_a_path_is_no_model(visit):
    visitor = visit(f"?model={ROOT / 'checkpoints/mnist-linear'}&n=1&steps=2")
    visitor.wait("error")
    assert "unknown model" in visitor.stage().inner_text()


def test_nothing_is_computed_around_the_queue(ask):
    asked = {"data": ["mnist-conditional", 1, "3", "ddim", 1, 0, 1, "none", None]}
    for route in ("run/sample", "api/sample", "run/film", "run/sample/"):
        assert ask.post(f"gradio_api/{route}", json=asked).status_code in (403, 404)
    event, data, _ = the_run(ask)
    around = {"data": data, "fn_index": event, "session_hash": "around"}
    assert ask.post("gradio_api/run/predict", json=around).status_code in (403, 404)

"""What the server answers and what it refuses, whoever asks."""

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

import app
from tests.support.pages import API, event_of, news, sample_event
from ui.sharing.guard import MAX_BODY
from ui.tabs import recordings

RECORDED = next(recordings.FOLDER.glob("*.png"))
ROOT = Path(__file__).parents[2]
# The page, its parts, and what a Space and gradio_client ask for.
SERVED = {
    "/": "/",
    "/config": "/config",
    "/theme.css": "/theme.css",
    "/robots.txt": "/robots.txt",
    "/manifest.json": "/manifest.json",
    "/favicon.ico": "/favicon.ico",
    "/pwa_icon/{size}": "/pwa_icon/192",
    "/assets/{path}": None,  # a name that changes with Gradio's version: see below
    "/static/{path}": "/static/img/logo.svg",
    f"{API}/info": f"{API}/info",
    f"{API}/openapi.json": f"{API}/openapi.json",
    f"{API}/app_id": f"{API}/app_id",
    f"{API}/startup-events": f"{API}/startup-events",
    f"{API}/theme.css": f"{API}/theme.css",
    f"{API}/file={{path_or_url}}": f"{API}/file={RECORDED}",
    f"{API}/heartbeat/{{session_hash}}": None,
    f"{API}/queue/data": None,
    f"{API}/call/{{api_name}}/{{event_id}}": None,
    f"{API}/call/v2/{{api_name}}/{{event_id}}": None,
}
CALLED = {
    f"{API}/queue/join",
    f"{API}/run/{{api_name}}",
    f"{API}/call/{{api_name}}",
    f"{API}/call/v2/{{api_name}}",
    f"{API}/cancel",
    f"{API}/reset",
    f"{API}/component_server/",
}
CSP = "Content-Security-Policy"
ADDRESS = "http://somewhere.example/a.png"


@pytest.fixture(scope="module")
def client(url):
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
        yield http


@pytest.fixture
def looked_up(monkeypatch):
    """The names of other machines that are looked up."""
    names, look_up = [], socket.getaddrinfo

    def record(host, *args, **kwargs):
        if str(host) not in ("127.0.0.1", "localhost"):
            names.append(host)
            raise socket.gaierror("no such name")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", record)
    return names


def test_the_page_its_parts_and_its_description_are_served(client):
    scripts = re.findall(r'(?:src|href)="\.?(/assets/[^"]+)"', client.get("/").text)
    assert scripts
    for path in [*filter(None, SERVED.values()), *scripts, "/measurements"]:
        response = client.get(path, headers={"Accept-Encoding": "gzip"})
        assert response.status_code == 200 and response.content, path
        assert path != "/" or response.headers["Content-Encoding"] == "gzip"
        assert client.head(path).status_code in (200, 405), path
    with client.stream("GET", f"{API}/heartbeat/guard") as response:
        assert response.status_code == 200 and "ALIVE" in next(response.iter_lines())


def test_an_address_before_that_is_none_changes_nothing(client):
    assert client.get("/", headers={"referer": "http://["}).status_code == 200


def test_no_other_route_of_gradio_is_served(server, client):
    routes = server[0].app.openapi()["paths"]
    assert set(SERVED) | CALLED <= set(routes)
    others = [
        (method.upper(), path)
        for path, methods in routes.items()
        for method in methods
        if path not in (CALLED if method == "post" else SERVED)
    ]
    assert {path for _, path in others} >= {f"{API}/runs", f"{API}/vibe-code", f"{API}/upload"}
    for method, path in [*others, ("GET", "/openapi.json"), ("GET", "/docs")]:
        filled = re.sub(r"\{[^}]+\}", "1", path)
        response = client.request(method, filled, json={} if method == "POST" else None)
        assert response.status_code == 404, (method, filled)


def test_no_address_is_fetched_and_nothing_written_however_it_is_spelled(client, looked_up):
    for path in (
        f"{API}/file={ADDRESS}",
        f"{API}/file=http%3A%2F%2Fsomewhere.example/a.png",
        f"/gradio%5Fapi/file={ADDRESS}",
        f"{API}/proxy={ADDRESS}",
        f"{API}//deep_link?session_hash=a",
        f"{API}/run%2Dhistory/buckets",
    ):
        for method in ("GET", "HEAD"):
            assert client.request(method, path).status_code == 404, path
    assert not looked_up


def test_no_file_of_the_machine_is_served(client):
    files = ["app.py", "ui/page.py", "checkpoints/mnist-conditional/config.json"]
    for path in ("/etc/passwd", "/proc/self/environ", *files):
        absolute = path if path.startswith("/") else str(ROOT / path)
        secret = Path(absolute).read_bytes()[:60]
        spelled = [absolute, path, f"../../{path}", absolute.replace("/", "%2f")]
        for attempt in [*spelled, f"..%2f..%2f{path}"]:
            for route in (f"{API}/file=", "/file=", f"{API}/file/", "/static/"):
                response = client.get(f"{route}{attempt}")
                assert response.status_code in (307, 400, 403, 404), (route, attempt)
                assert secret not in response.content


def test_no_address_in_a_call_is_fetched(client, looked_up):
    event, data, seed = sample_event(client)
    for field in ("path", "url"):
        file = {"path": "/a.png", "meta": {"_type": "gradio.FileData"}} | {field: ADDRESS}
        for value in (file, {"deep": [file]}):
            data[seed] = value
            body = {"data": data, "fn_index": event, "session_hash": "fetch"}
            for route in ("queue/join", "call/sample"):
                response = client.post(f"{API}/{route}", json=body)
                assert response.status_code == 422 and "file" in response.json()["detail"]
    assert not looked_up


def test_a_body_has_an_end(client):
    def endless():
        for _ in range(2 * MAX_BODY // 2**16):
            yield b" " * 2**16

    long = b" " * (MAX_BODY + 1)
    for body in (long, endless()):
        try:
            assert client.post(f"{API}/queue/join", content=body).status_code == 413
        except httpx.WriteError:  # refused, and hung up on, before all of it was sent
            assert body is not long


def test_nobody_goes_around_the_queue_but_for_what_is_done_at_once(client):
    event, data, _ = sample_event(client)
    sample = {"data": ["mnist-conditional", 1, "0", "ddim", 1, 0, 1, "none", None]}
    for path in ("run/sample", "run/sample/", "run/film", "api/sample", "run/predict/"):
        assert client.post(f"{API}/{path}", json=sample).status_code == 404
    response = client.post(f"{API}/run/predict", json={"data": data, "fn_index": event})
    assert response.status_code == 404 and "queue" in response.json()["detail"]
    stop = {"data": [], "fn_index": event_of(client, "sample-stop"), "session_hash": "guard"}
    assert client.post(f"{API}/run/predict", json=stop).status_code == 200


def wrong_calls(event: int, data: list, seed: int) -> list[tuple[str, object, str]]:
    """Calls that are refused at once: where, what, and a word of the refusal."""

    def call(values=data, number=event):
        return {"data": values, "fn_index": number, "session_hash": "wrong"}

    deep = json.loads("[" * 200 + "]" * 200)
    texts = [*data[:seed], "many", *data[seed + 1 :]]
    return [
        ("queue/join", call([["a", "list"], *data[1:]]), "must be text"),
        ("queue/join", call(texts), "must be a number"),
        ("queue/join", call([*data[:seed], deep, *data[seed + 1 :]]), "nested"),
        ("queue/join", call(data[:3]), "list of"),
        ("queue/join", call(number=[]), "no function"),
        ("call/nothing", {"data": []}, "no function"),
        ("component_server/", {"component_id": 1, "fn_name": "postprocess"}, "no function"),
        ("call/v2/sample", {"stepz": 5}, "stepz"),
        ("queue/join", "text", "object"),
    ]


def test_a_wrong_call_is_refused_in_words_and_notes_one_line(client, caplog, capsys):
    for path, body, word in wrong_calls(*sample_event(client)):
        caplog.clear()
        response = client.post(f"{API}/{path}", json=body)
        assert response.status_code in (404, 422), (path, body)
        assert word in response.json()["detail"]
        assert len(caplog.records) == 1 and "\n" not in caplog.text.rstrip("\n")
    for text, status in ((b"{", 400), (b"[" * 10**4, 400), (b"[" * 10**5, 413)):
        assert client.post(f"{API}/queue/join", content=text).status_code == status
    assert "Traceback" not in "".join(capsys.readouterr())


def test_whatever_an_event_of_the_page_is_sent_no_traceback_is_printed(client, caplog, capsys):
    events = [d for d in client.get("/config").json()["dependencies"] if d["backend_fn"]]
    events = [(event["id"], event["inputs"]) for event in events if event["queue"]]
    assert len(events) > 60
    for event, inputs in events:
        session = f"any{event}"
        body = {"data": [["a", "list"]] * len(inputs), "fn_index": event, "session_hash": session}
        joined = client.post(f"{API}/queue/join", json=body)
        assert joined.status_code in (200, 422), joined.text
        if joined.status_code == 200:
            news(client, session, "process_generating", "process_completed")
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert "Traceback" not in caplog.text + "".join(capsys.readouterr())


def test_a_fault_of_ours_is_told_without_its_insides(client, server, caplog, capsys, monkeypatch):
    event, data, _ = sample_event(client)

    def fail(*_):
        raise ZeroDivisionError("inner secret")
        yield

    monkeypatch.setattr(server[0].fns[event], "fn", fail)
    body = {"data": data, "fn_index": event, "session_hash": "fault"}
    assert client.post(f"{API}/queue/join", json=body).status_code == 200
    message = news(client, "fault", "process_completed")
    assert not message["success"] and message["output"]["error"]
    assert "secret" not in json.dumps(message)
    (record,) = caplog.records
    assert "inner secret" in record.getMessage() and "test_guard.py" in record.getMessage()
    assert "Traceback" not in "".join(capsys.readouterr())


def test_every_answer_carries_headers_of_safety(client):
    for method, path in (("GET", "/"), ("GET", "/nothing"), ("POST", f"{API}/queue/join")):
        headers = client.request(method, path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        policy = dict(part.strip().split(" ", 1) for part in headers[CSP].split(";"))
        assert policy["connect-src"] == policy["base-uri"] == policy["default-src"] == "'self'"
        assert policy["object-src"] == "'none'" and policy["img-src"] == "'self' data: blob:"
        # A Space is a frame.
        assert "frame-ancestors" not in policy and "X-Frame-Options" not in headers


def test_a_flood_is_turned_away_in_words_and_the_page_lives_on(client, visit):
    event, data, seed = sample_event(client)

    def join(number: int) -> httpx.Response:
        body = {"data": [*data[:seed], number, *data[seed + 1 :]], "fn_index": event}
        return client.post(f"{API}/queue/join", json=body | {"session_hash": f"flood{number}"})

    with ThreadPoolExecutor(24) as pool:
        responses = list(pool.map(join, range(150)))
    turned_away = [r for r in responses if r.status_code == 503]
    assert turned_away and all("full" in r.text for r in turned_away)
    assert {r.status_code for r in responses} == {200, 503}
    visitor = visit("?steps=8&n=4&seed=31")
    visitor.wait_for_file("9 frames")
    # It was turned away as well at first, and has asked again.
    visitor.errors = [error for error in visitor.errors if "503" not in error]


@pytest.mark.parametrize(
    ("arguments", "space", "public"),
    [([], False, False), (["--host", "0.0.0.0"], False, True), ([], True, True)],
)
def test_a_public_page_asks_the_hub_in_nobodys_name(monkeypatch, arguments, space, public):
    studios, served = [], (None, "an address", None)
    page = SimpleNamespace(queue=lambda **_: None, launch=lambda **_: served)
    monkeypatch.setattr(app, "build", lambda studio: studios.append(studio) or page)
    monkeypatch.setattr(app, "ON_A_SPACE", space)
    app.launch(arguments)
    hub = studios[0]._hub
    assert (hub.token is False) == (hub.keep_bytes is not None) == public
    assert hub.max_bytes <= 500 * 10**6

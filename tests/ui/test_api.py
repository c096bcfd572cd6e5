"""The public API among the page's visitors: whose places it takes, and when it lets them go."""

import os
import threading
import time

import gradio as gr
import httpx
import pytest

import app
from ddpm_core import InvalidInput, Request
from ui.events import STREAM
from ui.runs.runs import CALLS, Key, Studio
from ui.sharing import api

ARGUMENTS = ["mnist-conditional", 1, "3", "ddpm", 60, 0, 1, "none", None]


@pytest.fixture
def waiting_studio(monkeypatch):
    """A studio whose runs wait for ``go_on``; ``most`` is how many there were at once."""
    studio, go_on = Studio(), threading.Event()
    studio.under_way, studio.most, studio.go_on = 0, 0, go_on
    guard = threading.Lock()

    def stream(ticket, key):
        with guard:
            studio.under_way += 1
            studio.most = max(studio.most, studio.under_way)
        go_on.wait(60)
        with guard:
            studio.under_way -= 1
        raise InvalidInput("it was let go")
        yield

    monkeypatch.setattr(studio, "stream", stream)
    yield studio
    go_on.set()


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_calls_that_find_no_place_are_told_so_whatever_way_they_come(waiting_studio):
    with gr.Blocks() as blocks:
        api.expose(waiting_studio)
    [call, _] = [function.fn for function in blocks.fns.values()]
    messages = []

    def call_api():
        with pytest.raises(gr.Error) as refused:
            call(*ARGUMENTS)
        messages.append(refused.value.message)

    threads = [threading.Thread(target=call_api) for _ in range(90)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(messages) == 90 - 2 * CALLS and waiting_studio.under_way == CALLS)
    assert all("the API is full" in words for words in messages)
    waiting_studio.go_on.set()
    for thread in threads:
        thread.join(60)
    assert len(messages) == 90 and messages[-2 * CALLS :] == ["it was let go"] * 2 * CALLS
    assert waiting_studio.most == CALLS


def test_calls_take_none_of_the_places_of_visitors(waiting_studio):
    with gr.Blocks() as page:
        api.expose(waiting_studio)
        button, output = gr.Button(), gr.Textbox()
        event = button.click(lambda: "served", None, output, **STREAM)
    options = {"ssr_mode": False, "max_threads": app.SAFE["max_threads"]}
    _, url, _ = page.queue(max_size=8).launch(prevent_thread_lock=True, quiet=True, **options)
    with httpx.Client(base_url=f"{url}gradio_api/", timeout=60, trust_env=False) as client:
        for _ in range(70):
            client.post("call/sample", json={"data": ARGUMENTS})
        wait_until(lambda: waiting_studio.under_way == CALLS)
        visitor = {"fn_index": event["id"], "session_hash": "visitor", "data": []}
        wait_until(lambda: client.post("queue/join", json=visitor).is_success, 10)
        text = client.get("queue/data", params={"session_hash": "visitor"}).text
    page.close()
    assert '"served"' in text


def test_a_model_is_sampled_as_it_is_meant_to_be(monkeypatch):
    studio, keys = Studio(), []
    model = studio.model("mnist-conditional")
    monkeypatch.setitem(model.config.sampling, "clip", False)

    def stream(ticket, key):
        keys.append(key)
        raise InvalidInput("it was let go")
        yield

    monkeypatch.setattr(studio, "stream", stream)
    with gr.Blocks() as blocks:
        api.expose(studio)
    sample, film = (function.fn for function in blocks.fns.values())
    with pytest.raises(gr.Error, match="let go"):
        sample(n=2)
    assert keys == [Key(model.name, Request(n=2, clip=False))]
    # What cannot be sent is refused before it is computed.
    for call, values in (
        (film, {"n": 16, "steps": 1000, "scale": 4}),
        (film, {"stride": 0}),
        (sample, {"scale": 65}),
    ):
        with pytest.raises(gr.Error, match="more than the|between 1 and"):
            call(**values)
    assert len(keys) == 1


def test_the_run_of_a_caller_who_left_ends(monkeypatch):
    monkeypatch.setitem(os.environ, "NO_PROXY", "127.0.0.1")
    studio, started, stopped = Studio(), threading.Event(), threading.Event()

    def stream(ticket, key):
        started.set()
        deadline = time.monotonic() + 60
        while not ticket.asked and time.monotonic() < deadline:
            yield
            time.sleep(0.01)
        if ticket.asked:
            stopped.set()

    monkeypatch.setattr(studio, "stream", stream)
    with gr.Blocks() as blocks:
        api.expose(studio)
    _, url, _ = blocks.queue().launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    with httpx.Client(base_url=f"{url}gradio_api/call/", timeout=60, trust_env=False) as client:
        number = client.post("sample", json={"data": ARGUMENTS}).json()["event_id"]
        with client.stream("GET", f"sample/{number}"):
            assert started.wait(60) and not stopped.is_set()
        assert stopped.wait(60)
    blocks.close()

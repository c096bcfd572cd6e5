"""The public API among the page's visitors: whose places it takes, and when it lets them go."""

from __future__ import annotations

import os
import threading
import time

import gradio as gr
import httpx
import pytest

from ddpm_core import Request
from ui import api, stage
from ui.runs import CALLS, VISITORS, Key, Studio


def test_calls_take_none_of_the_places_of_visitors():
    with gr.Blocks() as blocks:
        api.expose(Studio())
    for function in blocks.fns.values():
        assert function.concurrency_id != stage.STREAM["concurrency_id"]
        assert function.concurrency_limit == CALLS < VISITORS


def test_a_model_is_sampled_as_it_is_meant_to_be(monkeypatch):
    studio, asked = Studio(), []
    model = studio.model("mnist-conditional")
    monkeypatch.setitem(model.config.sampling, "clip", False)
    monkeypatch.setattr(studio, "stream", lambda ending, key: asked.append(key) or [None])
    api._run(studio, model.name, n=2)
    assert asked == [Key(model.name, Request(n=2, clip=False))]


ASKED = ["mnist-conditional", 1, "3", "ddpm", 60, 0, 1, "none", None]


@pytest.fixture
def served(monkeypatch):
    """A studio whose API is served, and what asks there."""
    monkeypatch.setitem(os.environ, "NO_PROXY", "127.0.0.1")
    studio = Studio()
    with gr.Blocks() as blocks:
        api.expose(studio)
    _, url, _ = blocks.queue().launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    with httpx.Client(base_url=f"{url}gradio_api/call/", timeout=60, trust_env=False) as client:
        yield studio, client
    blocks.close()


def test_the_run_of_a_caller_who_left_ends(served, monkeypatch):
    studio, client = served
    begun, ended = threading.Event(), threading.Event()

    def stream(ending, key):
        begun.set()
        until = time.monotonic() + 60
        while not ending.asked and time.monotonic() < until:
            yield
            time.sleep(0.01)
        if ending.asked:
            ended.set()

    monkeypatch.setattr(studio, "stream", stream)
    number = client.post("sample", json={"data": ASKED}).json()["event_id"]
    with client.stream("GET", f"sample/{number}"):
        assert begun.wait(60) and not ended.is_set()
    assert ended.wait(60)


def test_the_run_of_a_caller_who_stays_does_not(served):
    studio, client = served
    number = client.post("sample", json={"data": ASKED}).json()["event_id"]
    assert "event: complete" in client.get(f"sample/{number}").text
    request = Request(n=1, label=3, sampler="ddpm", steps=60)
    assert studio.kept(studio.settled(Key(ASKED[0], request))).finished

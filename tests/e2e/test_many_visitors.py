"""More visitors than the server remembers, and those who wait for a model."""

from __future__ import annotations

import threading

import httpx
import pytest
from playwright.sync_api import expect

import app
from tests.support.visitor import Visitor
from ui import runs

REMEMBERED = 2


@pytest.fixture(scope="module")
def crowded():
    """The address of a page that remembers few."""
    page, address = app.launch(
        ["--no-browser"],
        prevent_thread_lock=True,
        quiet=True,
        state_session_capacity=REMEMBERED,
    )
    yield address
    page.close()


@pytest.fixture
def enter(chromium, crowded):
    visitors = []

    def come(query):
        visitors.append(Visitor(chromium, crowded).open(query))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.leave()


def run_of(visitor, tab):
    return visitor.stage(tab).get_attribute("data-run")


def test_whom_the_server_has_forgotten_goes_on_as_they_were(enter):
    first = enter("?tab=guidance&n=4&steps=4&seed=5")
    first.wait_for_kept("5 frames", "guidance")
    for seed in range(REMEMBERED):
        enter(f"?n=1&steps=2&seed={seed}").wait_for_kept("3 frames")
    # Where they left off is still there when they come back to it.
    before = run_of(first, "guidance")
    first.page.get_by_role("tab", name="Results", exact=True).click()
    first.page.locator(".board[data-state=shown]").wait_for()
    first.page.get_by_role("tab", name="Guidance", exact=True).click()
    first.set_number("guidance-seed", 77)
    first.click("guidance-run")
    stage = first.page.locator("#guidance-stage .player[data-state=film]")
    expect(stage).to_have_attribute("data-run", before.replace("seed=5", "seed=77"))
    first.wait_for_kept("5 frames", "guidance")


def test_who_opens_the_page_waits_for_nobody_elses_model(crowded, monkeypatch):
    loading, go_on, load = threading.Event(), threading.Event(), runs.load

    def slowly(name):
        if name == "mnist-cosine-attn":
            loading.set()
            go_on.wait(60)
        return load(name)

    monkeypatch.setattr(runs, "load", slowly)
    with httpx.Client(base_url=f"{crowded}gradio_api/", timeout=60, trust_env=False) as client:
        opened = [
            event["id"]
            for event in httpx.get(f"{crowded}config", trust_env=False).json()["dependencies"]
            if event["backend_fn"] and any(name == "load" for _, name in event["targets"])
        ]

        def open_page(session, query):
            for event in opened:
                asked = {"fn_index": event, "session_hash": session, "data": []}
                client.post("queue/join", json=asked, params=query).raise_for_status()
            told = client.get("queue/data", params={"session_hash": session}).text
            assert told.count('"msg":"process_completed"') == len(opened)

        slow = threading.Thread(
            target=open_page, args=("slow", {"model": "mnist-cosine-attn"}), daemon=True
        )
        slow.start()
        assert loading.wait(60)
        open_page("other", {"model": "mnist-conditional"})
        open_page("another", {})
        assert slow.is_alive()
        go_on.set()
        slow.join(60)
        assert not slow.is_alive()

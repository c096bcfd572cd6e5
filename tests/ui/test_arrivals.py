"""Where what arrives at the page leads, and what a tab shows by itself."""

import json
import threading
from types import SimpleNamespace

import gradio as gr
import pytest

from ui.arrivals import Arrival
from ui.drop import Dropped
from ui.page import build
from ui.runs import Studio

VISITOR = SimpleNamespace(session_hash="somebody", query_params={}, headers={})
RESTORED_BY_ADDRESS = "reverse"


@pytest.fixture(scope="module")
def open_sample():
    """What is run when the Sample tab opens."""
    found = [f.fn for f in build().fns.values() if getattr(f.fn, "__name__", "") == "open_tab"]
    return found[0]


def test_a_tab_that_a_file_opens_has_no_first_look_of_its_own(open_sample):
    file = Arrival("sample", count=1)
    opened = open_sample(RESTORED_BY_ADDRESS, file, None, "mnist-conditional", VISITOR)
    first = next(opened)
    assert len(first) == 1, "it yields its silence alone"
    assert next(opened, None) is None


@pytest.mark.parametrize("file", [None, Arrival("guidance", count=1)])
def test_a_tab_that_a_visitor_opens_has_one(open_sample, file):
    opened = open_sample(RESTORED_BY_ADDRESS, file, None, "mnist-conditional", VISITOR)
    assert len(next(opened)) > 1, "its controls are set"
    opened.close()


def test_of_two_files_the_later_stays_though_the_model_of_the_first_took_longer(monkeypatch):
    studio = Studio()
    page = build(studio)
    open_file = next(f for f in page.fns.values() if getattr(f.fn, "__name__", "") == "open_file")
    loading, go_on, known = threading.Event(), threading.Event(), studio.model

    def model(name):
        if name == "mnist-cosine":
            loading.set()
            go_on.wait(60)
        return known(name)

    monkeypatch.setattr(studio, "model", model)

    def drop_file(name, count):
        note = json.dumps({"model": name, "tab": "sample", "n": 1, "steps": 3, "label": "none"})
        return open_file.fn(Dropped(f"{name}.png", note, count), VISITOR)

    answers = {}
    first = threading.Thread(target=lambda: answers.update(first=drop_file("mnist-cosine", 1)))
    first.start()
    assert loading.wait(60)
    answers["second"] = drop_file("mnist-linear", 2)
    go_on.set()
    first.join(60)
    shown = {name: list(answer.values()) for name, answer in answers.items()}
    assert shown["first"] == [gr.skip()]
    assert any(isinstance(it, Arrival) and it.place == "sample" for it in shown["second"])

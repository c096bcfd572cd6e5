"""Where what arrives at the page leads, and what a tab shows by itself."""

import json
import threading
from types import SimpleNamespace

import gradio as gr

from ui.page import build
from ui.runs.runs import Studio
from ui.sharing.restore import Arrival
from ui.widgets.file_drop.file_drop import Dropped

VISITOR = SimpleNamespace(session_hash="somebody", query_params={}, headers={})


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

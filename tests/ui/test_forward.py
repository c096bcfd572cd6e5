"""What the Forward tab does for a visitor, called as the page calls it."""

from __future__ import annotations

import base64
import io
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from ddpm_core import Model
from ddpm_core.checkpoints import Config
from lab.process.forward import forward_film, return_request, return_times, returns
from ui.runs import forward_runs, runs
from ui.runs.runs import Studio
from ui.tabs.forward import forward

RNG = np.random.default_rng(0)


def toy(name, *, side=8, channels=1, classes=0, null=True, steps=50, **sampling) -> Model:
    options = {"image_size": side, "in_channels": channels, "channels": (4,), "groups": 1}
    options |= {"mid_attention": False, "time_channels": 8, "num_classes": classes}
    options |= {"null_class": null}
    schedule = {"kind": "linear", "num_timesteps": steps}
    names = [str(i) for i in range(classes)]
    config = Config(options, schedule, "epsilon", "nothing", names, sampling=sampling)
    return Model(name, config, *config.build(), {})


MODELS = {
    "plain": toy("plain"),
    "long": toy("long", steps=1000),
    "labelled": toy("labelled", classes=3, null=False),
    "free": toy("free", classes=3),
    "unclipped": toy("unclipped", clip=False),
    "colour": toy("colour", side=32, channels=3, steps=200),
    "one": toy("one", steps=1),
}


@pytest.fixture
def studio(monkeypatch):
    studio = Studio()
    studio._models.update(MODELS)
    monkeypatch.setattr(studio, "names", lambda: list(MODELS))
    return studio


class Page:
    """The tab, called as its page calls it; what it was made of is kept as a page keeps it."""

    def __init__(self, studio, tab, blocks):
        self.studio, self.tab, self.blocks, self.made_of = studio, tab, blocks, {}
        self.functions = {f.fn.__name__: f.fn for f in blocks.fns.values() if f.fn is not None}

    def fit(self, model, label="none"):
        return self.functions["fit"](model, label, visitor())

    def noise(self, picture, model, seed, who="someone"):
        made_of = self.made_of if who == "someone" else {}
        return self.functions["noise"](picture, model, seed, made_of, visitor(who))

    def back(self, picture, model, seed, label):
        run = self.functions["back"](picture, model, seed, label, self.made_of, visitor())
        yield from self._kept(run)

    def invert(self, picture, model, label):
        yield from self._kept(
            self.functions["invert"](picture, model, label, self.made_of, visitor())
        )

    def _kept(self, run):
        for news in run:
            self.made_of = news.pop(self.tab.made_of, self.made_of)
            if news:
                yield news


@pytest.fixture
def page(studio):
    with gr.Blocks() as blocks, gr.Tabs(), gr.Tab("Forward") as opened:
        tab = forward.build(studio, opened)
    return Page(studio, tab, blocks)


def visitor(name="someone"):
    return SimpleNamespace(session_hash=name)


def picture(model="plain"):
    c, h, w = MODELS[model].shape
    return RNG.integers(0, 256, (h, w, c), np.uint8)


def values(value):
    """(rows, columns, H, W, C) of a contact sheet's picture, and its labels."""
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(value["sheet"].split(",")[1]))))
    h, w = value["side"]
    rows, columns = value["rows"], value["columns"]
    return sheet.reshape(rows, h, columns, w, -1).swapaxes(1, 2), value["column_labels"]


# --- the film ---


def test_other_visitors_steps_move_while_a_film_is_made(page, monkeypatch):
    """The engine is let go between parts of a film, however large its pictures."""
    done, real = [], page.studio.engine.do

    def do(function, *options, **more):
        done.append(function)
        return real(function, *options, **more)

    monkeypatch.setattr(page.studio.engine, "do", do)
    page.noise(picture("colour"), "colour", 0)
    assert done.count(next) >= 200 * 32 * 32 * 3 // 100_000


def test_films_of_many_visitors_at_once_are_each_their_own(page, monkeypatch):
    monkeypatch.setattr(forward_runs, "RECENT", 1)
    pictures = [picture() for _ in range(20)]

    def film(number):
        found = page.noise(pictures[number], "plain", number, f"{number}")
        return found[page.tab.stage]["lanes"][0]["sheets"]["x"]

    with ThreadPoolExecutor(8) as pool:
        sheets = list(pool.map(film, range(20)))
    assert sheets == [film(number) for number in range(20)]  # one at a time


# --- models ---


def test_a_model_that_is_not_there_is_said_so(page):
    for found in (page.fit("no/such-model"), page.noise(picture(), "no/such-model", 0)):
        assert "unknown model 'no/such-model'" in found[page.tab.stage]["message"]


@pytest.mark.parametrize("name", ["free", "unclipped", "colour", "one"])
def test_there_and_back_and_inversion_work_for_every_model(page, name):
    drawing, model = picture(name), MODELS[name]
    *_, last, told = page.back(drawing, name, 3, "none")
    sheet, labels = values(last[page.tab.strip])
    times = [int(label) for label in labels]
    assert times == return_times(model.schedule)
    film = forward_film(model, drawing, 3).film
    for column, time in enumerate(times):  # those of the timeline
        np.testing.assert_array_equal(sheet[0, column], film.x[film.t.index(time), 0])
    # Brought back as the model is meant to be sampled.
    walk = returns(model, drawing, times, return_request(model, seed=3))
    np.testing.assert_array_equal(sheet[1], [moment.state for moment in walk if moment.arrived])
    *_, found = page.invert(drawing, name, "none")
    assert found[page.tab.inverted]["kind"] == "contact"
    assert "RMSE" in found[page.tab.note]


def test_what_costs_more_is_brought_back_in_fewer_steps_or_refused(page, monkeypatch):
    monkeypatch.setattr(runs, "most_work", lambda model: 100)
    calls, real = [], page.studio.engine.step

    def step(steps, *options):
        calls.append(steps)
        return real(steps, *options)

    monkeypatch.setattr(page.studio.engine, "step", step)
    *_, last, told = page.back(picture("long"), "long", 3, "none")
    assert last[page.tab.strip]["kind"] == "contact"
    assert 80 < len(calls) <= 101 and told[page.tab.returned].startswith("10 steps")
    monkeypatch.setattr(runs, "most_work", lambda model: 10)
    (refused,) = page.back(picture("long"), "long", 3, "none")
    assert "more than the 10 done at a time" in refused[page.tab.strip]["message"]
    (refused,) = page.invert(picture("long"), "long", "none")
    assert "more than the 10 done at a time" in refused[page.tab.inverted]["message"]


def test_a_model_without_a_null_class_is_told_one(page):
    assert page.fit("labelled")[page.tab.label]["value"] == "0"
    # One that it knows is left alone: another may have been chosen meanwhile.
    assert "value" not in page.fit("labelled", "2")[page.tab.label]
    assert "value" not in page.fit("free")[page.tab.label]
    *_, last, told = page.back(picture(), "labelled", 3, "0")
    assert last[page.tab.strip]["kind"] == "contact"
    (refused,) = page.back(picture(), "labelled", 3, "none")
    assert "no null class" in refused[page.tab.strip]["message"]


@pytest.mark.parametrize("what", ["back", "inversion"])
def test_what_takes_long_shows_its_first_steps_and_can_be_stopped(page, monkeypatch, what):
    monkeypatch.setattr(forward_runs, "PAUSE", 0.0)
    drawing = picture("long")
    if what == "back":
        part, words, run = page.tab.strip, page.tab.returned, page.back(drawing, "long", 0, "none")
    else:
        part, words, run = page.tab.inverted, page.tab.note, page.invert(drawing, "long", "none")
    seen = [next(news for news in run if part in news) for _ in range(3)]
    assert [news[words].split(" of ")[0] for news in seen] == ["1", "2", "3"]
    first, third = (values(seen[i][part])[0] for i in (0, 2))
    assert (first != third).any()
    page.functions[f"stop_{what}"](visitor())
    *_, last = run
    assert "3 of" in last[words]


# --- one thing after another ---


def test_a_new_picture_ends_what_is_made_of_the_old_one_and_clears_it(page):
    drawing = picture("long")
    walk = page.back(drawing, "long", 0, "none")
    *_, account = page.invert(drawing, "long", "none")
    first = next(news for news in walk if page.tab.strip in news)
    found = page.noise(picture("long"), "long", 0)
    for place in (page.tab.strip, page.tab.inverted):
        assert found[place]["kind"] == "idle"
    assert found[page.tab.strip]["order"] > first[page.tab.strip]["order"]
    assert found[page.tab.note] == found[page.tab.returned] == ""
    assert list(walk) == []


def test_the_same_picture_told_late_leaves_what_is_made_of_it(page):
    drawing = picture("long")
    walk = page.back(drawing, "long", 0, "none")
    next(walk)
    found = page.noise(drawing.copy(), "long", 0)
    assert page.tab.strip not in found and page.tab.inverted not in found
    *_, last = walk
    assert "50 steps" in last[page.tab.returned]
    # Another seed changes the strip; an inversion has none.
    list(page.invert(drawing, "long", "none"))
    found = page.noise(drawing, "long", 1)
    assert page.tab.strip in found and page.tab.inverted not in found

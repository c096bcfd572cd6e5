"""What the Forward tab does for a visitor, called as the page calls it."""

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import parse_qsl

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from ddpm_core import Model, Request
from ddpm_core.animation import read_note
from ddpm_core.checkpoints import Config
from ddpm_core.data import to_pictures
from ddpm_core.sampling import sample
from lab.process.filling import fill_request, fill_run, filling
from lab.process.forward import forward_film, return_request, return_times, returns
from lab.process.into_another import turning
from ui.runs import forward_runs
from ui.runs.runs import Studio
from ui.tabs.forward import forward, picture_tools
from ui.widgets.download import download
from ui.widgets.sketch import sketch

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
    "colour": toy("colour", side=32, channels=3),
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

    def __init__(self, studio):
        with gr.Blocks():
            self.tab = forward.build(studio)
        self.studio, self.made_of = studio, {}
        self.strip, self.inverted, self.into, self.recognised, self.filled = self.tab.tools

    def fit(self, model, label="none"):
        return self.tab.fit(model, label, visitor())

    def noise(self, picture, model, seed, who="someone"):
        marks = [self.made_of.get(tool, "") if who == "someone" else "" for tool in self.tab.tools]
        return self.tab.noise(visitor(who), picture, model, seed, *marks)

    def make(self, tool, picture, model, seed=0, label="none", *more):
        """The news of a tool that was pressed."""
        return self.pressed(tool, picture, model, seed, label, *more)

    def fill(self, hole, picture, model, seed=0, label="none", resample="1"):
        return self.pressed(self.filled, hole, picture, model, seed, label, resample)

    def pressed(self, tool, *values):
        for news in tool.run(visitor(), *values):
            self.made_of[tool] = news.pop(tool.made_of, self.made_of.get(tool, ""))
            if tool.shows in news:
                yield news


@pytest.fixture
def page(studio):
    return Page(studio)


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


def test_films_of_many_visitors_at_once_are_each_their_own(page, monkeypatch):
    monkeypatch.setattr(forward_runs, "RECENT", 1)
    pictures = [picture() for _ in range(20)]

    def film(number):
        updates = page.noise(pictures[number], "plain", number, f"{number}")
        return updates[page.tab.stage]["lanes"][0]["sheets"]["x"]

    with ThreadPoolExecutor(8) as pool:
        sheets = list(pool.map(film, range(20)))
    assert sheets == [film(number) for number in range(20)]  # one at a time


# --- models ---


@pytest.mark.parametrize("name", ["unclipped", "colour", "one"])
def test_there_and_back_and_inversion_work_for_every_model(page, name):
    drawing, model = picture(name), MODELS[name]
    *_, last = page.make(page.strip, drawing, name, 3)
    sheet, labels = values(last[page.strip.shows])
    times = [int(label) for label in labels]
    assert times == return_times(model.schedule)
    film = forward_film(model, drawing, 3).film
    for column, time in enumerate(times):  # those of the timeline
        np.testing.assert_array_equal(sheet[0, column], film.x[film.t.index(time), 0])
    # Brought back as the model is meant to be sampled.
    walk = returns(model, drawing, times, return_request(model, seed=3))
    np.testing.assert_array_equal(sheet[1], [moment.state for moment in walk if moment.arrived])
    *_, inversion = page.make(page.inverted, drawing, name)
    assert inversion[page.inverted.shows]["kind"] == "contact"
    assert "RMSE" in inversion[page.inverted.note]


def test_what_costs_more_is_brought_back_in_fewer_steps_or_refused(page, monkeypatch):
    monkeypatch.setattr(picture_tools, "most_work", lambda model: 100)
    monkeypatch.setattr(picture_tools, "PAUSE", 0.0)
    *news, last = page.make(page.strip, picture("long"), "long", 3)
    assert last[page.strip.shows]["kind"] == "contact"
    assert 80 < len(news) <= 101 and last[page.strip.note].startswith("10 steps")
    monkeypatch.setattr(picture_tools, "most_work", lambda model: 8 * 3 * 7)
    *_, last = page.fill("", picture("long"), "long", resample="3")
    assert "7 steps of DDIM" in last[page.filled.note]
    monkeypatch.setattr(picture_tools, "most_work", lambda model: 10)
    for tool in (page.strip, page.inverted):
        (refused,) = page.make(tool, picture("long"), "long", 3)
        assert "more than the 10 done at a time" in refused[tool.shows]["message"]


def test_a_model_without_a_null_class_is_told_one(page):
    assert page.fit("labelled")[page.tab.label]["value"] == "0"
    # One that it knows is left alone: another may have been chosen meanwhile.
    assert "value" not in page.fit("labelled", "2")[page.tab.label]
    assert "value" not in page.fit("free")[page.tab.label]
    *_, last = page.make(page.strip, picture(), "labelled", 3, "0")
    assert last[page.strip.shows]["kind"] == "contact"
    (refused,) = page.make(page.strip, picture(), "labelled", 3, "none")
    assert "no null class" in refused[page.strip.shows]["message"]


@pytest.mark.parametrize("name", ["unclipped", "colour", "labelled"])
def test_a_hole_is_filled_for_every_model_and_leaves_as_a_file(page, name):
    drawing, side = picture(name), MODELS[name].shape[1]
    hole = np.zeros((side, side), bool)
    hole[2:6, 1:5] = True
    label = "2" if MODELS[name].classes else "none"
    painted = sketch.sized(side, 1, hole=hole)["hole"]
    *_, last = page.fill(painted, drawing, name, 3, label, "3")
    request = fill_request(MODELS[name], label, 3)
    walk = filling(fill_run(MODELS[name], drawing, hole, request), 3)
    expected = to_pictures([step for step, _ in walk][-1].x)
    due = last[page.filled.take]
    (lane,) = last[page.filled.shows]["lanes"]
    assert due["kind"] == "due" and lane["calls"] == 3 * request.steps
    film = page.studio.kept_run(due["run"]).film
    np.testing.assert_array_equal(film.images(), expected)
    # The link and the file's note bring back picture, hole, seed, class and the way of filling.
    file = page.filled.written(download.Choice("gif", 10, ("x",), due["order"], due["run"]))
    note = json.loads(read_note(file.path))
    for asked in (page.tab.asked(parse_qsl(due["link"]), name), page.tab.noted(note)):
        np.testing.assert_array_equal(asked.picture, drawing)
        np.testing.assert_array_equal(asked.hole, hole)
        assert (asked.seed, asked.label) == (3, label)
        assert page.tab.set_to(asked, "an arrival")[page.filled.resample] == "3"
    (stored,) = page.fill(painted, drawing, name, 3, label, "3")
    assert stored[page.filled.take]["run"] == due["run"], "it is kept"


def test_without_a_hole_the_lower_half_is_filled_and_filling_is_stopped(page, monkeypatch):
    monkeypatch.setattr(forward_runs, "PAUSE", 0.0)
    drawing = picture("long")
    walk = page.fill("", drawing, "long")
    updates = [next(walk) for _ in range(3)]
    for step, news in enumerate(updates, 1):
        taken, _, steps = news[page.filled.note].partition("taken. ")
        assert "lower half" in taken and steps.startswith(f"{step} of ")
    page.filled.stop(visitor())
    *_, last = walk
    assert last[page.filled.note] == "Stopped after 3 steps."
    assert last[page.filled.shows]["kind"] == "film"
    (refused,) = page.fill("AAAA", drawing, "long")
    assert "has other pixels" in refused[page.filled.shows]["message"]
    *_, whole = page.fill("", drawing, "long")
    assert "the lower half was taken" in whole[page.filled.note]
    film = page.studio.kept_run(whole[page.filled.take]["run"]).film
    assert (film.images()[:, :4] == drawing[:4]).all() and film.images()[:, 4:].std() > 0


@pytest.mark.parametrize("name", ["plain", "labelled", "one"])
def test_a_picture_that_was_kept_is_turned_into_another_and_leaves_as_a_film(page, name):
    tool, labels = page.into, ("1", "2") if name == "labelled" else ("none", "none")
    first, last = picture(name), picture(name)
    updates = tool.kept(first, name, 0, labels[0], visitor())
    sheet, columns = values(updates[tool.shows])
    np.testing.assert_array_equal(sheet[0, 0], first)
    assert (columns[0], columns[-1], len(set(columns))) == ("from", "to", 9)  # all have a name
    news = list(tool.run(visitor(), last, name, 0, labels[1], updates[tool.first]))
    *_, result = (update for update in news if tool.shows in update)
    assert "great circle" in result[tool.note]
    *_, images = turning(MODELS[name], (first, last), labels)
    np.testing.assert_array_equal(values(result[tool.shows])[0][0], images[::2])
    state, due = news[-1][tool.made], news[-1][tool.take]
    file = tool.written(download.Choice(order=due["order"]), state)
    assert file.frames == 2 * len(images) - 1
    # The link and the file's note bring back both pictures and their classes.
    note = json.loads(read_note(file.path))
    for asked in (page.tab.asked(parse_qsl(due["link"]), name), page.tab.noted(note)):
        np.testing.assert_array_equal(asked.picture, last)
        start, label = page.tab.set_to(asked, "an arrival")[tool.first]
        np.testing.assert_array_equal(start, first)
        assert (label, asked.label) == labels


def test_a_picture_that_the_model_draws_is_put_on_the_sheet(page):
    (news,) = page.tab.draw_one("free", 5, "1", visitor())
    request = Request(n=1, label=1, seed=5)
    expected = sample(MODELS["free"], request.as_meant(MODELS["free"]))[0]
    np.testing.assert_array_equal(sketch.pixels(news[page.tab.sheet]), expected)


# --- one thing after another ---


def test_a_new_picture_ends_what_is_made_of_the_old_one_and_clears_it(page):
    drawing = picture("long")
    walk = page.make(page.strip, drawing, "long")
    first = next(walk)
    list(page.make(page.inverted, drawing, "long"))
    updates = page.noise(picture("long"), "long", 0)
    for tool in (page.strip, page.inverted):
        assert updates[tool.shows]["kind"] == "idle" and updates[tool.note] == ""
    assert updates[page.strip.shows]["order"] > first[page.strip.shows]["order"]
    assert list(walk) == []


def test_the_same_picture_told_late_leaves_what_is_made_of_it(page):
    drawing = picture("long")
    walk = page.make(page.strip, drawing, "long")
    next(walk)
    updates = page.noise(drawing.copy(), "long", 0)
    assert not {page.strip.shows, page.inverted.shows} & updates.keys()
    *_, last = walk
    assert "50 steps" in last[page.strip.note]
    # Another seed changes the strip; an inversion has none.
    list(page.make(page.inverted, drawing, "long"))
    updates = page.noise(drawing, "long", 1)
    assert page.strip.shows in updates and page.inverted.shows not in updates

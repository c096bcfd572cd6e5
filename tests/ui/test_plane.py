"""The Plane tab, called as the page calls it."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

import pytest
from PIL import Image

from ddpm_core import InvalidInput
from lab.process import plane
from ui.runs import plane_runs
from ui.runs.runs import Studio
from ui.runs.ticket import Ticket
from ui.tabs import plane as tab
from ui.widgets.download.download import Choice

FIRST = plane_runs.offered()["first"]


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    monkeypatch.setattr(plane, "TRAINING_STEPS", 200)
    monkeypatch.setattr(plane_runs, "PAUSE", 0)


def stream(ticket=None, **settings):
    return list(plane_runs.stream(Studio(), ticket or Ticket(), FIRST | settings))


def test_a_network_is_sampled_again_but_never_for_train():
    *_, film = stream(do="train", steps=5)
    (resampled,) = stream(do="sample", run=film["run"], steps=5, sampler="heun")
    assert resampled["losses"] == film["losses"] and resampled["points"] != film["points"]
    assert len(stream(do="train", run=film["run"], steps=5)) > 1


def test_two_visitors_are_trained_in_turn():
    ends = []

    def visit(seed):
        studio = Studio()
        for value in plane_runs.stream(studio, Ticket(), FIRST | {"seed": seed, "steps": 5}):
            ends.append((seed, value["done"]))

    with ThreadPoolExecutor(2) as visitors:
        list(visitors.map(visit, (1, 2)))
    # Neither waits until the other is through.
    first, second = ([i for i, (seed, _) in enumerate(ends) if seed == s] for s in (1, 2))
    assert first[1] < second[-1] and second[1] < first[-1]
    assert {done for _, done in ends[-2:]} == {200}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "drawn", "drawn": "x" * 10**6}, "what was drawn"),
        ({"data": ["moons"]}, "data"),
        ({"steps": "many"}, "steps"),
        ({"scale": float("nan")}, "scale"),
    ],
)
def test_what_a_visitor_sends_is_bounded(settings, message):
    with pytest.raises(InvalidInput, match=message):
        stream(**settings)


def test_it_leaves_as_a_film_as_a_link_and_as_python(tmp_path, monkeypatch):
    drawn = plane.packed([(0.1 * i, 0.05 * i, i % 2) for i in range(9)])
    *_, film = stream(data="drawn", drawn=drawn, steps=4, sampler="ddpm")
    file = tab.taken(Choice(run=film["run"]))
    assert Image.open(file.path).n_frames == file.frames == 5
    flow = plane_runs.kept_flow(film["run"])
    link = dict(parse_qsl(plane_runs.query(flow)))
    numbers = {name: float(link[name]) for name in ("seed", "steps", "scale")}
    assert plane_runs.read(link | numbers) == (flow.task, flow.walk)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(film["python"], names)
    assert (names["flow"].points["learned"][-1] == flow.points["learned"][-1]).all()
    with pytest.raises(InvalidInput, match="no longer keeps this training"):
        tab.taken(Choice(run="gone"))

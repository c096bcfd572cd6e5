"""Runs for visitors: stopped, overtaken, shared, bounded."""

import copy
import gc
import json
import shutil
import threading
import time
import weakref
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest

import app
from ddpm_core import InvalidInput, Request, load
from ddpm_core.model import Config
from tests.support.toys import save_tiny_checkpoint
from ui.runs import limits, models, player_values, runs
from ui.runs.runs import Key, Studio
from ui.sharing import files, restore
from ui.tabs import sample
from ui.tabs.guidance import guidance_controls
from ui.tabs.reverse import reverse
from ui.widgets.download.download import Choice

LONG = Request(n=2, steps=400, sampler="ddpm")


@pytest.fixture(scope="module")
def studio():
    return Studio()


@pytest.fixture(scope="module")
def model(studio):
    return studio.names()[0]


@pytest.mark.parametrize(("traced", "calls"), [(False, 11), (True, 20)])
def test_the_stage_tells_the_calls_that_were_made(studio, model, traced, calls):
    """Where guidance rests, nothing is asked twice, unless what it compares is to be shown."""
    request = Request(n=1, steps=10, guidance="cfg", guidance_scale=3, t_low=500, t_high=560)
    run = studio.stream(studio.arm(("a", "sample")), Key(model, request), traced=traced)
    *_, end = run
    assert player_values.final(studio, end)["lanes"][0]["calls"] == end.calls[-1] == calls


def test_what_the_judge_reads_has_a_name_where_the_model_knows_no_classes(studio):
    key = Key("mnist-cosine", Request(n=1, label="none", steps=3))
    *_, end = studio.stream(studio.arm(("a", "sample")), key)
    (lane,) = player_values.final(studio, end)["lanes"]
    assert lane["classes"][int(lane["numbers"]["reads"][-1])] in "0123456789"


def test_stop_ends_after_a_step_and_keeps_the_film_but_not_for_the_whole(studio, model):
    key = Key(model, replace(LONG, steps=30, seed=1))
    run = studio.stream(studio.arm(("a", "sample")), key)
    for progress in run:
        if progress.steps_done > 3:
            studio.stop(("a", "sample"))
            break
    *_, end = run
    assert end.done and end.stopped
    assert 3 < end.steps_done < 30
    assert studio.kept(end.key).film.frames == end.steps_done + 1
    *_, end = studio.stream(studio.arm(("a", "sample")), key)
    assert end.steps_done == 30 and end.seconds > 0
    # A finished run is remembered; its seconds were another's.
    [remembered] = studio.stream(studio.arm(("z", "sample")), key)
    assert remembered.film is end.film
    for progress in (remembered, studio.tile(key, 1)):
        [lane] = player_values.final(studio, progress)["lanes"]
        assert lane["seconds"] is None and lane["calls"] == 30


def test_while_a_model_loads_once_for_all_who_ask_everybody_else_goes_on(model, monkeypatch):
    """The engine counts its operations, and all other runs wait for the engine too."""
    studio, loads, go_on = Studio(), [], threading.Event()

    def from_hub(name, source, device):
        loads.append(name)
        go_on.wait(60)
        fetched = copy.copy(studio.model(model))
        vars(fetched).pop("flops", None)
        return fetched

    monkeypatch.setattr(models, "from_hub", from_hub)
    monkeypatch.setattr(studio, "_hub", SimpleNamespace(cached=lambda name: name))
    results, ends = [], []

    def sample():
        key = Key(model, Request(n=1, steps=2))
        ends.extend(studio.stream(studio.arm(("else", "sample")), key))

    fetchers = [
        threading.Thread(target=lambda: results.append(studio.model("who/what")), daemon=True)
        for _ in range(5)
    ]
    other = threading.Thread(target=sample, daemon=True)
    for thread in fetchers:
        thread.start()
    while not loads:
        time.sleep(0.01)
    other.start()
    other.join(60)
    assert ends and ends[-1].done, "a run waited for another's model"
    assert results == []
    go_on.set()
    for thread in fetchers:
        thread.join(60)
    assert len(results) == 5 and len({id(fetched) for fetched in results}) == 1
    assert loads == ["who/what"] and results[0].flops > 0


def test_a_request_that_arrives_late_does_not_overtake_what_was_asked_after_it(studio):
    visitor = ("late", "sample")
    order = studio.arm(visitor, at=2000.0).order  # and has ended by now
    assert studio.arm(visitor, at=1000.0).superseded
    assert studio.arm(visitor).order > order  # what has no time of its own is let pass,
    assert studio.arm(visitor, at=1500.0).superseded  # and leaves the newest where it was
    assert not studio.arm(visitor, at=3000.0).superseded


def test_what_follows_from_a_request_never_takes_the_place_of_one(studio):
    visitor = ("follows", "guidance")
    studio.arm(visitor, at=1000.0)
    rest = studio.arm(visitor, at=1400.0, yields=True)
    assert not studio.arm(visitor, at=1200.0).superseded  # asked before it was, arrived after
    assert rest.superseded and rest.asked
    assert studio.arm(visitor, at=1100.0, yields=True).superseded
    preview = studio.arm(visitor, at=1500.0)
    preview.head_start = 5.0
    assert studio.arm(visitor, at=1600.0, yields=True).superseded and not preview.asked
    preview.through = True
    assert not studio.arm(visitor, at=1700.0, yields=True).superseded


def test_what_is_said_once_is_said_again_behind_the_last_word_of_an_overtaken_run(
    studio, model, monkeypatch
):
    # However slow the machine, a run waits until the last word of another is said.
    monkeypatch.setattr(player_values, "LAST_WORD", 60.0)
    with gr.Blocks():
        tab = sample.build(studio)
    visitor, short = SimpleNamespace(session_hash="k"), Key(model, Request(n=1, steps=3, seed=57))
    kinds = [news[tab.stage]["kind"] for news in tab.stream(visitor, short) if tab.stage in news]
    assert kinds[0] == "live" and kinds.count("film") == 1
    # Nothing is under way: once is enough.
    assert sum(tab.stage in news for news in tab.stream(visitor, short)) == 1

    old = tab.stream(visitor, Key(model, replace(LONG, seed=58)))
    next(old)
    new = tab.stream(visitor, short)
    first = next(new)
    assert first[tab.stage]["kind"] == "film" and first[tab.keep.take]["link"]
    received: list[dict] = []
    thread = threading.Thread(target=lambda: received.extend(new))
    thread.start()
    time.sleep(0.3)
    assert not any(tab.stage in news for news in received), "the older one has not ended"
    assert list(old) == []
    thread.join(60)
    assert received[-1] == first


def test_a_download_holds_the_film_of_ones_own_run(studio, model):
    key = Key(model, Request(n=1, steps=25, seed=58))
    early = studio.stream(studio.arm(("k", "sample")), key)
    next(early)
    studio.stop(("k", "sample"))
    assert studio.going(("k", "sample"))  # what is refused now must not take its end away
    *_, stopped = early
    *_, whole = studio.stream(studio.arm(("l", "sample")), key)
    for progress in (stopped, whole, stopped):
        file = files.kept(studio, "sample", Choice(panes=("x",), run=progress.id))
        assert file.frames == progress.steps_done + 1
    assert stopped.steps_done < whole.steps_done == 25
    with pytest.raises(InvalidInput, match="again"):
        files.kept(studio, "sample", Choice(run="of nobody"))


def test_films_are_kept_within_their_budget(monkeypatch, model):
    small = Studio()
    size = Request(n=2, steps=5)
    *_, one = small.stream(small.arm(("a", "x")), Key(model, size))
    monkeypatch.setattr(runs, "KEPT_BYTES", 3 * one.film.nbytes)
    ends = [
        list(small.stream(small.arm(("a", "x")), Key(model, replace(size, seed=s))))[-1]
        for s in range(5)
    ]
    assert [small.kept(end.key) is not None for end in ends] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(n=16, steps=1000, label=3, guidance="cfg"), "guided, are 32,000 denoisings"),
        (Request(n=20_000, steps=1), "n must be between 1 and 64"),
    ],
)
def test_work_is_bounded(studio, model, request_, message):
    with pytest.raises(InvalidInput, match=message):
        studio.settled(Key(model, request_))
    studio.settled(Key(model, Request(n=16, steps=1000)))


def test_a_run_that_could_not_be_kept_is_refused_and_one_too_large_to_record_runs(
    model, monkeypatch
):
    small = Studio()
    key = Key(model, Request(n=2, steps=5, label=3, guidance="cfg", guidance_scale=2))
    *_, end = small.stream(small.arm(("a", "x")), key)
    monkeypatch.setattr(runs, "KEPT_BYTES", 2 * end.film.nbytes)
    *_, unrecorded = small.stream(small.arm(("a", "x")), key, traced=True)
    assert unrecorded.finished and unrecorded.trace is None and small.kept(key)
    with pytest.raises(InvalidInput, match="keeps no states"):
        small.settled(replace(key, beside=(key.request,), branch_at=2))
    monkeypatch.setattr(runs, "KEPT_BYTES", 2**20)
    with pytest.raises(InvalidInput, match="take fewer images or steps"):
        small.settled(Key(model, Request(n=64, steps=250)))
    assert small.kept(key)


def test_a_model_that_leaves_the_memory_leaves_it_whole(monkeypatch):
    loaded = []

    def from_hub(name, *_):
        model = load("mnist-linear")
        loaded.append(weakref.ref(model))
        return model

    monkeypatch.setattr(models, "from_hub", from_hub)
    own = Studio()
    monkeypatch.setattr(own, "is_here", lambda name: True)
    keys = [Key(f"user/{i}", Request(n=2, steps=2)) for i in range(4)]
    for key in keys:
        list(own.stream(own.arm(("a", "x")), key, traced=True))
    gc.collect()
    assert sum(model() is not None for model in loaded) == models.FETCHED_KEPT
    assert all(own.kept(own.settled(key)) for key in keys[-2:])
    # Of one image the film alone is taken: the record is of all.
    assert own.tile(own.settled(keys[-1]), 1).trace is None


def test_a_network_that_holds_everybody_up_is_refused(model, studio):
    limits.check_light(studio.model(model))
    heavy = {"image_size": 256, "in_channels": 3, "channels": [512], "attention": [False]}
    config = Config(heavy, {"kind": "linear"}, "epsilon", "")
    with pytest.raises(InvalidInput, match="billion operations"):
        limits.check_light(SimpleNamespace(name="a/b", config=config))


def test_what_nobody_asked_for_is_what_the_model_can_do(tmp_path, monkeypatch):
    two = save_tiny_checkpoint(tmp_path / "two", classes=2)
    own = Studio(own=[two])
    tiny = own.model("two")  # T = 50
    for default in (
        limits.fitted(tiny, Request(n=1, steps=250, label=3)),
        guidance_controls.default_for(tiny),
    ):
        assert own.settled(Key("two", default)).request.label == 1
    monkeypatch.setattr(limits, "SMALL", 0)
    monkeypatch.setattr(limits, "MAX_STEP_FLOPS", 3.5 * tiny.flops)
    monkeypatch.setattr(limits, "MAX_WORK_FLOPS", 0.001 * tiny.flops)
    request = limits.fitted(tiny, Request(n=16, steps=40))
    assert request.n == 1 and request.work <= limits.most_work(tiny) == 20
    own.settled(Key("two", request))


def test_the_network_is_told_the_class_unless_a_classifier_alone_guides(studio):
    guided = Request(n=1, label=3, steps=2, guidance="classifier-noisy")
    for name, request, told in (
        ("mnist-conditional", Request(n=1, label=3, steps=2), True),
        ("mnist-conditional", Request(n=1, label="none", steps=2), False),
        ("mnist-conditional", guided, False),
        ("mnist-linear", guided, False),
    ):
        *_, end = studio.stream(studio.arm(("a", "sample")), Key(name, request))
        assert player_values.final(studio, end)["lanes"][0]["told"] is told


def test_no_evaluation_is_longer_than_a_step_may_be(studio, model, monkeypatch):
    """Not where guidance has two halves, or rows come together."""
    monkeypatch.setattr(limits, "SMALL", 0)
    monkeypatch.setattr(limits, "MAX_STEP_FLOPS", 3.5 * studio.model(model).flops)  # three images
    studio, sizes = Studio(), []
    unet = studio.model(model).unet
    unet.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    free = Request(n=2, steps=4, label=3, guidance="cfg", guidance_scale=2, dtype="float32")
    plain = replace(free, guidance="none", guidance_scale=None)
    for key in (Key(model, free), Key(model, plain, (replace(plain, seed=5),))):
        *_, end = studio.stream(studio.arm(("a", "sample")), key)
        assert end.finished and max(sizes) <= 3


def test_where_runs_under_way_take_all_memory_another_is_told_so(studio, model, monkeypatch):
    monkeypatch.setattr(runs, "RUNNING_BYTES", 40_000)
    first = studio.stream(studio.arm(("a", "sample")), Key(model, Request(n=2, steps=50, seed=31)))
    next(first)  # more than all of it, but nobody else runs anything
    other = Key(model, Request(n=1, steps=5, seed=32))
    with pytest.raises(InvalidInput, match="the page is full"):
        next(studio.stream(studio.arm(("b", "sample")), other))
    first.close()
    *_, end = studio.stream(studio.arm(("b", "sample")), other)
    assert end.finished


GUIDED = Request(n=2, steps=12, label=3, guidance="cfg", guidance_scale=2.0, seed=33)
SHAPES = {
    "one": (GUIDED, (), None),
    "rows": (GUIDED, (replace(GUIDED, label=4), replace(GUIDED, label=5)), None),
    "branch": (GUIDED, (replace(GUIDED, label=8),), 4),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("traced", [False, True])
def test_room_is_taken_for_all_that_a_run_allocates(model, shape, traced):
    studio, key = Studio(), Key(model, *SHAPES[shape])
    for end in studio.stream(studio.arm(("a", "guidance")), key, traced):
        reserved = studio._running
    allocated = end.nbytes
    if key.branch_at is not None:  # and its own film, before it is copied beside the other
        trunk = studio.kept(Key(model, key.request))
        allocated += trunk.nbytes + trunk.film.nbytes
        reserved -= end.film.nbytes  # of the next one that is shown, while this one still is
    assert allocated <= reserved < 1.1 * allocated
    assert studio._running == 0


def test_the_run_that_a_branch_leaves_is_shown_while_it_is_computed(model):
    studio, key, ticket = Studio(), Key(model, *SHAPES["branch"]), ("a", "guidance")
    first, *_, end = studio.stream(studio.arm(ticket), key)
    assert first.key == end.key == key
    assert (first.film.x.shape[1], end.film.x.shape[1]) == (2, 4)
    run = Studio().stream(studio.arm(ticket), key)
    next(run)
    studio.stop(ticket)
    (stopped,) = run
    assert stopped.stopped and stopped.key == key.trunk


def test_models_of_ones_own_are_offered_and_the_first_is_opened(checkpoint, tmp_path, monkeypatch):
    folder = shutil.copytree(checkpoint, tmp_path / "runs" / "mine" / "checkpoint").parent
    monkeypatch.chdir(tmp_path)
    named = Studio(own=["runs/mine", shutil.copytree(folder, tmp_path / "elsewhere")])
    assert named.names()[-2:] == ["runs/mine", "elsewhere"]  # a copied command finds the first
    assert restore.first(named) == "runs/mine" != restore.first(named, "guidance")
    *_, end = named.stream(named.arm(("a", "sample")), Key("runs/mine", Request(n=1, steps=2)))
    assert end.done and named.model("runs/mine").name == "runs/mine"
    # A file of the copied command calls the model by its folder alone.
    made = json.dumps({"model": "mine", "n": 1, "label": "none", "steps": 2})
    with gr.Blocks():
        single, views, _ = reverse.build(named)
    places = {"reverse": single, "reverse schedules": views["schedules"]}
    arrivals = restore.Arrivals(named, places)
    assert arrivals.by_note(made, 1).run.model == "runs/mine"
    race = {"model": "mine", "against": "mine", "race": "schedules", "steps": 2}
    assert arrivals.by_note(json.dumps(race), 1).run.against == "runs/mine"
    with pytest.raises(InvalidInput, match="'elsewhere' already"):
        Studio(own=[tmp_path / "elsewhere", tmp_path / "elsewhere"])
    with pytest.raises(SystemExit, match="error: no checkpoint 'nowhere'"):
        app.launch(["nowhere", "--no-browser"])

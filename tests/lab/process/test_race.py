"""Races: lanes equal to the runs that they are, and one timeline through all of them."""

import numpy as np
import pytest
import torch

from ddpm_core import checkpoints
from ddpm_core.data import to_pictures
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request
from ddpm_core.samplers import SAMPLERS
from ddpm_core.sampling import Run
from lab.__main__ import main
from lab.process.race import ERRORS, LANE_PANES, Race, broken, samplers, schedules

STEPS = {"n": 2, "sampler": "ddpm", "label": "none", "dtype": "float32"}


def ask(**changes) -> Request:
    return Request(**STEPS | {"steps": 12} | changes)


def test_the_command_refuses_what_a_race_sets_itself(capsys, tmp_path):
    for words in ("samplers --steps 4", "samplers --eta 1", "break --no-clip"):
        assert main(["race", *words.split(), "--out", str(tmp_path / "race.gif")]) == 2
        assert "itself" in capsys.readouterr().err


def run_to_end(race: Race) -> Race:
    for _ in race.steps():
        pass
    return race


def test_every_lane_is_the_run_that_it_names(plain):
    race = samplers(plain, ask(), few=(3, 5))
    for lane in race.steps():  # the one furthest behind goes first
        others = [other for other in race.lanes if other is not lane and not other.finished]
        assert all(lane.t[-2] >= other.t[-1] for other in others)
    assert [lane.name for lane in race.lanes][:2] == ["DDPM 50", "DDIM 3"]
    assert [lane.calls for lane in race.lanes][:3] == [50, 3, 5]
    for lane in race.lanes:
        run = Run(plain, lane.request)
        steps = list(run.steps())
        assert lane.t == [50, *(step.t_next + 1 for step in steps)]
        np.testing.assert_array_equal(lane.x[0], to_pictures(run.start))
        before = run.start
        for i, step in enumerate(steps, 1):
            np.testing.assert_array_equal(lane.x[i], to_pictures(step.x))
            np.testing.assert_array_equal(lane.x0[i], to_pictures(step.x0))
            np.testing.assert_array_equal(lane.eps[i], to_pictures(step.eps))
            change = step.x - before
            size = float(change.double().pow(2).mean().sqrt())
            assert lane.numbers["change"][i] == pytest.approx(size, rel=1e-6)
            np.testing.assert_array_equal(lane.change[i], to_pictures(change / (2 * size)))
            norm = float(torch.linalg.vector_norm(step.x.double())) / step.x.numel() ** 0.5
            assert lane.numbers["norm"][i] == pytest.approx(norm, rel=1e-6)
            before = step.x
        assert lane.seconds > 0 and lane.finished
        times, table = np.array(lane.t[:-1]) - 1, plain.schedule
        np.testing.assert_array_equal(lane.numbers["beta"], [*table.betas[times], np.nan])
        np.testing.assert_array_equal(lane.numbers["abar"], [*table.alphas_cumprod[times], 1])
        np.testing.assert_array_equal(lane.log_snr, [*table.log_snr[times], np.inf])


def test_at_every_moment_each_lane_shows_its_last_frame_that_is_not_beyond(plain):
    race = run_to_end(samplers(plain, ask(), few=(3, 7)))
    assert race.moments() == list(range(50, -1, -1))
    for moment in race.moments():
        for lane, frame in zip(race.lanes, race.frames_at(moment), strict=True):
            assert lane.t[frame] >= moment
            assert frame + 1 == lane.frames or lane.t[frame + 1] < moment


def test_pictures_show_every_lane_at_every_step(plain):
    race = run_to_end(schedules(plain, plain, ask(n=1)))
    pictures = list(race.pictures(("x", "change"), scale=2))
    assert len(pictures) == 13
    windows = np.lib.stride_tricks.sliding_window_view(pictures[5][..., 0], (16, 16))
    expected = race.lanes[1].x[5, 0, ..., 0].repeat(2, 0).repeat(2, 1)
    assert (windows == expected).all((2, 3)).sum() == 2  # both lanes are of one model
    strided = race.pictures(stride=5)  # a sequence: a coloured GIF need not gather it
    assert len(strided) == 4 == len(list(strided))  # 0, 5, 10 and the last
    np.testing.assert_array_equal(strided[-1], race.pictures()[12])


def test_an_error_leaves_the_first_lane_as_it_is_and_changes_the_second(plain):
    *_, last = Run(plain, ask()).steps()
    for error in ("no-clip", "missing-root"):
        race = run_to_end(broken(plain, ask(), error))
        np.testing.assert_array_equal(race.lanes[0].x[-1], to_pictures(last.x))
        assert (race.lanes[1].numbers["norm"] != race.lanes[0].numbers["norm"]).any(), error
    assert race.lanes[1].name == "missing-root" and "no-clip" in ERRORS


def test_a_lane_that_runs_out_of_range_ends_alone(plain, monkeypatch):
    race = schedules(plain, plain, ask())

    def fail(*_):
        yield from ()
        raise InvalidInput("the numbers ran out of range at t = 3")

    race.lanes[1]._steps = fail()
    run_to_end(race)
    assert race.lanes[0].finished and race.lanes[1].frames == 1
    assert "out of range" in race.lanes[1].failed and race.finished


def test_a_sampler_more_races_too(plain, monkeypatch):
    monkeypatch.setitem(SAMPLERS, "another", SAMPLERS["heun"])
    assert len(samplers(plain, ask()).lanes) == 1 + 3 * (len(SAMPLERS) - 1)


def test_memory_is_told_and_bounded(plain):
    lane = run_to_end(schedules(plain, plain, ask())).lanes[0]
    assert lane.nbytes == sum(getattr(lane, pane).nbytes for pane in LANE_PANES)
    with pytest.raises(InvalidInput, match="MiB"):
        schedules(plain, plain, ask(n=50_000, steps=50))
    # Each lane would fit alone; together they do not.
    with pytest.raises(InvalidInput, match="these lanes take 623 MiB"):
        Race([(plain, ask(n=10_000, steps=50), str(i)) for i in range(5)])
    with pytest.raises(InvalidInput, match="one size"):
        schedules(plain, checkpoints.load("mnist-linear"), ask())

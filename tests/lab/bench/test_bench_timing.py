"""The arithmetic of a comparison: turns, medians, a machine that drifts or is busy."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import torch

from lab.bench import machine
from lab.bench.machine import Rates, steadily
from lab.bench.timing import Spread, interleaved, ratio


class Clock:
    """A clock that only work moves on, and a machine that slows down all the while."""

    def __init__(self, drift=0.0):
        self.now, self.drift, self.order = 0.0, drift, []

    def worker(self, name, seconds):
        def work():
            self.order.append(name)
            self.now += seconds * (1 + self.drift * self.now)

        return work


def test_turns_are_interleaved_and_turned_round():
    clock = Clock()
    subjects = {name: clock.worker(name, 1.0) for name in "ABC"}
    times = interleaved(subjects, 6, warmup=0, clock=lambda: clock.now)
    assert "".join(clock.order) == "ABCCBABCAACBCABBAC"  # each follows itself once
    assert times == {name: [1.0] * 6 for name in "ABC"}


def test_warming_up_is_not_counted():
    clock = Clock()
    times = interleaved({"A": clock.worker("A", 1.0)}, 3, warmup=2, clock=lambda: clock.now)
    assert len(clock.order) == 5
    assert len(times["A"]) == 3


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    times = {"slow": [2.0, 30.0, 4.0, 3.0], "fast": [1.0, 10.0, 1.0, 2.0]}
    # 2, 3, 4, 1.5: not the ratio of the medians, 3.5 / 1.5.
    assert ratio(times, "slow", "fast") == Spread(2.5, 1.875, 3.25)


def test_a_drifting_machine_favours_nobody():
    clock = Clock(drift=0.001)
    subjects = {"slow": clock.worker("slow", 3.0), "fast": clock.worker("fast", 1.5)}
    times = interleaved(subjects, 20, warmup=0, clock=lambda: clock.now)
    assert times["fast"][-1] > 1.05 * times["fast"][0]
    assert ratio(times, "slow", "fast").median == pytest.approx(2, rel=1e-3)


def test_a_table_is_measured_anew_while_the_machine_is_unsteady():
    looks = iter([100, 80, 100, 95])
    found, mean, note = steadily(iter("ab").__next__, 3, lambda: Rates(next(looks), 200.0))
    assert (found, mean, note) == ("b", Rates(97.5, 200.0), "")


def test_an_unsteady_machine_is_told_of():
    looks = iter([100, 80, 100, 80])
    found, _, note = steadily(iter("ab").__next__, 2, lambda: Rates(200.0, next(looks)))
    assert found == "b"
    assert note == "NOT TO BE USED: the machine's own rate drifted by 25%"


@pytest.mark.parametrize(("load", "warned"), [(0.1, False), (2.0, True), (None, False)])
def test_a_busy_machine_is_told_of(monkeypatch, load, warned):
    monkeypatch.setattr(machine, "load", lambda: load)
    lines = machine.heading()
    assert "1 thread(s)" in lines[0]
    assert any("in use besides" in line for line in lines)
    assert any("WARNING" in line for line in lines) == warned


def test_load_is_that_of_others_at_this_moment():
    idle = machine.load(0.3)
    words = "import time; end = time.time() + 30\nwhile time.time() < end: pass"
    busy = subprocess.Popen([sys.executable, "-c", words])
    try:
        time.sleep(0.5)
        assert machine.load(0.5) > min(idle, torch.multiprocessing.cpu_count() - 1) - 0.2
        assert machine.load(0.5) > 0.5
    finally:
        busy.kill()
        busy.wait()


def test_the_ceiling_is_a_rate():
    assert 0.01 < machine.gemm_rate(torch.float32, (64, 64, 64), seconds=0.01) < 1e5

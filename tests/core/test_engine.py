"""The engine: one thread computes, in order, and OpenMP keeps one team."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import torch

from ddpm_core import InvalidInput
from ddpm_core.engine import Engine, shared_engine


def test_all_work_is_done_on_one_thread_whoever_asks():
    engine, seen = Engine(1), []
    threads = [
        threading.Thread(target=lambda: seen.append(engine.do(threading.get_ident)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4 and len(set(seen)) == 1
    assert seen[0] != threading.get_ident()


def test_work_is_done_in_order_of_arrival():
    engine, order, gate = Engine(1), [], threading.Event()
    first = threading.Thread(target=engine.do, args=(gate.wait,))
    first.start()
    later = [threading.Thread(target=engine.do, args=(order.append, i)) for i in range(5)]
    for i, thread in enumerate(later, start=1):
        thread.start()
        while engine._pool._work_queue.qsize() < i:
            time.sleep(0.001)
    gate.set()
    for thread in [first, *later]:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_what_goes_wrong_reaches_the_one_who_asked():
    engine = Engine(1)
    with pytest.raises(ZeroDivisionError):
        engine.do(lambda: 1 / 0)
    assert engine.do(lambda: 1) == 1


def test_work_may_ask_for_more_work():
    engine = Engine(1)
    assert engine.do(lambda: engine.do(lambda: 7)) == 7


def test_there_is_one_in_a_process():
    assert shared_engine() is shared_engine()


def test_the_number_of_threads_is_checked():
    with pytest.raises(InvalidInput, match="threads must be between"):
        Engine(0)


SWITCHES = """
import resource, threading, torch
from ddpm_core.engine import Engine
engine = Engine(2)
x, weights = torch.randn(2, 16, 28, 28), torch.randn(16, 16, 3, 3)

def work():
    for _ in range(300):
        torch.nn.functional.conv2d(x, weights, padding=1)

def serve():
    big = torch.randn(2**20)
    big.exp_()  # alone, this thread would have a team for it
    engine.do(work)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    engine.do(work)
    print(torch.get_num_threads(), engine.do(torch.get_num_threads),
          resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before)

for _ in range(2):
    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts as Linux does")
def test_no_other_thread_of_the_process_has_a_team():
    told = subprocess.run(
        [sys.executable, "-c", SWITCHES], capture_output=True, text=True, check=True
    ).stdout.split()
    assert told[0::3] == ["1", "1"] and told[1::3] == ["2", "2"]
    # A team that has to share its cores with another sleeps after each of its 300 operations.
    assert all(int(switches) < 150 for switches in told[2::3]), told


def test_it_computes_what_its_caller_would():
    x, weights = torch.randn(2, 4, 9, 9), torch.randn(4, 4, 3, 3)
    here = torch.nn.functional.conv2d(x, weights)
    there = Engine(1).do(torch.nn.functional.conv2d, x, weights)
    assert torch.equal(here, there)

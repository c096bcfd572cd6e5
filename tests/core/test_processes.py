"""Two processes, as ``torchrun`` starts them, against one."""

import os
import signal
import socket
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from ddpm_core import checkpoints
from lab.__main__ import main
from lab.measure import results
from tests.support.tiny_run import assert_identical, state_of

TRAIN = "train --channels 4 8 --blocks 1 --conditional --flip --no-bf16 --batch-size 21 --lr 2e-3"
pytestmark = pytest.mark.usefixtures("no_sample_grids")


def start_processes(command: list, count: int, folder: Path) -> list:
    """Start a command of ``lab`` in ``count`` processes that know of each other, as under
    ``torchrun``; each writes to files of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    env = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}

    def work(rank: int) -> None:
        os.environ.update(env, RANK=str(rank), LOCAL_RANK=str(rank))
        for name in ("stdout", "stderr"):
            setattr(sys, name, (folder / f"{name}-{rank}").open("w", buffering=1))
        status = main([str(word) for word in command])
        if dist.is_initialized():
            dist.destroy_process_group()
        os._exit(status)

    # Forked: libraries are imported already.
    processes = [get_context("fork").Process(target=work, args=(rank,)) for rank in range(count)]
    for process in processes:
        process.start()
    return processes


def exit_codes(processes: list) -> list[int]:
    """Their exit codes."""
    try:
        for process in processes:
            process.join(150)
        return [process.exitcode for process in processes]
    finally:
        for process in processes:
            process.kill()


def outputs(command: list, count: int, folder: Path) -> list[str]:
    """What each process printed."""
    folder.mkdir(exist_ok=True)
    codes = exit_codes(start_processes(command, count, folder))
    errors = [path.read_text() for path in folder.glob("stderr-*")]
    assert codes == [0] * count, errors
    return [(folder / f"stdout-{rank}").read_text() for rank in range(count)]


def command(root, folder, *more) -> list:
    return [*TRAIN.split(), "--data-root", root, "--out", folder / "run", *more]


def state_after(root, folder, count, epochs) -> dict:
    """The state of a run of the command in ``count`` processes; only the first prints."""
    first, *others = outputs(command(root, folder, "--epochs", epochs), count, folder)
    assert "the model:" in first and others == [""] * (count - 1)
    return state_of(folder / "run")


def test_two_processes_train_as_one_does_and_resume_exactly(mnist_root, tmp_path):
    one, two = (state_after(mnist_root, tmp_path / f"{n}", n, 0.1) for n in (1, 2))
    assert one["step"] == two["step"] == 5
    # Where a gradient is nothing but rounding, Adam makes a step of it all the same: weights that
    # act on nothing differ, gradients and predictions do not.
    for a, b in zip(*(state["optimizer"]["state"].values() for state in (one, two)), strict=True):
        torch.testing.assert_close(a["exp_avg"], b["exp_avg"], rtol=1e-4, atol=1e-6)
    models = [checkpoints.load(tmp_path / n / "run" / "checkpoint") for n in "12"]
    x, t, labels = torch.randn(8, *models[0].shape), torch.arange(8) * 120, torch.arange(8)
    with torch.no_grad():
        a, b = (model.unet(x, t, labels) for model in models)
    torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
    record = models[1].training
    assert record["hardware"].endswith(", each of 2 processes")
    assert (record["steps"], record["images"]) == (5, 5 * 21)

    assert state_after(mnist_root, tmp_path / "stopped", 2, 0.05)["step"] == 2
    resumed = state_after(mnist_root, tmp_path / "stopped", 2, 0.1)
    for part in ("model", "ema", "optimizer"):
        assert_identical(resumed[part], two[part])


@pytest.mark.parametrize("times", [1, 2])
def test_when_one_is_interrupted_all_stop_after_the_same_step(mnist_root, tmp_path, times):
    """Once, or twice in a moment, as by a Ctrl-C that ``torchrun`` hands on. None ends before the
    first has saved: ``torchrun`` kills the others when one ends."""
    processes = start_processes(command(mnist_root, tmp_path, "--epochs", 1000), 2, tmp_path)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.3)
    for _ in range(times):
        os.kill(processes[1].pid, signal.SIGINT)
        time.sleep(0.005)
    processes[1].join(150)
    steps = state_of(tmp_path / "run")["step"]
    assert checkpoints.load(tmp_path / "run" / "checkpoint").training["steps"] == steps > 0
    assert exit_codes(processes) == [130, 130]


def test_an_error_names_the_process_that_met_it(mnist_root, tmp_path):
    arguments = command(mnist_root, tmp_path, "--batch-size", 1)
    assert exit_codes(start_processes(arguments, 2, tmp_path)) == [2, 2]
    first, second = ((tmp_path / f"stderr-{rank}").read_text() for rank in (0, 1))
    assert "error: batch_size must be between 2 and" in first
    assert "error in process 1: batch_size must be between 2 and" in second


@pytest.mark.parametrize(
    ("mode", "figure"),
    [
        ("--steps 2 --n 300", None),
        ("--bound --timesteps 5 --n 20", "bits"),
        ("--bound --timesteps 5 --n 1", "bits"),
        ("--recognise --rounds 2 --n 20", "accuracy"),
    ],
)
def test_two_processes_share_the_images_of_a_measurement(
    checkpoint, mnist_root, tmp_path, classifiers, mode, figure
):
    arguments = ["evaluate", "--model", checkpoint, "--data-root", mnist_root, *mode.split()]
    measured = []
    for count in (1, 2):
        folder = tmp_path / f"{count}"
        first, *others = outputs([*arguments, "--cache", folder], count, folder)
        assert first and others == [""] * (count - 1)
        measured.append(results.read_file(next(folder.rglob("results/*.json"))))
    one, two = measured
    assert one["protocol"] == two["protocol"]
    if figure:
        assert one[figure] == pytest.approx(two[figure])
        return
    one, two = (sorted((tmp_path / count).rglob("*.npy")) for count in "12")
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(np.load(a), np.load(b))
    assert len(one) == 2

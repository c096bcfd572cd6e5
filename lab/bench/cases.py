"""What is timed. As a script: times the cases that are named on its standard input.

``compare.checkout`` runs the script once for each of two checkouts, with the folder of the checkout
on the path. So it imports nothing of ``lab``, and of ``ddpm_core`` only what older checkouts have.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

import ddpm_core
from ddpm_core import Request, Run, load

MODELS = {"grey": "mnist-conditional", "colour": "cifar10-conditional"}
CLASSES = 10
KINDS = ("sampling", "training")


class Case(NamedTuple):
    """What is timed: a step of sampling, or a step of training."""

    what: str  # of ``KINDS``
    shape: str  # a key of ``MODELS``
    n: int  # images in a batch
    dtype: str  # or "auto", the default of sampling; training in bfloat16 is autocast


def chosen(quick: bool, kinds: Sequence[str]) -> list[Case]:
    """The cases of ``kinds`` to time; if ``quick``, few and small ones."""
    cases = []
    for shape in ("grey",) if quick else MODELS:
        batches, to_learn = ((1, 16), 32) if quick else ((1, 16, 64), 128)
        cases += [Case("sampling", shape, n, d) for n in batches for d in ("float32", "auto")]
        cases += [Case("training", shape, to_learn, d) for d in ("float32", "bfloat16")]
    return [case for case in cases if case.what in kinds]


@contextmanager
def opened(case: Case) -> Iterator[Callable[[], float]]:
    """Prepare a case. Each call of the result is a turn and returns the seconds of one step."""
    if case.what == "training":
        with opened_trainer(case.shape, case.n, case.dtype == "bfloat16") as trainer:
            yield lambda: seconds(trainer._train_step)
        return
    run = Run(load(MODELS[case.shape], device="cpu"), Request(n=case.n, dtype=case.dtype))
    start = run.start
    yield lambda: seconds(lambda: list(run.steps(start))) / len(run.timesteps)


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def opened_trainer(shape: str, batch: int, bf16: bool) -> Iterator:
    """The trainer of a shipped model's network by plain Adam, on random pictures of its size."""
    from ddpm_core.recipes import RECIPES
    from ddpm_core.trainer import Trainer

    channels, *size = load(MODELS[shape], device="cpu").shape
    plain = {"optimizer": "adam", "stable_from": None, "epochs": 1000}
    recipe = replace(RECIPES[MODELS[shape]], dataset="pictures", batch_size=batch, **plain)
    with tempfile.TemporaryDirectory() as folder:
        # A tenth is held out: twice a batch leaves enough.
        for number in range(-(-2 * batch // CLASSES) * CLASSES):
            path = Path(folder) / "pictures" / str(number % CLASSES) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = torch.randint(0, 256, (*size, channels), dtype=torch.uint8)
            Image.fromarray(pixels.squeeze(-1).numpy()).save(path)
        options = {"data_root": folder, "device": "cpu", "bf16": bf16, "quiet": True}
        yield Trainer(recipe, Path(folder) / "run", **options)


def main() -> None:
    """Say which ``ddpm_core`` this is, then answer each case with the seconds of a turn."""
    from ddpm_core.hardware import keep_memory

    keep_memory()  # as every command does
    torch.set_num_threads(int(sys.argv[1]))
    answers, sys.stdout = sys.stdout, sys.stderr  # anything else that is printed is no answer
    print(Path(ddpm_core.__file__).parent, file=answers, flush=True)
    last = None
    with ExitStack() as stack:
        for line in sys.stdin:
            case = Case(*json.loads(line))
            if case != last:
                stack.close()
                turn, last = stack.enter_context(opened(case)), case
            print(turn(), file=answers, flush=True)


if __name__ == "__main__":
    main()

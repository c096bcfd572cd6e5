"""Two sides take turns; what counts is the ratio of two turns of one round.

Absolute times drift by a tenth from run to run. A ratio within a round hardly changes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ddpm_core.errors import InvalidInput

from . import cases
from .cases import Case


def interleaved(turns: Sequence[Callable[[], float]], rounds: int) -> list[list[float]]:
    """Let all take turns, A B, B A, A B, ..., so that a slow drift favours nobody.

    One turn each beforehand is not counted.

    Returns:
        For each side the results of its turns, one a round.
    """
    for turn in turns:
        turn()
    results = [[] for _ in turns]
    for number in range(rounds):
        order = range(len(turns))
        for side in reversed(order) if number % 2 else order:
            results[side].append(turns[side]())
    return results


def ratio(this: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """How many times as long the other takes, round by round: the median and the quartiles."""
    ratios = [b / a for a, b in zip(this, other, strict=True)]
    low, median, high = np.percentile(ratios, [25, 50, 75]).tolist()
    return median, low, high


@contextmanager
def checkout(folder: Path) -> Iterator[Callable]:
    """``cases.opened`` of another checkout of this project, in a process of its own.

    Raises:
        InvalidInput: if ``folder`` has no ``ddpm_core``, or its process fails.
    """
    package = folder.resolve() / "ddpm_core"
    if not package.is_dir():
        raise InvalidInput(f"{folder} is no checkout of this project: it has no ddpm_core")
    path = os.pathsep.join(filter(None, [str(package.parent), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, cases.__file__, str(torch.get_num_threads())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, **pipes) as process:

        def turn(case: Case) -> float:
            print(json.dumps(case), file=process.stdin, flush=True)
            answer = process.stdout.readline()
            if not answer:
                raise InvalidInput(f"{folder} cannot do {' '.join(map(str, case))}: see above")
            return float(answer)

        if Path(process.stdout.readline().strip()) != package:
            raise InvalidInput(f"{package} cannot be imported: see above")
        yield lambda case: nullcontext(partial(turn, case))

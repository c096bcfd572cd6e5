"""The report made again: Tables 1 and 2 and Figures 2 to 8, by this project's models; and what it
leaves open: what its errors cost, what its own measure says, FID over the number of steps.

Each part stands for itself: if it lacks a checkpoint or data, it says so, and the others go on.
A run that was stopped goes on where it was: ``shards`` keeps the samples, and figures lie beside
the page. The page is written after every part.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ddpm_core import checkpoints
from ddpm_core.errors import InvalidInput, check_choice
from ddpm_core.files import write
from ddpm_core.hardware import describe

from ..progress import Progress
from . import figures, gaps, page, parts
from .measurements import Stored
from .parts import Part, Settings, sentence
from .tables import MODELS, TABLES

# Each yields ``Progress``, then its ``Part``.
PARTS = {
    name: partial(gaps.table if name in TABLES else figures.samples, name=name)
    for name in parts.REPORT
} | {"figure-2": figures.curves, "figure-3": figures.schedules}


@dataclass(frozen=True)
class Report:
    """The parts in order, and the page, ``index.html``, which holds their pictures."""

    parts: tuple[Part, ...]
    page: Path


def reproduce(settings: Settings) -> Iterator[Progress | Report]:
    """Make the report again: yields ``Progress``, and last the ``Report``."""
    names = settings.parts or tuple(PARTS)
    for name in names:
        check_choice("part of the report", name, PARTS)
    settings.out.mkdir(parents=True, exist_ok=True)
    path, started, done = settings.out / "index.html", time.monotonic(), []
    for name in names:
        for part in _part_or_reason(name, PARTS[name](settings)):
            if isinstance(part, Progress):
                yield replace(part, what=f"{name}: {part.what}")
        done.append(part)
        minutes, seconds = divmod(round(time.monotonic() - started), 60)
        took = f"{minutes} min {seconds} s on {describe('cpu')}"
        write(path, page.page(done, settings.out, not settings.budget.measure, took))
    yield Report(tuple(done), path)


def stored(home: Path | None = None) -> str:
    """The page of every table and every training, from what is stored with the checkpoints;
    nothing is sampled or measured for it."""
    results, trained = Stored(home), set(checkpoints.available(home))
    making = {name: gaps.as_stored(results, name) for name in TABLES}
    making |= {f"training-{m}": figures.training(home, m) for m in MODELS if m in trained}
    done = [part for name, steps in making.items() for part in _part_or_reason(name, steps)]
    return page.page(done, parts.OUT)


def _part_or_reason(name: str, steps: Iterator[Progress | Part]) -> Iterator[Progress | Part]:
    """The steps of a part; if it cannot be made, the last one is a part that says why."""
    try:
        yield from steps
    except InvalidInput as error:
        yield parts.part(name, notes=(sentence(error),))

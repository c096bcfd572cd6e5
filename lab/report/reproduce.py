"""The report made again: Tables 1 and 2 and Figures 2 to 8, by this project's models; and what it
leaves open: what its errors cost, what its own measure says, FID over the number of steps.

Each part stands for itself: what it lacks (a checkpoint, the data) it says, and the others go on.
A run that was stopped goes on where it was: samples are kept as ``shards`` keeps them, figures
beside the page or, if asked for, with their checkpoint. The page is written after every part.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from ddpm_core.errors import check_choice
from ddpm_core.files import write
from ddpm_core.hardware import describe

from ..progress import Progress
from . import figures, gaps, page, parts
from .parts import Part, Settings

OWN = {"figure-2": figures.curves, "figure-3": figures.schedules}
NAMES = (
    *("figure-2", "table-1", "figure-3", "figure-4", "table-2"),
    *(f"figure-{n}" for n in (5, 6, 7, 8)),
    *("costs", "own-way", "few-steps", "few-steps-cifar10"),
)
# Each yields ``Progress`` and returns its ``Part``.
PARTS = {
    name: OWN.get(name)
    or partial(gaps.table if name in parts.TABLES else figures.samples, name=name)
    for name in NAMES
}


@dataclass(frozen=True)
class Report:
    """The whole of it.

    Attributes:
        parts: in order.
        page: ``index.html``, which holds its pictures; ``report.json`` with all figures lies
            beside it.
        seconds: what it took, without what lay ready on disk.
        hardware: that it took them on.
    """

    parts: tuple[Part, ...]
    page: Path
    seconds: float
    hardware: str


def reproduce(settings: Settings | None = None) -> Iterator[Progress | Part | Report]:
    """Make the report again.

    Yields:
        ``Progress`` after every step, each ``Part`` when it is done, and last the ``Report``.
    """
    settings = settings or Settings()
    names = settings.parts or tuple(PARTS)
    for name in names:
        check_choice("part of the report", name, PARTS)
    settings.out.mkdir(parents=True, exist_ok=True)
    started, made = time.monotonic(), []
    for place, name in enumerate(names):
        part = yield from _named(name, PARTS[name](settings))
        made.append(part)
        seconds = time.monotonic() - started
        found = Report(tuple(made), settings.out / "index.html", seconds, describe("cpu"))
        _write(settings, found, names[place + 1 :])
        yield part
    yield found


def _write(settings: Settings, found: Report, ahead: tuple[str, ...]) -> None:
    budget = settings.budget
    told = {
        "quick": budget.fresh is not None,
        "seconds": round(found.seconds, 1),
        "hardware": found.hardware,
        "ahead": list(ahead),
    }
    write(found.page, page.page(found.parts, settings.out, told))
    about = told | {
        "budget": asdict(budget) | {"walk": dict(budget.walk), "ancestral": dict(budget.ancestral)},
        "parts": [part.as_json() for part in found.parts],
    }
    write(settings.out / "report.json", json.dumps(about, indent=1, ensure_ascii=False) + "\n")


def _named(name: str, steps: Iterable):
    """Its progress under its name; returns what it returns."""
    steps = iter(steps)
    while True:
        try:
            it = next(steps)
        except StopIteration as end:
            return end.value
        yield replace(it, what=f"{name}: {it.what}")

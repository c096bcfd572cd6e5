"""The report made again: Tables 1 and 2 and Figures 2 to 8, by this project's models; and what it
leaves open: what its errors cost, what its own measure says, FID over the number of steps.

Each part stands for itself: if it lacks a checkpoint or data, it says so, and the others go on.
A run that was stopped goes on where it was: ``shards`` keeps the samples, and figures lie beside
the page. The page is written after every part.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ddpm_core import checkpoints
from ddpm_core.card import JUDGE_DISTANCE
from ddpm_core.errors import DataError, InvalidInput, check_choice
from ddpm_core.files import write
from ddpm_core.hardware import describe

from ..measure import results
from ..measure.as_reported import MINIBATCH, NET
from ..measure.evaluation import measure_fid
from ..progress import Progress, passed
from . import figures, page, parts
from .measurements import Measurement, Stored
from .parts import Part, Settings, sentence
from .tables import MODELS, TABLES, Table

JUDGED = (
    "Ours: judge distances of samples to all images of the split. "
    f"{JUDGE_DISTANCE} The features are its penultimate layer's. ± is a standard error, by the "
    "jackknife; the floor is what as many real images of the other split get."
)
OWN_WAY = (
    "Ours: samples against as many images of the test set, in minibatches of "
    f"{MINIBATCH}, by the logits of {NET}. ± is a standard error between them; the floor is what "
    "as many training images get."
)
# The words about a table's figures, for tables whose figures are no judge distances.
OTHERS = {"own-way": OWN_WAY, "beside": "", "guidance": ""}


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
    if not page.FINDINGS.is_file():
        raise InvalidInput("the report is made in the folder of the repository: its docs are read")
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
    measured, trained = Stored(home), set(checkpoints.available(home))
    making = {name: _as_stored(measured, name) for name in TABLES}
    making |= {f"training-{m}": figures.training(home, m) for m in MODELS if m in trained}
    done = [part for name, steps in making.items() for part in _part_or_reason(name, steps)]
    return page.page(done, parts.OUT)


def _part_or_reason(name: str, steps: Iterator[Progress | Part]) -> Iterator[Progress | Part]:
    """The steps of a part; if it cannot be made, the last one is a part that says why."""
    try:
        yield from steps
    except InvalidInput as error:
        yield parts.part(name, notes=(sentence(error),))


def _table(settings: Settings, name: str) -> Iterator[Progress | Part]:
    """A table of ``TABLES``: yields ``Progress``, then its ``Part``."""
    stored = TABLES[name](settings.home)
    notes: dict[str, None] = {}  # in order, each once
    rows = []
    for row in stored.rows:
        cells = []
        for cell in row.measured:
            if cell and cell.result is None:
                cell = yield from _with_result(settings, cell, notes)
            cells.append(cell)
        rows.append(replace(row, measured=tuple(cells)))
    yield _part(name, replace(stored, rows=tuple(rows)), notes)


def _as_stored(stored: Stored, name: str) -> Iterator[Part]:
    """A table of ``TABLES`` with what is stored of it: yields its ``Part``."""
    yield _part(name, TABLES[name](stored))


def _part(name: str, table: Table, notes: Iterable[str] = ()) -> Part:
    caption = f"{table.about} {OTHERS.get(name, JUDGED)}"
    return parts.part(name, caption=caption, table=table, notes=tuple(notes))


def _with_result(settings: Settings, cell: Measurement, notes: dict[str, None]):
    """The cell with its result, measured before for the page, or now; without one if that fails.
    The reason goes into ``notes``; data that are missing are asked for once."""
    folder = settings.out / "measured" / cell.model
    missing = f"No data of {cell.model.partition('-')[0]}"
    options = {"reference": cell.reference, "as_reported": cell.own_way, "root": settings.root}
    options |= {"home": settings.cache, "batch": settings.batch}
    try:
        model = checkpoints.load(cell.model, settings.home, device=settings.device)
        # Results beside the page may be older than the checkpoint, or than its judge.
        checkpoint = checkpoints.find(cell.model, settings.home)
        result = next(filter(cell.matches, results.current(folder, of=checkpoint)), None)
        data_missing = any(note.startswith(missing) for note in notes)
        if result is None and settings.budget.measure and not data_missing:
            result = yield from passed(measure_fid(model, cell.request, **options))
            results.save(folder, result)
        return replace(cell, result=result)
    except DataError as error:
        notes[f"{missing}: {sentence(error)}"] = None
    except InvalidInput as error:
        notes[sentence(error)] = None
    return cell


# Each yields ``Progress``, then its ``Part``.
PARTS = {
    name: partial(_table if name in TABLES else figures.samples, name=name) for name in parts.REPORT
} | {"figure-2": figures.curves, "figure-3": figures.schedules}

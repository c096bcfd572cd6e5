"""The report's tables, made again: missing figures are measured, or a note says what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ddpm_core import checkpoints
from ddpm_core.card import JUDGE_DISTANCE
from ddpm_core.errors import DataError, InvalidInput

from ..measure import results
from ..measure.as_reported import MINIBATCH, NET
from ..measure.evaluation import measure_fid
from ..progress import Progress, passed
from . import parts, tables
from .measurements import Measurement, Stored
from .parts import Part, Settings, sentence
from .tables import Table

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


def table(settings: Settings, name: str) -> Iterator[Progress | Part]:
    """A table of ``tables.TABLES``: yields ``Progress``, then its ``Part``."""
    stored = tables.TABLES[name](settings.home)
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


def as_stored(stored: Stored, name: str) -> Iterator[Part]:
    """A table of ``tables.TABLES`` with what is stored of it: yields its ``Part``."""
    yield _part(name, tables.TABLES[name](stored))


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

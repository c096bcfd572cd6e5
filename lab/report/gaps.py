"""The report's tables, made again: what they lack is measured, or said to be missing."""

from __future__ import annotations

from collections.abc import Iterator
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
from .parts import NEEDS, Part, Settings, sentence
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
# What is said of the figures of a table, where they are no judge distances.
OTHERS = {"own-way": OWN_WAY, "beside": "", "guidance": ""}


def table(settings: Settings, name: str) -> Iterator[Progress | Part]:
    """A table of ``tables.TABLES``: yields ``Progress``, then its ``Part``."""
    made = tables.TABLES[name](settings.home)
    notes: dict[str, None] = {}  # in order, each once
    rows = []
    for row in made.rows:
        cells = []
        for wanted in row.measured:
            if wanted and wanted.result is None:
                wanted = yield from _had(settings, wanted, notes)
            cells.append(wanted)
        rows.append(replace(row, measured=tuple(cells)))
    yield replace(_part(replace(made, rows=tuple(rows))), notes=tuple(notes))


def as_stored(stored: Stored, name: str) -> Iterator[Part]:
    """A table of ``tables.TABLES`` with what is stored of it: yields its ``Part``."""
    yield _part(tables.TABLES[name](stored))


def _part(table: Table) -> Part:
    caption = f"{table.about} {OTHERS.get(table.name, JUDGED)}"
    return parts.part(table.name, caption=caption, table=table)


def _had(settings: Settings, wanted: Measurement, notes: dict[str, None]):
    """It with its result, measured before for the page, or now; without one where that cannot be.
    What stands in the way is noted, and asked for once."""
    if settings.lacks(wanted.model):
        notes[sentence(NEEDS.format(wanted.model))] = None
        return wanted
    model = checkpoints.load(wanted.model, settings.home, device=settings.device)
    kept, without = settings.out / "measured" / wanted.model, f"No data of {model.config.dataset}"
    options = {"reference": wanted.reference, "as_reported": wanted.own_way, "root": settings.root}
    options |= {"home": settings.cache, "batch": settings.batch}
    try:
        # Those beside the page may be older than the checkpoint, or than its judge.
        of = checkpoints.find(wanted.model, settings.home)
        found = next(filter(wanted.matches, results.current(kept, "fid", of=of)), None)
        if found is None and settings.budget.measure and not _noted(notes, without):
            found = yield from passed(measure_fid(model, wanted.request, **options))
            results.save(kept, found)
        return replace(wanted, result=found)
    except DataError as error:
        notes[f"{without}: {sentence(error)}"] = None
    except InvalidInput as error:
        notes[sentence(error)] = None
    return wanted


def _noted(notes: dict[str, None], beginning: str) -> bool:
    return any(note.startswith(beginning) for note in notes)

"""The report's tables, made again: what they lack is measured, or said to be missing."""

from __future__ import annotations

from dataclasses import replace

from ddpm_core import checkpoints
from ddpm_core.card import JUDGE_DISTANCE
from ddpm_core.errors import DataError, InvalidInput

from ..measure import results
from ..measure.as_reported import MINIBATCH, NET
from ..measure.evaluation import measure_fid
from ..measure.protocol import words
from ..progress import passed
from ..publish import cards
from . import parts, tables
from .notes import IN_CELL, NEEDS, NO_DATA, NOT_YET, line, sentence
from .parts import Part, Settings, walked

JUDGED = (
    "Ours: judge distances of samples of EMA weights to all images of the split. "
    f"{JUDGE_DISTANCE} The features are its penultimate layer's. ± is a standard error, by the "
    "jackknife; the floor is what as many real images of the other split get."
)
OWN_WAY = (
    "Ours: samples of EMA weights against as many images of the test set, in minibatches of "
    f"{MINIBATCH}, by the logits of {NET}. ± is a standard error between them; the floor is what "
    "as many training images get."
)


def table(settings: Settings, name: str):
    """A table of ``tables.TABLES``: yields ``Progress``, returns its ``Part``."""
    try:
        stored = tables.TABLES[name](settings.home)
        # What lacks something is found now, not after hours.
        [words(m.result) for row in stored.rows for m in row.measured if m and m.result]
    except (InvalidInput, LookupError, TypeError) as error:
        what = line(error) if isinstance(error, InvalidInput) else f"one lacks {line(error)}"
        note = f"The stored results cannot be read: {what}."
        title = name.replace("-", " ").capitalize()
        return Part(name, title, parts.TABLES[name], "", notes=(note,))
    missing, troubles = {}, {}
    made = [stored]
    fresh = settings.budget.fresh
    if fresh and name == "table-1":
        models = [f"mnist-{ablation}" for ablation in tables.ABLATIONS]
        title = f"Test distance, {walked(fresh)}, n = {fresh.n:,}"
        row = tables.Row(title, measured=tuple(tables.Measurement(it, fresh) for it in models))
        about = (
            "Measured by this run, small: the distance depends on n and on the steps, so these "
            "compare with each other and with no row above."
        )
        made.append(replace(stored, name="fresh", title="Now", about=about, rows=(row,)))
    for place, it in enumerate(made):
        measure = settings.budget.measure or it.name == "fresh"
        rows = []
        for row in it.rows:
            cells = []
            for wanted in row.measured:
                cells.append((yield from _cell(settings, wanted, missing, troubles, measure)))
            rows.append(replace(row, measured=tuple(cells)))
        made[place] = replace(it, rows=tuple(rows))
    notes = [sentence(why) for why in missing.values() if why not in IN_CELL]
    return Part(
        name,
        stored.title,
        parts.TABLES[name],
        f"{stored.about} {OWN_WAY if name == 'own-way' else JUDGED}",
        tables=tuple(made),
        missing=missing,
        notes=tuple(dict.fromkeys([*notes, *troubles.values()])),
    )


def _cell(settings, wanted: tables.Measurement | None, missing: dict, troubles: dict, measure):
    """The measurement with its result; without one, ``missing`` tells why. None stays None."""
    if wanted is None or wanted.result is not None:
        return wanted
    if wanted.model not in checkpoints.available(settings.home):
        missing[wanted.command] = NEEDS.format(wanted.model)
        return wanted
    try:
        return (yield from _had(settings, wanted, missing, troubles, measure))
    except InvalidInput as error:
        missing[wanted.command] = line(error)
        return wanted


def _had(settings, wanted: tables.Measurement, missing: dict, troubles: dict, measure: bool):
    """``_cell`` of a checkpoint that is there: measured before for the page, or now."""
    folder, kept = (place / wanted.model for place in (settings.checkpoints, settings.measured))
    # Those beside the page may be older than the checkpoint, or than its judge.
    for result in results.current(kept, "fid", of=folder):
        if wanted.matches(result):
            return replace(wanted, result=result)
    model = checkpoints.load(wanted.model, settings.home)
    dataset = model.config.dataset
    if not measure or dataset in troubles:
        missing[wanted.command] = NO_DATA if measure else NOT_YET
        return wanted
    own = settings.save and wanted.request != settings.budget.fresh
    if own:
        cards.text(folder)  # what could not be told of in the end is not begun
    options = {"reference": wanted.reference, "as_reported": wanted.own_way, "root": settings.root}
    options |= {"home": settings.cache, "batch": settings.batch}
    try:
        result = yield from passed(measure_fid(model, wanted.request, **options))
    except DataError as error:
        # Asked once: a network that is not there is not there for the next cell either.
        troubles[dataset] = f"Not measured, for want of the data: {line(error)}"
        missing[wanted.command] = NO_DATA
        return wanted
    results.save(folder if own else kept, result)
    if own:
        cards.rewrite(folder)
    return replace(wanted, result=result)

"""The report made again: Tables 1 and 2 and Figures 2 to 8, by this project's models.

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

import numpy as np
import torch
from PIL import Image

from .. import checkpoints, race
from ..animation import read_note
from ..data import to_unit
from ..errors import DataError, InvalidInput, check_choice
from ..files import write
from ..guides import classifier_for
from ..hardware import describe
from ..recorder import contact_sheet, grid, save_png
from ..request import Request
from ..sampling import BATCH, Run
from . import Progress, chart, fingerprint, page, parts, report, results
from .claims import judged
from .evaluation import evaluate_fid
from .parts import FULL, WALKS, Budget, Part, Picture, Shot
from .shards import HOME, Shards

OUT = Path("runs") / "report"
MOMENTS = 11
WIDEST = 720
NEEDS = "needs the checkpoint {}, which does not ship yet"
# What an empty cell says; anything longer stands below the table.
BRIEF = UNMEASURED, NO_DATA = "not measured yet", "no data"


@dataclass(frozen=True)
class Settings:
    """What to make, and where.

    Attributes:
        out: the page, its pictures and what was measured for it.
        budget: ``parts.FULL``, ``parts.QUICK``, or any other.
        parts: names from ``PARTS``, in the order wanted.
        root: see ``data.data_root``.
        cache: where samples are kept.
        home: the folder of the checkpoints; the shipped ones unless given.
        save: keep what is measured as the tables ask in the checkpoints' folders.
        batch: images sampled at a time.
    """

    out: Path = OUT
    budget: Budget = FULL
    parts: tuple[str, ...] = ()
    root: str | Path | None = None
    cache: Path = HOME
    home: Path | None = None
    save: bool = False
    batch: int = BATCH

    @property
    def checkpoints(self) -> Path:
        return self.home or checkpoints.HOME


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

    Raises:
        InvalidInput: for a part that the report does not have.
        OSError: if the output folder cannot be written.
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


def walk_words(budget: Budget) -> str:
    """How its pictures are sampled."""
    plain, guided = (
        f"{WALKS[walk['sampler']]}, {walk['steps']:,} steps"
        for walk in (budget.walk, budget.guided)
    )
    return plain if plain == guided else f"{plain}; guided by a classifier: {guided}"


# --- the parts: each yields Progress and returns its Part ---


def _figure_2(settings: Settings):
    yield Progress("curves", 0, 1)
    try:
        if "mnist-linear" not in checkpoints.available(settings.home):
            raise InvalidInput(NEEDS.format("mnist-linear"))
        rows = report.curves("mnist-linear", settings.home)
        training = checkpoints.load("mnist-linear", settings.home).training
        caption, *charts = _curves(rows, training)
    except InvalidInput as error:
        return Part("figure-2", **parts.FIGURE_2, caption="", notes=(_sentence(error),))
    except KeyError as error:
        note = f"The training record of mnist-linear lacks {error}."
        return Part("figure-2", **parts.FIGURE_2, caption="", notes=(note,))
    for number, svg in enumerate(charts):
        write(settings.out / f"figure-2-{'ab'[number]}.svg", svg)
    about = {"caption": caption, "charts": tuple(charts), "history": tuple(rows)}
    return Part("figure-2", **parts.FIGURE_2, **about)


def _curves(rows: list[dict], training: dict) -> list[str]:
    """What a training record shows: in words, then as charts."""
    if len(rows) < 2:
        raise InvalidInput("the training record of mnist-linear has too few rows for a curve")
    epochs = [row["images"] / training["training_set"] for row in rows]
    fids = [(x, row["fid"]) for x, row in zip(epochs, rows, strict=True) if "fid" in row]
    losses = {
        name: [(x, row[key]) for x, row in zip(epochs, rows, strict=True)]
        for name, key in (("training", "train"), ("validation", "validation"))
    }
    ends = f"{rows[-1]['train']:.4f} and {rows[-1]['validation']:.4f}"
    told = (
        "The FIDs are of few samples in few steps: they compare with each other alone."
        if len(fids) > 1
        else "The shipped model kept no FID while it trained."
    )
    caption = (
        f"mnist-linear over {epochs[-1]:.0f} epochs, learning rate {training['recipe']['lr']:g}; "
        f"the training loss is a running mean of the weights in training, the "
        f"validation loss that of the averaged weights ({training['weights']}). At the end {ends}. "
        f"{told}"
    )
    title = f"Training and validation loss of mnist-linear by epoch; at the end {ends}"
    found = [caption, chart.lines(losses, title, "epochs", "mean squared error of ε (eq. 10)")]
    if len(fids) > 1:
        title = f"FID of mnist-linear by epoch; at the end {fids[-1][1]:.3f}"
        found.append(chart.lines({"FID": fids}, title, "epochs", "FID"))
    return found


def _table(settings: Settings, name: str, make):
    table, missing, troubles = make(settings.home), {}, {}
    rows = []
    for row in table.rows:
        rows.append((yield from _row(settings, row, missing, troubles, settings.budget.measure)))
    tables = [replace(table, rows=tuple(rows))]
    fresh = settings.budget.fresh
    if fresh and name == "table-1":
        models = [f"mnist-{ablation}" for ablation in report.ABLATIONS]
        row = report.Row(
            f"Test-FID, {WALKS[fresh.sampler]}, {fresh.steps} steps, n = {fresh.n:,}",
            measured=tuple(report.Measurement(model, fresh, "test") for model in models),
        )
        row = yield from _row(settings, row, missing, troubles, True)
        about = (
            "Measured by this run, small: FID depends on n and on the steps, so these compare with "
            "each other and with no row above."
        )
        tables.append(replace(table, name="fresh", title="Now", about=about, rows=(row,)))
    notes = [_sentence(why) for why in missing.values() if why not in BRIEF]
    return Part(
        name,
        table.title,
        parts.TABLES[name],
        f"{table.about} {_protocol(table)}",
        tables=tuple(tables),
        missing=missing,
        claims=judged(name, [row for table in tables for row in table.rows]),
        notes=tuple(dict.fromkeys([*notes, *troubles.values()])),
    )


def _protocol(table: report.Table) -> str:
    """What the rows of a table have in common, in words."""
    asked = {c.request.sampler: c.request.n for row in table.rows for c in row.measured if c}
    counts = ", ".join(f"{n:,} by {WALKS[sampler]}" for sampler, n in asked.items())
    return (
        f"Ours: samples of EMA weights ({counts}) against all images of the split (of the training "
        "set less 5,000 held out), by the penultimate layer of a judge that guides nothing. ± is "
        "the jackknife's; the floor is what as many real images of the other split get."
    )


def _row(settings: Settings, row: report.Row, missing: dict, troubles: dict, measure: bool):
    cells = []
    for wanted in row.measured:
        cells.append((yield from _cell(settings, wanted, missing, troubles, measure)))
    return replace(row, measured=tuple(cells))


def _cell(settings, wanted: report.Measurement, missing: dict, troubles: dict, measure: bool):
    """The measurement with its result; without one, ``missing`` tells why."""
    name = wanted.model
    if wanted.result is not None:
        return wanted
    if name not in checkpoints.available(settings.home):
        missing[wanted.command] = NEEDS.format(name)
        return wanted
    model = checkpoints.load(name, settings.home)
    kept = settings.out / "measured" / name
    for result in results.read(kept, "fid"):
        # Those beside the page may be older than the checkpoint.
        same = result["protocol"]["weights_mark"] == fingerprint(model.unet)
        if same and wanted.matches(result):
            return replace(wanted, result=result)
    dataset = model.config.dataset
    if not measure or dataset in troubles:
        missing[wanted.command] = NO_DATA if measure else UNMEASURED
        return wanted
    options = {"reference": wanted.reference, "root": settings.root, "home": settings.cache}
    try:
        found = yield from _rest(
            evaluate_fid(model, wanted.request, batch=settings.batch, **options)
        )
    except DataError as error:
        # Asked once: a network that is not there is not there for the next cell either.
        troubles[dataset] = f"Not measured, for want of the data: {_line(error)}"
        missing[wanted.command] = NO_DATA
        return wanted
    except InvalidInput as error:
        missing[wanted.command] = _line(error)
        return wanted
    own = settings.save and wanted.request != settings.budget.fresh
    results.save(settings.checkpoints / name if own else kept, found.result())
    return replace(wanted, result=found.result())


def _figure_3(settings: Settings):
    about = Part("figure-3", **parts.FIGURE_3, caption="")
    names = ("mnist-linear", "mnist-cosine")
    lacking = [name for name in names if name not in checkpoints.available(settings.home)]
    if lacking:
        return replace(about, notes=tuple(_sentence(NEEDS.format(name)) for name in lacking))
    models = [checkpoints.load(name, settings.home) for name in names]
    request = Request(n=1, label="none", sampler="ddpm", steps=settings.budget.race)
    path = settings.out / "figure-3.png"
    try:
        both = race.schedules(*models, request)
    except InvalidInput as error:
        return replace(about, notes=(_sentence(error),))
    note = both.describe(weights=[fingerprint(model.unet) for model in models])
    if not _holds(path, note):
        total = sum(lane.steps for lane in both.lanes)
        for done, _ in enumerate(both.steps(), 1):
            yield Progress("steps", done, total)
        save_png(_strips(both.lanes), path, 1, note)
    caption = "The same noise through mnist-linear (top) and mnist-cosine (bottom)."
    words = f"x_t at the t above it; DDPM, {request.steps:,} steps, x̂0 clipped"
    return replace(about, caption=caption, pictures=(_picture(path, words, note),))


def _strips(lanes) -> np.ndarray:
    chosen = lanes[0].strided(MOMENTS)
    states = np.concatenate([lane.x[chosen, 0] for lane in lanes])
    times = [str(lanes[0].t[index]) for index in chosen]
    return contact_sheet(states, times, ["linear", "cosine"], scale=2)


def _figure(settings: Settings, name: str):
    figure, pictures, notes = parts.FIGURES[name], [], []
    for number, shot in enumerate(figure.shots):
        stem = name if len(figure.shots) == 1 else f"{name}-{'abcd'[number]}"
        picture = yield from _shot(settings, stem, shot, notes)
        pictures += [picture] if picture else []
    return Part(
        name,
        figure.title,
        figure.report,
        figure.caption,
        pictures=tuple(pictures),
        notes=tuple(dict.fromkeys(notes)),
    )


def _shot(settings: Settings, stem: str, shot: Shot, notes: list[str]):
    """The picture of a shot, or of the one in its place; where there is none, the reason is
    added to ``notes``."""
    try:
        if shot.model not in checkpoints.available(settings.home):
            raise InvalidInput(NEEDS.format(shot.model))
        return (yield from _taken(settings, stem, shot))
    except InvalidInput as error:
        notes.append(f"{shot.words}: {_line(error)}." if shot.instead else _sentence(error))
    if shot.instead:
        return (yield from _shot(settings, stem, shot.instead, notes))
    return None


def _taken(settings: Settings, stem: str, shot: Shot):
    model = checkpoints.load(shot.model, settings.home)
    requests = [request.for_model(model) for request in shot.requests(settings.budget)]
    rows = []
    for request in requests:
        rows.append((yield from _images(settings, model, request)))
    note = Run(model, requests, images=[]).describe(weights=fingerprint(model.unet))
    images, first = np.concatenate(rows), requests[0]
    path = settings.out / f"{stem}.png"
    sheet = grid(images, first.n if len(requests) > 1 else None)
    save_png(sheet, path, max(1, min(3, WIDEST // sheet.shape[1])), note)
    walk = f"{WALKS[first.sampler]}, {first.steps:,} steps"
    words = f"{shot.words}; {model.name}, {walk}{_verdict(model, rows, shot)}"
    return _picture(path, words, note)


def _images(settings: Settings, model, request: Request):
    found = []
    for it in Shards(model, request, settings.cache, settings.batch).sampling():
        if isinstance(it, Progress):
            yield it
        else:
            found.append(it)
    return np.concatenate(found)


def _verdict(model, rows: list[np.ndarray], shot: Shot) -> str:
    """What the judge takes the images of each wanted class for, in words; nothing without one."""
    if shot.labels == ("none",):
        return ""
    try:
        judge = classifier_for(model, "judge")
    except InvalidInput:
        return ""
    hits = 0
    for label, images in zip(shot.labels, rows, strict=True):
        x = to_unit(torch.from_numpy(images).permute(0, 3, 1, 2)).to(model.device)
        with torch.no_grad():
            hits += int((judge.log_probs(x, 1.0).argmax(1) == label).sum())
    return f"; the judge takes {hits} of {sum(map(len, rows))} for the wanted class"


PARTS = {
    "figure-2": _figure_2,
    "table-1": partial(_table, name="table-1", make=report.table_1),
    "figure-3": _figure_3,
    "figure-4": partial(_figure, name="figure-4"),
    "table-2": partial(_table, name="table-2", make=report.table_2),
    **{f"figure-{n}": partial(_figure, name=f"figure-{n}") for n in (5, 6, 7, 8)},
}


# --- files and words ---


def _write(settings: Settings, found: Report, ahead: tuple[str, ...]) -> None:
    budget = settings.budget
    told = {
        "quick": budget.fresh is not None,
        "pictures": walk_words(budget),
        "seconds": round(found.seconds, 1),
        "hardware": found.hardware,
        "ahead": list(ahead),
    }
    write(found.page, page.page(found.parts, settings.out, told))
    about = told | {
        "budget": asdict(budget) | {"walk": dict(budget.walk), "guided": dict(budget.guided)},
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


def _rest(measurement: Iterable):
    """Its progress; returns its result."""
    found = None
    for found in measurement:
        if isinstance(found, Progress):
            yield found
    return found


def _holds(path: Path, note: str) -> bool:
    """Whether the picture that is made of just this lies there already."""
    try:
        return read_note(path) == note
    except (OSError, InvalidInput):
        return False


def _picture(path: Path, words: str, note: str) -> Picture:
    with Image.open(path) as image:
        return Picture(path.name, words, image.size, json.loads(note))


def _line(error) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _sentence(error) -> str:
    text = _line(error)
    return f"{text[:1].upper()}{text[1:]}."

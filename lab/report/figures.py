"""The report's figures, made again: curves of training, a race of two schedules, samples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ddpm_core import checkpoints
from ddpm_core.animation import read_note, save_png
from ddpm_core.data import to_unit
from ddpm_core.errors import CheckpointError, InvalidInput
from ddpm_core.files import write
from ddpm_core.guides import classifier_for
from ddpm_core.media import Still
from ddpm_core.recorder import contact_sheet, grid
from ddpm_core.request import Request
from ddpm_core.sampling import Run

from ..measure import watch
from ..measure.shards import Shards
from ..process import race
from ..progress import Progress
from ..weights import fingerprint
from . import chart, parts, tables
from .notes import NEEDS, sentence
from .parts import Part, Picture, Settings, Shot, walked

MOMENTS = 11
WIDEST = 720


def curves(settings: Settings):
    """Figure 2: yields ``Progress``, returns its ``Part``."""
    yield Progress("curves", 0, 1)
    about = Part("figure-2", **parts.FIGURE_2, caption="")
    name = _watched(settings.home)
    try:
        if name not in checkpoints.available(settings.home):
            raise InvalidInput(NEEDS.format(name))
        rows = tables.curves(name, settings.home)
        caption, *charts = _curves(name, rows, checkpoints.load(name, settings.home).training)
    except InvalidInput as error:
        return replace(about, notes=(sentence(error),))
    except KeyError as error:
        return replace(about, notes=(f"The training record of {name} lacks {error}.",))
    for number, svg in enumerate(charts):
        write(settings.out / f"figure-2-{'ab'[number]}.svg", svg)
    return replace(about, caption=caption, charts=tuple(charts), history=tuple(rows))


def _watched(home: Path | None) -> str:
    """Of the model that was trained twice, the training that kept FIDs; or the first one."""
    first, again = "mnist-linear", tables.AGAIN_MODEL
    for name in (first, again):
        try:
            if any("fid" in row for row in tables.curves(name, home)):
                return name
        except (CheckpointError, TypeError):
            continue
    return first


def _curves(name: str, rows: list[dict], training: dict) -> list[str]:
    """What a training record shows: in words, then as charts."""
    if len(rows) < 2:
        raise InvalidInput(f"the training record of {name} has too few rows for a curve")
    epochs = [row["images"] / training["training_set"] for row in rows]

    def line(key: str) -> list[tuple[float, float]]:
        return [(x, row[key]) for x, row in zip(epochs, rows, strict=True) if key in row]

    fids, measure = line("fid"), watch.name(rows)
    ends = f"{rows[-1]['train']:.4f} and {rows[-1]['validation']:.4f}"
    told = (
        f"{watch.words(rows, training['recipe'])}; of so few, they compare with each other alone."
        if len(fids) > 1
        else "The shipped model kept no such figure while it trained."
    )
    caption = (
        f"{name} over {epochs[-1]:.0f} epochs, learning rate {training['recipe']['lr']:g}; "
        f"the training loss is a running mean of the weights in training, the "
        f"validation loss that of the averaged weights ({training['weights']}). At the end {ends}. "
        f"{told}"
    )
    losses = {"training": line("train"), "validation": line("validation")}
    title = f"Training and validation loss of {name} by epoch; at the end {ends}"
    found = [caption, chart.lines(losses, title, "epochs", "mean squared error of ε (eq. 10)")]
    if len(fids) > 1:
        title = f"{measure} of {name} by epoch; at the end {fids[-1][1]:.3f}"
        found.append(chart.lines({measure: fids}, title, "epochs", measure))
    return found


def schedules(settings: Settings):
    """Figure 3: yields ``Progress``, returns its ``Part``."""
    about = Part("figure-3", **parts.FIGURE_3, caption="")
    names = ("mnist-linear", "mnist-cosine")
    lacking = [name for name in names if name not in checkpoints.available(settings.home)]
    if lacking:
        return replace(about, notes=tuple(sentence(NEEDS.format(name)) for name in lacking))
    models = [checkpoints.load(name, settings.home) for name in names]
    request = Request(n=1, label="none", sampler="ddpm", steps=settings.budget.race)
    path = settings.out / "figure-3.png"
    try:
        both = race.schedules(*models, request)
    except InvalidInput as error:
        return replace(about, notes=(sentence(error),))
    note = both.describe(weights=[fingerprint(model.unet) for model in models])
    if not _holds(path, note):
        total = sum(lane.steps for lane in both.lanes)
        for done, _ in enumerate(both.steps(), 1):
            yield Progress("steps", done, total)
        save_png(_strips(both.lanes), path, 1, note)
    caption = "The same noise through mnist-linear (top) and mnist-cosine (bottom)."
    words = f"x_t at the t above it; {walked(request)}, x̂0 clipped"
    return replace(about, caption=caption, pictures=(_picture(path, words, note),))


def _strips(lanes) -> np.ndarray:
    chosen = lanes[0].strided(MOMENTS)
    states = np.concatenate([lane.x[chosen, 0] for lane in lanes])
    times = [str(lanes[0].t[index]) for index in chosen]
    return contact_sheet(states, times, ["linear", "cosine"], scale=2)


def samples(settings: Settings, name: str):
    """A figure of ``parts.FIGURES``: yields ``Progress``, returns its ``Part``."""
    figure, pictures, notes = parts.FIGURES[name], [], []
    for number, shot in enumerate(figure.shots):
        stem = name if len(figure.shots) == 1 else f"{name}-{'abcdef'[number]}"
        try:
            pictures.append((yield from _picture_of(settings, stem, shot)))
        except InvalidInput as error:
            notes.append(sentence(error))
    about = {"pictures": tuple(pictures), "notes": tuple(dict.fromkeys(notes))}
    return Part(name, figure.title, figure.report, figure.caption, **about)


def _picture_of(settings: Settings, stem: str, shot: Shot):
    """The picture of a shot."""
    if shot.model not in checkpoints.available(settings.home):
        raise InvalidInput(NEEDS.format(shot.model))
    model = checkpoints.load(shot.model, settings.home)
    requests = [request.for_model(model) for request in shot.requests(settings.budget)]
    rows = []
    for request in requests:
        shards = Shards(model, request, settings.cache, settings.batch)
        rows.append((yield from shards.whole()))
    note = Run(model, requests, images=[]).describe(weights=fingerprint(model.unet))
    images, first = np.concatenate(rows), requests[0]
    path = settings.out / f"{stem}.png"
    sheet = grid(images, first.n if len(requests) > 1 else None)
    save_png(sheet, path, max(1, min(3, WIDEST // sheet.shape[1])), note)
    words = f"{shot.words}; {model.name}, {walked(first)}{_verdict(model, rows, shot)}"
    return _picture(path, words, note)


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


def _holds(path: Path, note: str) -> bool:
    """Whether the picture that is made of just this lies there already."""
    try:
        return read_note(path) == note
    except (OSError, InvalidInput):
        return False


def _picture(path: Path, words: str, note: str) -> Picture:
    with path.open("rb") as file, Still(file) as picture:
        return Picture(path.name, words, picture.metadata()["shape"], json.loads(note))

"""The report's figures, made again: curves of training, a race of two schedules, samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from ddpm_core import checkpoints
from ddpm_core.animation import save_png
from ddpm_core.card import broken_off
from ddpm_core.errors import CheckpointError, InvalidInput
from ddpm_core.guides import roles_for
from ddpm_core.model import Model
from ddpm_core.recorder import contact_sheet, grid
from ddpm_core.request import Request
from ddpm_core.sampling import Run

from ..measure import watch
from ..measure.metrics import Tally
from ..measure.results import fingerprint
from ..measure.shards import Shards
from ..process import race
from ..progress import Progress
from . import chart, parts, tables
from .parts import Part, Picture, Settings, Shot, sentence, walked

# This model was trained twice. The record of this training has distances.
WATCHED = tables.AGAIN_MODEL
MOMENTS = 11
WIDEST = 720
# What a page says of a training, from its record.
RECORDED = {
    "images": "{:,} images seen",
    "steps": "{:,} steps",
    "training_set": "training set of {:,}",
    "source": "data: {}",
    "weights": "weights: {}",
    "precision": "{}",
    "hardware": "{}",
    "hours": "{} h",
    "commit": "commit {}",
}


def curves(settings: Settings) -> Iterator[Part]:
    """Figure 2: yields its ``Part``."""
    record = _recorded(WATCHED, settings.home)
    charts, rows, recipe = _charts(WATCHED, record), record["history"], record["recipe"]
    caption = (
        f"{WATCHED} over {rows[-1]['images'] / record['training_set']:.0f} epochs, learning rate "
        f"{recipe['lr']:g}; the training loss is a running mean of the weights in training, the "
        f"validation loss that of the averaged weights ({record['weights']}). At the end "
        f"{_ends(rows)}."
    )
    if len(charts) > 1:
        caption += f" {watch.words(rows, recipe)}; of so few, they compare with each other alone."
    yield parts.part("figure-2", caption=caption, charts=charts)


def training(home: Path | None, model: str) -> Iterator[Part]:
    """The curves of any model, with the record of its training: yields their ``Part``."""
    record = _recorded(model, home)
    caption = f"{_trained(record)}. Trained by: {record.get('command', '')}"
    yield parts.part(f"training-{model}", caption=caption, charts=_charts(model, record))


def _trained(record: Mapping) -> str:
    """How a model was trained, in words."""
    words = [text.format(record[name]) for name, text in RECORDED.items() if record.get(name)]
    words.append(broken_off(record).strip(" ()"))
    words.append(watch.words(record["history"], record.get("recipe", {})))
    return "; ".join(filter(None, words))


def _recorded(model: str, home: Path | None = None) -> dict:
    """The record of a model's training; the rows of its ``history`` have ``images``, ``train``,
    ``validation`` and maybe ``fid``."""
    path = checkpoints.find(model, home) / checkpoints.TRAINING
    record = checkpoints.read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("history"), list):
        raise CheckpointError(f"{path} holds no training record")
    return record


def _charts(name: str, record: dict) -> tuple[str, ...]:
    """The losses of a training record, and the FIDs if it has any."""
    rows = record["history"]
    if len(rows) < 2:
        raise InvalidInput(f"the training record of {name} has too few rows for a curve")
    epochs = [row["images"] / record["training_set"] for row in rows]

    def line(key: str) -> list[tuple[float, float]]:
        return [(x, row[key]) for x, row in zip(epochs, rows, strict=True) if key in row]

    losses = {"training": line("train"), "validation": line("validation")}
    title = f"Training and validation loss of {name} by epoch; at the end {_ends(rows)}"
    charts = [chart.lines(losses, title, "epochs", "mean squared error of ε (eq. 10)")]
    fids, measure = line("fid"), watch.name(rows)
    if len(fids) > 1:
        title = f"{measure} of {name} by epoch; at the end {fids[-1][1]:.3f}"
        charts.append(chart.lines({measure: fids}, title, "epochs", measure))
    return tuple(charts)


def _ends(rows: list[dict]) -> str:
    return f"{rows[-1]['train']:.4f} and {rows[-1]['validation']:.4f}"


def schedules(settings: Settings) -> Iterator[Progress | Part]:
    """Figure 3: yields ``Progress``, then its ``Part``."""
    models = [_load(settings, name) for name in ("mnist-linear", "mnist-cosine")]
    request = Request(n=1, label="none", sampler="ddpm", steps=settings.budget.race)
    both = race.schedules(*models, request)
    total = sum(lane.steps for lane in both.lanes)
    for done, _ in enumerate(both.steps(), 1):
        yield Progress("steps", done, total)
    chosen = both.lanes[0].strided(MOMENTS)
    states = np.concatenate([lane.x[chosen, 0] for lane in both.lanes])
    times = [str(both.lanes[0].t[index]) for index in chosen]
    sheet = contact_sheet(states, times, ["linear", "cosine"], scale=2)
    note = both.describe(weights=[fingerprint(model.unet) for model in models])
    words = f"x_t at the t above it; {walked(request)}, x̂0 clipped"
    picture = _saved(settings.out / "figure-3.png", sheet, 1, words, note)
    caption = "The same noise through mnist-linear (top) and mnist-cosine (bottom)."
    yield parts.part("figure-3", caption=caption, pictures=(picture,))


def samples(settings: Settings, name: str) -> Iterator[Progress | Part]:
    """A figure of ``parts.SHOTS``: yields ``Progress``, then its ``Part``."""
    caption, shots = parts.SHOTS[name]
    pictures, notes = [], {}
    for number, shot in enumerate(shots):
        stem = name if len(shots) == 1 else f"{name}-{'abcdef'[number]}"
        try:
            pictures.append((yield from _picture_of(settings, stem, shot)))
        except InvalidInput as error:
            notes[sentence(error)] = None
    ours = {"pictures": tuple(pictures), "notes": tuple(notes)}
    yield parts.part(name, caption=caption, **ours)


def _picture_of(settings: Settings, stem: str, shot: Shot):
    """The picture of a shot."""
    model = _load(settings, shot.model)
    requests = [request.for_model(model) for request in shot.requests(settings.budget)]
    rows = []
    for request in requests:
        shards = Shards(model, request, settings.cache, settings.batch)
        rows.append((yield from shards.whole()))
    sheet = grid(np.concatenate(rows), requests[0].n if len(requests) > 1 else None)
    note = Run(model, requests, images=[]).describe(weights=fingerprint(model.unet))
    words = f"{shot.words}; {model.name}, {walked(requests[0])}{_verdict(model, requests, rows)}"
    scale = max(1, min(3, WIDEST // sheet.shape[1]))
    return _saved(settings.out / f"{stem}.png", sheet, scale, words, note)


def _verdict(model, requests: list[Request], rows: list[np.ndarray]) -> str:
    """Words: how many images the judge takes for the wanted class. Empty without class or judge."""
    if requests[0].label == "none" or "judge" not in roles_for(model):
        return ""
    hits = 0
    for request, images in zip(requests, rows, strict=True):
        pictures = torch.from_numpy(images).permute(0, 3, 1, 2)
        hits += round(Tally(model, request).add(pictures).accuracy * len(images))
    return f"; the judge takes {hits} of {sum(map(len, rows))} for the wanted class"


def _load(settings: Settings, name: str) -> Model:
    return checkpoints.load(name, settings.home, device=settings.device)


def _saved(path: Path, sheet: np.ndarray, scale: int, words: str, note: str) -> Picture:
    save_png(sheet, path, scale, note)
    height, width = sheet.shape[:2]
    return Picture(path.name, words, (scale * width, scale * height))

"""Files of the page: a film in which every step is a frame, and a picture."""

from __future__ import annotations

import json
import math
import re
import tempfile
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ddpm_core import InvalidInput, Model, Run, grid, save_animation, save_png
from ddpm_core.recorder import Frames
from lab.process.forward import ForwardFilm

from ..gradio_internals import get_upload_folder
from ..runs.player_values import columns
from ..runs.races import RaceKey
from ..runs.runs import Progress, Studio
from ..widgets.component import cached
from ..widgets.download.download import Choice, Taken
from . import forward_links, permalinks

# An enlarged picture has about as many pixels, whatever its shape; all frames of a film have fewer.
PICTURE, FILM = 480**2, 16 * 10**6
WALK_MS = 120  # each frame of a film from one seed to another


def kept(studio: Studio, tab: str, choice: Choice) -> Taken:
    """Write the run, or the race, that a visitor chose, as they chose.

    Args:
        tab: the tab in which the file opens again; see ``permalinks.from_note``.
    """
    progress = asked(studio, choice)
    if isinstance(progress.key, RaceKey):
        return _race(studio, progress, tab, choice)
    request, width = progress.key.request, columns(progress)
    steps = f"{request.sampler}-{progress.steps_done}steps"
    frames: Sequence = Frames(progress.film, choice.panes, choice.stride, width)
    panes = ("x",) if choice.frame is None else choice.panes
    picture = choice.picture(Frames(progress.film, panes, columns=width))
    options = {}
    name = f"{_model_and_class(studio, progress)}-seed{request.seed}"
    if progress.key.branch_at is not None:
        name = f"{name}-branch{progress.key.branch_at}"
    if request.toward is not None and request.n > 1:
        name, options = f"{name}-to-{request.toward}", {"frame_ms": WALK_MS}
        frames = there_and_back(progress.film.images(), request.n)[:: choice.stride]
    return written(
        choice,
        f"{name}-{steps}",
        note(studio, progress, tab),
        frames,
        picture,
        scale=enlargement(frames[0].shape, len(frames)),
        picture_scale=enlargement(picture.shape, 1),
        **options,
    )


def _model_and_class(studio: Studio, progress: Progress) -> str:
    """Begins a file's name: with the class and the guidance, where all images have the same."""
    key = progress.key
    request, parts = key.request, [permalinks.stem(key.model)]
    several = not isinstance(key, RaceKey) and key.beside
    if isinstance(request.label, int) and not several and request.mix is None:
        parts.append(re.sub(r"\W+", "_", request.classes(studio.model(key.model))[request.label]))
    if request.guidance != "none" and not several:
        parts.append(f"{request.guidance}{request.guidance_scale:g}")
    return "-".join(parts)


def there_and_back(images: np.ndarray, n: int) -> list[np.ndarray]:
    """Frames from one seed to another and back, each with one image of every row of n."""
    rows = images.reshape(-1, n, *images.shape[1:])
    frames = [grid(rows[:, place], 1) for place in range(n)]
    return [*frames, *frames[-2::-1]]


def asked(studio: Studio, choice: Choice):
    """The kept run, or race, that a visitor chose.

    Raises:
        InvalidInput: if it is no longer kept.
    """
    progress = studio.kept_run(choice.run)
    if progress is None:
        raise InvalidInput("The server no longer keeps this run. Run it again to save it")
    return progress


def note(studio: Studio, progress: Progress, tab: str | None = None) -> str:
    """The parameters of a run, for its files; a stopped one says where it stopped."""
    key, fields = progress.key, {"tab": tab} if tab else {}
    if progress.stopped:
        fields["stopped_after"] = progress.steps_done
    if key.branch_at is not None:
        fields["branch_at"] = key.branch_at
    return Run(studio.model(key.model), key.requests, images=[]).describe(**fields)


def _race(studio: Studio, progress: Progress, tab: str, choice: Choice) -> Taken:
    race, key, fields = progress.film, progress.key, {"tab": tab}
    if progress.stopped:
        fields["stopped_after"] = [lane.frames - 1 for lane in race.lanes]
    count, picture = len(race.pictures(choice.panes, choice.stride)), race.pictures(choice.panes)[0]
    scale, large = (enlargement(picture.shape, frames) for frames in (count, 1))
    lanes = [key.view, *filter(None, (key.error, permalinks.stem(key.against)))]
    return written(
        choice,
        f"{_model_and_class(studio, progress)}-{'-'.join(lanes)}-seed{key.request.seed}",
        race.describe(**fields),
        race.pictures(choice.panes, choice.stride, scale=scale),
        choice.picture(race.pictures(choice.panes, scale=large)),
    )


def forward(model: str, noised: ForwardFilm, picture: np.ndarray, seed: int, choice: Choice):
    """Write every step from a picture to noise, some as a PNG; the picture is in their note."""
    about = {"model": model, "tab": "forward", "process": "forward", "seed": seed}
    about["picture"] = b64encode(picture.tobytes()).decode("ascii")
    frames = Frames(noised.film.reversed(), choice.panes, choice.stride)
    return written(
        choice,
        f"{permalinks.stem(model)}-forward-seed{seed}",
        json.dumps(about),
        frames,
        noised.sheet(),
        scale=enlargement(frames[0].shape, len(frames)),
    )


def filled(model: Model, progress: Progress, choice: Choice) -> Taken:
    """Write every step of a hole that is filled; picture and hole are in the note."""
    key = progress.key
    picture, hole = key.opened(model)
    about = {"tab": "forward", "process": "forward", "picture": b64encode(picture).decode("ascii")}
    about |= {"hole": forward_links.pack_hole(hole), "resample": key.resample}
    frames = Frames(progress.film, choice.panes, choice.stride, key.columns)
    return written(
        choice,
        f"{permalinks.stem(key.model)}-filled-seed{key.request.seed}",
        Run(model, key.request, images=[]).describe(**about),
        frames,
        grid(progress.film.images(), key.columns),
        scale=max(2, enlargement(frames[0].shape, len(frames))),
        picture_scale=4,
    )


def turned(
    images: np.ndarray, model: str, ends: Sequence[tuple[np.ndarray, str]], choice: Choice
) -> Taken:
    """Write one picture turned into another and back; both and their classes are in the note."""
    about = {"model": model, "tab": "forward", "process": "into another", "seed": 0}
    about |= dict(zip(("from_label", "label"), (label for _, label in ends), strict=True))
    pixels = (b64encode(picture).decode("ascii") for picture, _ in ends)
    about |= dict(zip(("from", "picture"), pixels, strict=True))
    return written(
        choice,
        f"{permalinks.stem(model)}-into-another",
        json.dumps(about),
        there_and_back(images, len(images))[:: choice.stride],
        grid(images, len(images)),
        scale=enlargement(images.shape[1:], 1),
        picture_scale=2,
        frame_ms=WALK_MS,
    )


def written(
    choice: Choice,
    name: str,
    note: str,
    frames: Sequence[np.ndarray],
    picture: np.ndarray,
    scale: int = 1,
    picture_scale: int = 1,
    frame_ms: int | None = None,
) -> Taken:
    """Write a film in the format that was chosen, and its picture, into Gradio's cache; the picture
    alone where it is that of a chosen frame."""

    def write(name: str, save: Callable[[Path], object]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            save(path)
            return cached(path.read_bytes(), name, get_upload_folder())

    pictured = name if choice.frame is None else f"{name}-frame{choice.frame}"
    png = write(f"{pictured}.png", lambda path: save_png(picture, path, picture_scale, note))
    if choice.frame is not None:
        return Taken(png, 1, png)
    options = {"scale": scale, "frame_ms": frame_ms or pace(len(frames)), "note": note}
    film = write(f"{name}.{choice.format}", lambda path: save_animation(frames, path, **options))
    return Taken(film, len(frames), png)


def enlargement(shape: tuple[int, ...], frames: int) -> int:
    """How much to enlarge pictures of (H, W, ...) for viewers that would blur them.

    A long film is enlarged less: it is encoded while its visitor waits.
    """
    pixels = shape[0] * shape[1]
    return max(
        1, int(min(max(2, math.sqrt(PICTURE / pixels)), math.sqrt(FILM / (frames * pixels))))
    )


def pace(frames: int) -> int:
    """Milliseconds per frame: two seconds for the film, but at least 20 and at most 80."""
    return max(20, min(80, round(2000 / max(1, frames - 1), -1)))

"""What a run looks like to the player, and what leaves the page as a file."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gradio.utils import get_upload_folder

from ddpm_core import InvalidInput, Run, grid, save_gif, save_png
from ddpm_core.recorder import default_columns

from . import permalinks, player
from .cache import put as cache_file
from .runs import FRAMES_PER_SECOND, Ending, Key, Progress, Studio

# Noise hardly compresses: a film is strided until each pane fits into this.
PANE_BYTES = 2 * 2**20
FILE_SIDE = 224
STREAM = {
    "show_progress": "hidden",
    "concurrency_id": "model",
    "concurrency_limit": 8,
    "api_visibility": "private",
}


def values(
    studio: Studio,
    ending: Ending,
    key: Key,
    traced: bool = False,
    rate: float = FRAMES_PER_SECOND,
    whole: bool = True,
) -> Iterator[tuple[dict, Progress | None]]:
    """Run what a key names and yield values for the player, with the progress behind each.

    A request that cannot be met is one value: its error.

    Args:
        whole: send every frame when the run ends; else its last one only.
    """
    try:
        for progress in studio.stream(ending, key, traced, rate):
            value = final(progress) if progress.done and whole else under_way(progress)
            yield ordered(value, ending), progress
    except InvalidInput as error:
        yield ordered(player.error(str(error)), ending), None
    except Exception:
        logging.exception("a run failed")
        message = "The run failed on the server, which has made a note of it."
        yield ordered(player.error(message), ending), None


def ordered(value: dict, ending: Ending) -> dict:
    """Let the player tell news of this run from late news of an earlier one."""
    return value | {"order": ending.order}


def under_way(progress: Progress) -> dict:
    """The newest frame, while a run goes on."""
    film, done = progress.film, progress.steps_done
    return player.live(
        run_name(progress),
        done,
        film.steps,
        film.t[done],
        film.x[done],
        film.x0[done] if done else None,
        columns=_columns(progress),
        seconds=progress.seconds,
        calls=_calls(progress),
    )


def final(progress: Progress) -> dict:
    """All frames of a run that has ended, or as many as one transfer should carry."""
    film = progress.film
    chosen = film.strided(max(2, PANE_BYTES // film.x[0].nbytes))
    return player.film(
        run_name(progress),
        [film.t[i] for i in chosen],
        film.x[chosen],
        film.x0[chosen],
        columns=_columns(progress),
        seconds=progress.seconds,
        calls=_calls(progress),
        total=film.steps,
        stopped=progress.stopped,
        indices=chosen,
    )


def run_name(progress: Progress) -> str:
    """A name that no other run shares."""
    return permalinks.query(progress.key)


def files(studio: Studio, progress: Progress, panes: tuple[str, ...]) -> tuple[str, str, int]:
    """Write the picture and the GIF of a run that has ended.

    Returns:
        The paths of both, within Gradio's cache, and the GIF's size in bytes.
    """
    model, request = permalinks.stem(progress.key.model), progress.key.request
    about = note(studio, progress)
    name = f"{model}-seed{request.seed}-{request.sampler}-{progress.steps_done}steps"
    scale, columns = _scale(progress), _columns(progress)
    with tempfile.TemporaryDirectory() as folder:
        png, gif = Path(folder) / f"{name}.png", Path(folder) / f"{name}.gif"
        save_png(grid(progress.film.images(), columns), png, scale, about)
        save_gif(
            progress.film,
            gif,
            panes=panes,
            scale=scale,
            frame_ms=_pace(progress),
            columns=columns,
            note=about,
        )
        kept = [cache_file(p.read_bytes(), p.name, get_upload_folder()) for p in (png, gif)]
        return kept[0], kept[1], gif.stat().st_size


def _calls(progress: Progress) -> int:
    """Evaluations of the network so far, for each image; the most of any row."""
    key, steps = progress.key, progress.steps_done - (progress.key.branch_at or 0)
    # Without a trace, what only one of the two is needed for is not evaluated twice.
    plain = () if progress.trace or not progress.done else (0, 1)
    twice = [r for r in key.requests if r.guidance == "cfg" and r.guidance_scale not in plain]
    return max(0, steps) * (2 if twice else 1)


def _columns(progress: Progress) -> int:
    return progress.key.columns or default_columns(progress.film.x.shape[1])


def _scale(progress: Progress) -> int:
    """Enlarge small pictures for viewers that would blur them, but not long films."""
    film = progress.film
    side = film.x.shape[2] * _columns(progress)
    return max(1, FILE_SIDE // side if film.frames <= 300 else FILE_SIDE // (2 * side))


def _pace(progress: Progress) -> int:
    """Milliseconds per frame: two seconds at least, and no slower than 80."""
    return max(20, min(80, round(2000 / max(1, progress.steps_done), -1)))


def note(studio: Studio, progress: Progress) -> str:
    """The parameters of a run, for its files; a stopped one says where it stopped."""
    key = progress.key
    more = {"stopped_after": progress.steps_done} if progress.stopped else {}
    if key.branch_at is not None:
        more["branch_at"] = key.branch_at
    return Run(studio.model(key.model), key.requests, images=[]).describe(**more)

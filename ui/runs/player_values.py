"""What a run looks like to the player, and what leaves the page as a file."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from ddpm_core import Film, InvalidInput, Run, grid, save_film, save_png
from ddpm_core.recorder import Frames, default_columns

from ..sharing import permalinks, share_panel
from ..widgets.player import player
from ..sharing.file_cache import put as cache_file
from .ticket import Ticket
from ..events import QUIET
from ..gradio_internals import get_upload_folder
from .frames import name_of
from .runs import FRAMES_PER_SECOND, Key, Progress, Studio, VISITORS

# Noise hardly compresses: of a longer film so many frames are sent that each pane fits into this.
PANE_BYTES = 2 * 2**20
# Of files: how wide a picture grows by enlarging, and what all frames together may.
FILE_SIDE = 224
FILE_PIXELS = 16 * 10**6
LAST_WORD = 5.0  # seconds that an overtaken run may take to end its step
GONE = "Run it again to take it"
FAILED = "The run failed on the server, which has made a note of it."
STREAM = QUIET | {"concurrency_id": "model", "concurrency_limit": VISITORS}


def values(
    studio: Studio,
    ticket: Ticket,
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
        for progress in studio.stream(ticket, key, traced, rate):
            value = final(progress) if progress.done and whole else under_way(progress)
            yield ordered(value, ticket), progress
    except InvalidInput as error:
        yield ordered(player.error(str(error)), ticket), None
    except Exception:
        logging.exception("a run failed")
        yield ordered(player.error(FAILED), ticket), None


def ordered(value: dict, ticket: Ticket) -> dict:
    """Let the player tell news of this run from late news of an earlier one."""
    return value | {"order": ticket.order}


def once_more(ticket: Ticket, news: dict) -> Iterator[dict]:
    """The only news of a run, said again once the run that it overtook has had its last word.

    Of two values of one component that a browser finds in one breath it shows the later, and that
    may be the other's: nothing else would ever show this one.
    """
    if ticket.speaks_last(LAST_WORD):
        yield news


def under_way(progress: Progress) -> dict:
    """The newest frame, while a run goes on."""
    film, done = progress.film, progress.steps_done
    lane = player.live_lane("", done, film.t[done], pictures(film, done), **_about(progress))
    return player.live(run_name(progress), [lane])


def final(progress: Progress) -> dict:
    """The film of a run that has ended."""
    about = _about(progress)
    return film_value(run_name(progress), progress.film, stopped=progress.stopped, **about)


def film_value(run: str, film: Film, stopped: bool = False, **about) -> dict:
    """A film for the player: all its frames, or as many as one transfer should carry.

    Args:
        stopped: see ``player.film``.
        about: see ``player.lane``.
    """
    chosen = film.strided(transfer(film))
    about |= {"chosen": chosen, "source": name_of(film)}
    return player.film(run, [player.lane("", film.t, pictures(film, chosen), **about)], stopped=stopped)


def transfer(film: Film) -> int:
    """How many frames of a film one transfer should carry."""
    return max(2, PANE_BYTES // film.x[0].nbytes)


def pictures(film: Film, frames, panes: Iterable[str] = ("x", "x0")) -> dict[str, np.ndarray]:
    """By pane the pictures of some frames, or of one."""
    return {pane: player.PANES[pane].pictures(film)[frames] for pane in panes}


def run_name(progress: Progress) -> str:
    """A name that no other run shares."""
    return permalinks.query(progress.key)


def take(studio: Studio, tab: str, choice: share_panel.Choice) -> share_panel.Taken:
    """Write the film of a run that has ended as a visitor wants it, and its picture.

    Raises:
        InvalidInput: if the run is no longer kept.
    """
    progress = studio.kept_run(choice.run)
    if progress is None:
        raise InvalidInput(GONE)
    request, frames = progress.key.request, Frames(progress.film, choice.panes, choice.stride)
    model, about = permalinks.stem(progress.key.model), note(studio, progress, tab)
    name = f"{model}-seed{request.seed}-{request.sampler}-{progress.steps_done}steps"
    side, columns = grid(progress.film.images(), _columns(progress)).shape, _columns(progress)
    png = written(
        f"{name}.png",
        lambda path: save_png(
            grid(progress.film.images(), columns), path, enlargement(side, 1), about
        ),
    )
    path = written(
        f"{name}.{choice.format}",
        lambda path: save_film(
            progress.film,
            path,
            panes=choice.panes,
            stride=choice.stride,
            scale=enlargement(side, len(frames)),
            frame_ms=pace(len(frames)),
            columns=columns,
            note=about,
        ),
    )
    return share_panel.Taken(path, len(frames), Path(path).stat().st_size, png)


def written(name: str, write: Callable[[Path], object]) -> str:
    """Let something write a file of this name; the file's path within Gradio's cache."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return cache_file(path.read_bytes(), name, get_upload_folder())


def enlargement(shape: tuple[int, ...], frames: int) -> int:
    """How much to enlarge pictures of (H, W, ...) for viewers that would blur them.

    No more than a long film can bear: it is encoded while its visitor waits.
    """
    bearable = math.sqrt(FILE_PIXELS / (frames * shape[0] * shape[1]))
    return max(1, min(FILE_SIDE // shape[1], int(bearable)))


def pace(frames: int) -> int:
    """Milliseconds per frame: two seconds in all at least, and no slower than 80."""
    return max(20, min(80, round(2000 / max(1, frames - 1), -1)))


def _about(progress: Progress) -> dict:
    return {
        "columns": _columns(progress),
        "seconds": progress.seconds,
        "calls": progress.calls[progress.steps_done],
        "total": progress.film.steps,
    }


def _columns(progress: Progress) -> int:
    return progress.key.columns or default_columns(progress.film.x.shape[1])


def note(studio: Studio, progress: Progress, tab: str | None = None) -> str:
    """The parameters of a run, for its files; a stopped one says where it stopped.

    Args:
        tab: where it stands on the page, and is to stand again; see ``permalinks.from_note``.
    """
    key, more = progress.key, {"tab": tab} if tab else {}
    if progress.stopped:
        more["stopped_after"] = progress.steps_done
    if key.branch_at is not None:
        more["branch_at"] = key.branch_at
    return Run(studio.model(key.model), key.requests, images=[]).describe(**more)

"""Frames of a film that a browser does not hold yet, sent when its visitor scrubs to them.

One transfer carries as many frames as fit. The other frames of a longer film stay on the server for
as long as it keeps the film.
"""

from __future__ import annotations

import secrets
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from ddpm_core.recorder import PANES, Film

from ..widgets.component import raw

BYTES = 2**18  # of each pane in one answer: a moment on a slow line
# A name cannot be guessed: on the Forward tab a film shows what somebody drew.
_names: WeakKeyDictionary[Film, str] = WeakKeyDictionary()
_films: WeakValueDictionary[str, Film] = WeakValueDictionary()


def name_of(film: Film) -> str:
    """The name by which a browser asks for frames of this film."""
    name = _names.setdefault(film, secrets.token_urlsafe(12))
    _films[name] = film
    return name


def some_frames(asked: Any) -> dict[str, Any] | None:
    """The frame that a browser asks for, and its neighbours.

    Parameters:
        asked: `source`, a film's name, and `frame`, a number; but a browser may send anything.

    Returns:
        `first`, the number of the first frame, and `frames`, for each the bytes of its panes.
        None if the film is no longer kept.
    """
    asked = asked if isinstance(asked, dict) else {}
    name, number = asked.get("source"), asked.get("frame")
    film = _films.get(name) if isinstance(name, str) else None
    if film is None or type(number) is not int or not 0 <= number < film.frames:
        return None
    count = max(1, BYTES // film.x[0].nbytes)
    first = number - number % count
    last = min(first + count, film.frames)
    frames = [{pane: raw(getattr(film, pane)[k]) for pane in PANES} for k in range(first, last)]
    return {"first": first, "frames": frames}

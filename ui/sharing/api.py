"""The public API: two typed functions for ``gradio_client``."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import gradio as gr
import numpy as np

from ddpm_core import SAMPLERS, InvalidInput, Request, grid, save_gif, save_png
from ddpm_core.errors import check_int
from ddpm_core.guidance import GUIDANCE

from ..gradio_internals import has_left
from ..runs.runs import Key, Progress, Studio
from ..runs.ticket import Ticket
from .files import note

# Pixels of all frames together: sixteen images, 1,000 steps, unscaled, are within it.
MAX_PIXELS = 64 * 10**6
# Fields of a request that both functions take.
FIELDS = ("n", "label", "sampler", "steps", "seed", "guidance", "guidance_scale")


def expose(studio: Studio) -> None:
    """Register ``/sample`` and ``/film``."""

    def sample(
        model: str = "mnist-conditional",
        n: int = 16,
        label: str = "all",
        sampler: str = Request.sampler,
        steps: int = Request.steps,
        seed: int = 0,
        scale: int = 4,
        guidance: str = "none",
        guidance_scale: float | None = None,
    ) -> dict:
        """Sample images; returns "png", base64 of a grid, and "about", the parameters.

        label is a class number, "all" or "none"; sampler is one of {samplers}; guidance is one of
        {guidances}; scale enlarges the picture.
        """
        arguments = locals()
        key = _asked(studio, model, arguments)
        _check_size(studio, key, scale, 1)
        progress = _run(studio, key)
        pixels, about = grid(progress.film.images()), note(studio, progress)
        png, _ = _encoded(".png", lambda path: save_png(pixels, path, scale, about))
        return {"png": png, "about": json.loads(about)}

    def film(
        model: str = "mnist-conditional",
        n: int = 1,
        label: str = "all",
        sampler: str = Request.sampler,
        steps: int = Request.steps,
        seed: int = 0,
        scale: int = 1,
        stride: int = 1,
        guidance: str = "none",
        guidance_scale: float | None = None,
    ) -> dict:
        """Sample; returns {"gif": base64, a frame for every step, "frames", "about"}.

        Arguments as for sample; stride keeps every so many steps.
        """
        arguments = locals()
        key = _asked(studio, model, arguments)
        stride = check_int("stride", stride, 1, 10_000)
        _check_size(studio, key, scale, (key.request.steps + 1) // stride + 1)
        progress = _run(studio, key)
        about = note(studio, progress)
        options = {"scale": scale, "stride": stride, "note": about}
        gif, frames = _encoded(".gif", lambda path: save_gif(progress.film, path, **options))
        return {"gif": gif, "frames": frames, "about": json.loads(about)}

    names = {"samplers": ", ".join(SAMPLERS), "guidances": ", ".join(GUIDANCE)}
    sample.__doc__ = sample.__doc__.format(**names)
    for function in (sample, film):
        gr.api(
            _in_turn(studio, function),
            api_name=function.__name__,
            concurrency_id="api",
            concurrency_limit=None,  # ``Studio.call`` bounds it, outside the visitors' queue
        )


def _asked(studio: Studio, model: str, arguments: dict) -> Key:
    request = Request(**{name: arguments[name] for name in FIELDS})
    return studio.settled(Key(model, request.as_meant(studio.model(model))))


def _run(studio: Studio, key: Key) -> Progress:
    ticket = Ticket()
    for progress in studio.stream(ticket, key):
        if has_left():
            ticket.superseded = ticket.asked = True
    if ticket.superseded:
        raise gr.Error("whoever asked has left", print_exception=False)
    return progress


def _check_size(studio: Studio, key: Key, scale: int, frames: int) -> None:
    """Refuse what would be too large to send, before it is computed."""
    c, h, w = studio.model(key.model).shape
    pixels = grid(np.zeros((key.request.n, h, w, c), np.uint8))
    size = pixels.shape[0] * pixels.shape[1] * check_int("scale", scale, 1, 64) ** 2 * frames
    if size > MAX_PIXELS:
        raise InvalidInput(
            f"that would be {size:,} pixels, more than the {MAX_PIXELS:,} sent at a time; "
            "take a smaller scale or a larger stride"
        )


def _encoded(suffix: str, write: Callable):
    """The content of the file that ``write`` writes, as base64, and what it returns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"run{suffix}"
        returned = write(path)
        return base64.b64encode(path.read_bytes()).decode("ascii"), returned


def _in_turn(studio: Studio, function: Callable) -> Callable:
    """Call a function once there is a place; a refusal reaches the caller in the core's words."""

    @wraps(function)
    def guarded(*args, **kwargs):
        try:
            with studio.call():
                return function(*args, **kwargs)
        except InvalidInput as error:
            raise gr.Error(str(error), print_exception=False) from None

    return guarded

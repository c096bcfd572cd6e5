"""The public API: two typed functions for ``gradio_client``."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import gradio as gr

from ddpm_core import InvalidInput, Request, Run, grid, save_gif, save_png

from .runs import Progress, Studio


def expose(studio: Studio) -> None:
    """Register ``/sample`` and ``/film``."""

    def sample(
        model: str = "mnist-conditional",
        n: int = 16,
        label: str = "all",
        sampler: str = "dpm_solver_pp",
        steps: int = 20,
        seed: int = 0,
        scale: int = 4,
    ) -> dict:
        """Sample images; returns {"png": base64 of a grid, "about": the parameters}.

        label is a class number, "all" or "none"; sampler is "ddpm", "ddim" or "dpm_solver_pp".
        """
        done = _run(studio, model, n=n, label=label, sampler=sampler, steps=steps, seed=seed)
        png = _encoded(
            lambda path, note: save_png(grid(done.film.images()), path, scale, note),
            ".png",
            studio,
            done,
        )
        return {"png": png} | _about(studio, done)

    def film(
        model: str = "mnist-conditional",
        n: int = 1,
        label: str = "all",
        sampler: str = "dpm_solver_pp",
        steps: int = 20,
        seed: int = 0,
        scale: int = 4,
        stride: int = 1,
    ) -> dict:
        """Sample and return {"gif": base64 with a frame for every step, "frames", "about"}."""
        done = _run(studio, model, n=n, label=label, sampler=sampler, steps=steps, seed=seed)
        frames = []

        def write(path, note):
            frames.append(save_gif(done.film, path, scale=scale, stride=stride, note=note))

        return {"gif": _encoded(write, ".gif", studio, done), "frames": frames[0]} | _about(
            studio, done
        )

    for function in (sample, film):
        gr.api(
            _clear(function),
            api_name=function.__name__,
            concurrency_id="model",
            concurrency_limit=8,
        )


def _run(studio: Studio, model: str, **fields) -> Progress:
    for progress in studio.stream((object(), "api"), model, Request(**fields)):
        pass
    return progress


def _about(studio: Studio, done: Progress) -> dict:
    return {"about": json.loads(_note(studio, done))}


def _note(studio: Studio, done: Progress) -> str:
    model, request = done.key
    return Run(studio.model(model), request, images=[]).describe()


def _encoded(write: Callable, suffix: str, studio: Studio, done: Progress) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"run{suffix}"
        write(path, _note(studio, done))
        return base64.b64encode(path.read_bytes()).decode("ascii")


def _clear(function: Callable) -> Callable:
    """Let a wrong request reach the caller as the core's own words."""
    from functools import wraps

    @wraps(function)
    def guarded(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except InvalidInput as error:
            raise gr.Error(str(error)) from None

    return guarded

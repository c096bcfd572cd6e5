"""Limits of what a visitor may ask for at a time: images, denoisings, the cost of one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ddpm_core import InvalidInput, Model, Request
from ddpm_core.errors import check_int

# A minute of two cores, about; sixteen images over all 1,000 steps must be within it.
MAX_WORK = 20_000
MAX_WORK_FLOPS = 0.6e9  # of a denoising that counts as one
SMALL = 2 * 10**6  # weights; counting the operations of smaller models would only delay the page
MAX_STEP_FLOPS = 250e9  # half a second: while a step lasts, nobody else's picture moves
MAX_FLOPS = 4 * MAX_STEP_FLOPS  # of one image of a model that a visitor chose
LARGE = 64 * 64  # pixels; for larger images operations are always counted
MAX_IMAGES = 64
MAX_SHEET = 160  # images of an atlas
MAX_TRACED = 4_000  # images times steps that are recorded in full, about 40 MB of digits


def most_images(model: Model) -> int | None:
    """Images evaluated at a time within ``MAX_STEP_FLOPS``; None if there is no limit."""
    return max(1, int(MAX_STEP_FLOPS / model.flops)) if is_counted(model) else None


def check_light(model: Model) -> None:
    """Refuse a model that would take seconds for one step of one image."""
    flops = model.config.flops()
    if flops > MAX_FLOPS:
        raise InvalidInput(
            f"{model.name} takes {flops / 1e9:,.0f} billion operations for one step of one image, "
            f"more than the {MAX_FLOPS / 1e9:,.0f} allowed here"
        )


def check_through(model: Model, requests: list[Request]) -> None:
    """Refuse too many images that are differentiated through the network at a time."""
    most = most_images(model)
    if most is not None:
        through = sum(r.n for r in requests if r.guidance == "classifier" and r.at == "x0-through")
        # Forward, and backward at twice the cost.
        words = f"images differentiated through {model.name} at a time"
        check_int(words, through, 0, max(1, most // 3))


def is_counted(model: Model) -> bool:
    """True if a model's operations are counted. Those of small models that ship are not."""
    large = model.parameters >= SMALL or model.shape[1] * model.shape[2] > LARGE
    return large or "flops" in vars(model)


def most_work(model: Model) -> int:
    """Denoisings done at a time: ``MAX_WORK``, or fewer if each costs more."""
    if not is_counted(model):
        return MAX_WORK
    return max(1, round(MAX_WORK * min(1, MAX_WORK_FLOPS / model.flops)))


def fitted(model: Model, request: Request) -> Request:
    """A default request as the page can run it: with no more images and steps than the limits allow
    for this model, and a class that it has."""
    work = most_work(model)
    images = min(request.n, most_images(model) or request.n)
    request = replace(request, n=images, steps=min(request.steps, model.schedule.num_timesteps))
    if isinstance(request.label, int) and model.classes:
        request = replace(request, label=min(request.label, len(model.classes) - 1))
    while request.work > work and request.n > 1:
        request = replace(request, n=request.n // 2)
    while request.work > work and request.steps > 1:
        request = replace(request, steps=request.steps // 2)
    return request


def check_work(model: Model, requests: Sequence[Request], what: str) -> None:
    """Refuse requests that are too many denoisings together; ``what`` says what they are."""
    work, most = sum(r.work for r in requests), most_work(model)
    if work > most:
        raise InvalidInput(
            f"{what} are {work:,} denoisings, more than the {most:,} done at a time; take fewer "
            "images or steps"
        )

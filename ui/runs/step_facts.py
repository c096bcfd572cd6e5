"""The numbers that the sentence under a player is made from; see ``lab.process.step_numbers``."""

from __future__ import annotations

from typing import Any

from ddpm_core import Model
from ddpm_core.faults import FAULTS
from ddpm_core.guides import classifier_for, roles_for
from lab.process.step_numbers import noise_share, step_numbers

from .runs import Progress, Studio


def live_numbers(studio: Studio, progress: Progress) -> dict[str, Any]:
    """Of the newest frame of a run that goes on, whose end is not known yet."""
    film = progress.film
    return {"numbers": {"noise": noise_share(_schedule(studio, progress), film.t[-1])}}


def film_numbers(studio: Studio, progress: Progress) -> dict[str, Any]:
    """Of every frame of a run that has ended, and the names of the classes that are read."""
    model = studio.model(progress.key.model)
    schedule = _schedule(studio, progress)
    numbers = studio.engine.do(
        lambda: step_numbers(progress.film, schedule, judge(model), trace=progress.trace)
    )
    return {"numbers": numbers} | ({"classes": read_classes(model)} if "reads" in numbers else {})


def judge(model: Model):
    """What reads pictures like a model's, clean ones; None if nothing does."""
    if "judge" not in roles_for(model):
        return None
    network = classifier_for(model, "judge")
    return lambda x: network.log_probs(x, 1.0)


def read_classes(model: Model) -> list[str]:
    """The names of what the judge of a model's pictures reads; the model may know no classes."""
    return list(classifier_for(model, "judge").classes)


def _schedule(studio: Studio, progress: Progress):
    schedule = studio.model(progress.key.model).schedule
    return FAULTS[progress.key.request.fault].schedule(schedule)

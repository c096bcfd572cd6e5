"""Figures as they are stored beside the checkpoints, made up."""

from __future__ import annotations

from lab.measure import results as stored
from tests.support.toys import result_of


def store(home, measurement, *figures, **more):
    return stored.save(home / measurement.model, result_of(measurement, *figures, **more))

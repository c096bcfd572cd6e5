"""Figures as they are stored beside the checkpoints, made up."""

from __future__ import annotations

import json

from lab.measure import results as stored
from tests.support.toys import result_of


def store(home, measurement, *figures, **more):
    return stored.save(home / measurement.model, result_of(measurement, *figures, **more))


def write_training(home, model, history):
    record = {
        "command": f"python -m ddpm_core train --recipe {model}",
        "images": history[-1]["images"] if history else 0,
        "weights": "EMA, decay 0.9995",
        "history": history,
    }
    (home / model).mkdir(parents=True, exist_ok=True)
    (home / model / "training.json").write_text(json.dumps(record), encoding="utf-8")

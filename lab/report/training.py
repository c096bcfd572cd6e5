"""How a model was trained, from its record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ddpm_core import checkpoints
from ddpm_core.card import broken_off
from ddpm_core.errors import CheckpointError

from ..measure import watch

RECORDED = {
    "images": "{:,} images seen",
    "steps": "{:,} steps",
    "training_set": "training set of {:,}",
    "source": "data: {}",
    "weights": "weights: {}",
    "precision": "{}",
    "hardware": "{}",
    "hours": "{} h",
    "commit": "commit {}",
}


def trained(record: Mapping) -> str:
    """How a model was trained, in words."""
    words = [text.format(record[name]) for name, text in RECORDED.items() if record.get(name)]
    words.append(broken_off(record).strip(" ()"))
    words.append(watch.words(record["history"], record.get("recipe", {})))
    return "; ".join(filter(None, words))


def recorded(model: str, home: Path | None = None) -> dict:
    """The record of a model's training; the rows of its ``history`` have ``images``, ``train``,
    ``validation`` and maybe ``fid``."""
    path = checkpoints.find(model, home) / checkpoints.TRAINING
    record = checkpoints.read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("history"), list):
        raise CheckpointError(f"{path} holds no training record")
    return record

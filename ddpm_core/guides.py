"""Which classifier goes with which model: to guide it, and to judge what it makes."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

import torch

from . import checkpoints
from .classifier import Classifier
from .errors import CheckpointError, InvalidInput
from .model import Model

# Of clean images, of noisy ones; the judge takes part in no guidance.
ROLES = ("classifier", "classifier-noisy", "judge")


def classifier_for(model: Model, role: str) -> Classifier:
    """The shipped classifier of the model's dataset in one of the ``ROLES``."""
    name = f"{model.config.dataset}-{role}"
    try:
        classifier = _load(name, model.device)
    except CheckpointError as error:
        raise InvalidInput(f"{model.name} has no {role} to go with it: {error}") from error
    if classifier.shape != model.shape:
        raise InvalidInput(
            f"{name} sees images of {classifier.shape}, {model.name} makes {model.shape}"
        )
    numbered = [str(number) for number in range(len(model.classes))]
    if model.classes not in ([], numbered, classifier.classes[: len(model.classes)]):
        raise InvalidInput(
            f"{name} knows the classes {', '.join(classifier.classes)}, in this order; "
            f"{model.name} has {', '.join(model.classes)[:200]}"
        )
    return classifier


def roles_for(model: Model) -> list[str]:
    """The roles for which ``classifier_for`` has a classifier."""
    roles = []
    for role in ROLES:
        with suppress(InvalidInput):
            classifier_for(model, role)
            roles.append(role)
    return roles


@lru_cache(maxsize=16)
def _load(name: str, device: torch.device) -> Classifier:
    # Never by ``find``: a model from elsewhere may name any dataset as its own.
    if name not in checkpoints.available_classifiers():
        raise CheckpointError(f"no classifier {name[:100]!r} ships")
    return checkpoints.load_classifier(checkpoints.HOME / name, device=device)

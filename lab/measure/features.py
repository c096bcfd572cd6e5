"""Feature nets: pictures in, the numbers out that FID and nearest neighbours compare."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ddpm_core import checkpoints
from ddpm_core.data import Images, to_unit
from ddpm_core.errors import InvalidInput
from ddpm_core.guides import classifier_for

from ..weights import fingerprint

BATCH = 250
SCRIPTS = (".pt", ".pth", ".ts", ".torchscript")


@dataclass(frozen=True)
class Features:
    """A feature net, in eval mode.

    Attributes:
        name: for the protocol of a figure.
        layer: whose activations the features are, in words.
        mark: equal for equal weights, or for equal programs.
        take: (n, C, H, W), uint8, to (n, d).
    """

    name: str
    layer: str
    mark: str
    take: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def features(self, images: np.ndarray) -> Tensor:
        """(n, H, W, C), uint8, to (n, d), float64, on the CPU."""
        found = self.take(torch.from_numpy(images).permute(0, 3, 1, 2)).double().cpu()
        if found.ndim != 2 or len(found) != len(images):
            raise InvalidInput(f"{self.name} gives {tuple(found.shape)} for {len(images)} images")
        if not torch.isfinite(found).all():
            raise InvalidInput(f"{self.name} gives numbers that are not finite")
        return found


def feature_net(name: str | Path) -> Features:
    """A feature net by name.

    Args:
        name: a shipped classifier, such as ``"mnist-judge"``, for what its last linear layer sees;
            or a TorchScript file (``.pt``, ``.pth``, ``.ts``, ``.torchscript``) of a net in eval
            mode that takes (n, 3, H, W), uint8, grey pictures as three equal channels, and returns
            (n, d), or does so told ``return_features=True``, as the published Inception of FID
            does. Not tested with its weights, which this project does not have; and a TorchScript
            file is a program: open none that you do not trust.
    """
    text = str(name)
    if text in checkpoints.available_classifiers():
        return classifier_features(checkpoints.load_classifier(checkpoints.HOME / text))
    if Path(text).suffix.lower() in SCRIPTS:
        return script_features(Path(text))
    known = ", ".join(checkpoints.available_classifiers())
    raise InvalidInput(
        f"unknown feature net {text[:100]!r}; known: {known}, or a TorchScript file "
        f"({', '.join(SCRIPTS)})"
    )


def classifier_features(classifier) -> Features:
    """The penultimate layer of a ``Classifier``, of clean images."""
    device = next(classifier.net.parameters()).device
    mirrored = getattr(classifier.net, "mirror", False)
    count = len(getattr(classifier.net, "members", [0]))
    layer = "the penultimate layer" if count == 1 else f"the penultimate layers of {count} networks"
    return Features(
        classifier.name,
        layer + ", mean over image and mirror image" * mirrored,
        fingerprint(classifier.net),
        lambda images: classifier.features(to_unit(images).to(device), 1.0),
    )


def judge_of(model: checkpoints.Model, otherwise: str) -> Features:
    """A model's judge as a feature net; ``otherwise`` says what to do without one."""
    try:
        return classifier_features(classifier_for(model, "judge"))
    except InvalidInput as error:
        raise InvalidInput(f"{error}; {otherwise}") from error


def script_features(path: Path) -> Features:
    """What a TorchScript file returns; see ``feature_net``."""
    if not path.is_file():
        raise InvalidInput(f"{path} does not exist")
    try:
        net = torch.jit.load(path, map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        first = str(error).strip().splitlines()[:1]
        raise InvalidInput(f"{path} is no TorchScript file: {' '.join(first)}") from error
    told, layer = {}, "its output"
    if "return_features" in {it.name for it in net.forward.schema.arguments}:
        told, layer = {"return_features": True}, "its features"

    def take(images: Tensor) -> Tensor:
        three = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        try:
            return net(three, **told)
        except RuntimeError as error:  # in its program's words, the reason last
            reason = str(error).strip().splitlines()[-1]
            shape = tuple(images.shape[1:])
            raise InvalidInput(f"{path.name} does not take images of {shape}: {reason}") from error

    # Of the file: the same weights may be part of another program.
    mark = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Features(path.name, layer, mark, take)


def batches(images: Images, chosen=None, size: int = BATCH) -> Iterator[np.ndarray]:
    """A dataset's pictures as (n, H, W, C), uint8: those ``chosen``, in that order, or all."""
    chosen = torch.arange(len(images)) if chosen is None else torch.as_tensor(chosen)
    for part in chosen.split(size):
        yield images.pixels[part].permute(0, 2, 3, 1).numpy()

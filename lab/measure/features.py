"""Feature nets: pictures in, the numbers out that FID and nearest neighbours compare."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ddpm_core import checkpoints
from ddpm_core.data import Images, to_unit
from ddpm_core.errors import InvalidInput
from ddpm_core.guides import classifier_for

from ..weights import fingerprint

BATCH = 250
# Of the largest feature: what rounding in batches of another size comes nowhere near.
UNSTEADY, FEW = 0.05, 4
SCRIPTS = (".pt", ".pth", ".ts", ".torchscript")


class Features(Protocol):
    """A feature net.

    Attributes:
        name: for the protocol of a figure.
        layer: whose activations the features are, in words.
        mark: equal for equal weights, or for equal programs.
    """

    name: str
    layer: str
    mark: str

    def features(self, images: np.ndarray) -> Tensor:
        """(n, H, W, C), uint8, to (n, d), float64, on the CPU."""
        ...


class NetFeatures:
    """A network as a feature net: always in eval mode, and refused where somebody changed that,
    or where its features of an image are others at another time or beside other images: a program
    that was traced in training mode has its dropout and batch statistics in it for good.

    Args:
        name, layer: see ``Features``.
        net: put into eval mode here.
        take: (n, C, H, W), uint8, to (n, d); calls ``net``.
        mark: that of the weights unless given.
    """

    def __init__(
        self,
        name: str,
        layer: str,
        net: nn.Module,
        take: Callable[[Tensor], Tensor],
        mark: str = "",
    ):
        self.name, self.layer, self.net, self._take = name, layer, net.eval(), take
        self._given, self._steady = mark, False

    @cached_property
    def mark(self) -> str:
        return self._given or fingerprint(self.net)

    @torch.no_grad()
    def features(self, images: np.ndarray) -> Tensor:
        """See ``Features``.

        Raises:
            InvalidInput: for other arrays, a net in training mode (dropout would be features, and
                batch statistics those of this very batch), pictures that it cannot take, or
                numbers that are not finite.
        """
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4:
            raise InvalidInput("features are those of images (n, H, W, C), uint8")
        if any(module.training for module in self.net.modules()):
            raise InvalidInput(f"{self.name} is in training mode: call its eval() first")
        found = self._take(torch.from_numpy(images).permute(0, 3, 1, 2)).double().cpu()
        if found.ndim != 2 or len(found) != len(images):
            raise InvalidInput(f"{self.name} gives {tuple(found.shape)} for {len(images)} images")
        if not torch.isfinite(found).all():
            raise InvalidInput(f"{self.name} gives numbers that are not finite")
        if not self._steady and len(images):
            self._check(images, found)
        return found

    def _check(self, images: np.ndarray, found: Tensor) -> None:
        """Whether a few images' features are the same, but for rounding, among themselves."""
        few = np.linspace(0, len(images) - 1, min(FEW, (len(images) + 1) // 2)).astype(int)
        again = self._take(torch.from_numpy(images[few]).permute(0, 3, 1, 2)).double().cpu()
        # Turned round: what is no number is no small difference.
        if not (again - found[few]).abs().max() <= UNSTEADY * found.abs().max():
            raise InvalidInput(
                f"{self.name} gives an image other features at another time or beside other "
                "images; a net that is traced needs eval() before that"
            )
        self._steady = len(images) > 1


def feature_net(name: str | Path) -> NetFeatures:
    """A feature net by name.

    Args:
        name: one of

            * a shipped classifier, such as ``"mnist-judge"``: its penultimate layer, which the
              last linear layer sees (of a ``residual`` one: averaged over all places);
            * ``"torchvision:NAME"``, any model of torchvision that ends in a linear layer, with
              its default weights, downloaded by torchvision: what that layer sees;
            * a TorchScript file (``.pt``, ``.pth``, ``.ts``, ``.torchscript``) that takes
              (n, 3, H, W), uint8, and returns (n, d), or does so told ``return_features=True``, as
              the published Inception of FID is. Not tested with its weights, which this project
              does not have; and a TorchScript file is a program: open none that you do not trust.

            Grey pictures are given to the last two as three equal channels.

    Raises:
        InvalidInput: if there is none of that name, or it cannot be had.
    """
    text = str(name)
    if text in checkpoints.available_classifiers():
        return classifier_features(checkpoints.load_classifier(checkpoints.HOME / text))
    if text.startswith("torchvision:"):
        return torchvision_features(text.partition(":")[2])
    if Path(text).suffix.lower() in SCRIPTS:
        return script_features(Path(text))
    known = ", ".join(checkpoints.available_classifiers())
    raise InvalidInput(
        f"unknown feature net {text[:100]!r}; known: {known}, torchvision:NAME, or a TorchScript "
        f"file ({', '.join(SCRIPTS)})"
    )


def classifier_features(classifier) -> NetFeatures:
    """The penultimate layer of a ``Classifier``, of clean images."""
    device = next(classifier.net.parameters()).device
    mirrored = getattr(classifier.net, "mirror", False)
    count = len(getattr(classifier.net, "members", [0]))
    layer = "the penultimate layer" if count == 1 else f"the penultimate layers of {count} networks"
    return NetFeatures(
        classifier.name,
        layer + ", mean over image and mirror image" * mirrored,
        classifier.net,
        lambda images: classifier.features(to_unit(images).to(device), 1.0),
    )


def judge_of(model: checkpoints.Model, otherwise: str) -> NetFeatures:
    """The judge of a model's dataset as a feature net.

    Args:
        otherwise: what to do without one, in words.

    Raises:
        InvalidInput: if there is none.
    """
    try:
        return classifier_features(classifier_for(model, "judge"))
    except InvalidInput as error:
        raise InvalidInput(f"{error}; {otherwise}") from error


def torchvision_features(name: str, pretrained: bool = True) -> NetFeatures:
    """What the last linear layer of one of torchvision's models sees.

    Args:
        pretrained: with the default weights and their preprocessing; otherwise with random
            weights and pixels in [0, 1].
    """
    from torchvision import models

    try:
        weights = models.get_model_weights(name).DEFAULT if pretrained else None
        net = models.get_model(name, weights=weights)
    except Exception as error:  # an unknown name, or whatever the download raises
        raise InvalidInput(f"torchvision's {name[:100]!r} cannot be had: {error}") from error
    prepare = weights.transforms() if pretrained else lambda images: images.float() / 255
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise InvalidInput(f"torchvision's {name} does not end in a linear layer")
    seen: list[Tensor] = []
    linear[-1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))

    def take(images: Tensor) -> Tensor:
        seen.clear()
        net(prepare(_three(images)))
        return seen.pop().flatten(1)

    about = f"{weights.name} weights" if pretrained else "random weights"
    return NetFeatures(f"torchvision:{name}", f"the penultimate layer, {about}", net, take)


def script_features(path: Path) -> NetFeatures:
    """What a TorchScript file returns; see ``feature_net``."""
    if not path.is_file():
        raise InvalidInput(f"{path} does not exist")
    try:
        net = torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        first = str(error).strip().splitlines()[:1]
        raise InvalidInput(f"{path} is no TorchScript file: {' '.join(first)}") from error
    told, layer = {}, "its output"
    if "return_features" in {it.name for it in net.forward.schema.arguments}:
        told, layer = {"return_features": True}, "its features"
    # The same weights may be part of another program.
    mark = hashlib.sha256(path.read_bytes()).hexdigest()[:16]

    def take(images: Tensor) -> Tensor:
        try:
            return net(_three(images), **told)
        except RuntimeError as error:  # in its program's words, the reason last
            reason = str(error).strip().splitlines()[-1]
            shape = tuple(images.shape[1:])
            raise InvalidInput(f"{path.name} does not take images of {shape}: {reason}") from error

    return NetFeatures(path.name, layer, net, take, mark)


def batches(images: Images, chosen=None, size: int = BATCH) -> Iterator[np.ndarray]:
    """A dataset's pictures as (n, H, W, C), uint8.

    Args:
        chosen: which ones, indices in the order wanted; all unless given.
    """
    chosen = torch.arange(len(images)) if chosen is None else torch.as_tensor(chosen)
    for part in chosen.split(size):
        yield images.pixels[part].permute(0, 2, 3, 1).numpy()


def _three(images: Tensor) -> Tensor:
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images

"""A folder in, a ready model out; and the way back.

A checkpoint, of a diffusion model or a classifier, is a folder in Hugging Face layout:
``config.json`` rebuilds the model, its schedule, its classes and its preprocessing;
``model.safetensors`` holds the EMA weights; ``training.json`` tells how they came to be;
``README.md`` is the card made from both.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from .classifier import Classifier, ClassifierConfig
from .denoiser import ModelDenoiser
from .diffusion import PREDICTION_TYPES
from .errors import CheckpointError, InvalidInput, check_choice
from .files import write
from .hardware import bf16_is_native
from .noise import Noise
from .schedules import NoiseSchedule
from .unet import UNet

HOME = Path(__file__).resolve().parent.parent / "checkpoints"
DTYPES = ("auto", "float32", "bfloat16")
# A class, a mixture of some, or none.
Label = int | Mapping[int, float] | None
WEIGHTS, CONFIG, TRAINING, CARD = "model.safetensors", "config.json", "training.json", "README.md"


@dataclass(frozen=True)
class Config:
    """Everything needed to rebuild a model, as it stands in ``config.json``.

    Attributes:
        model: keyword arguments of ``UNet``.
        schedule: keyword arguments of ``NoiseSchedule.make``.
        prediction_type: ``"epsilon"`` or ``"v_prediction"``.
        dataset: what it was trained on, a key of ``data.DATASETS`` or free text.
        classes: the names of the classes, in label order; empty if it knows none.
        preprocessing: the range of the pixels, and the augmentation used in training.
    """

    model: dict
    schedule: dict
    prediction_type: str
    dataset: str
    classes: list[str] = field(default_factory=list)
    preprocessing: dict = field(default_factory=lambda: {"range": [-1, 1]})

    def complete(self) -> Config:
        """The same with every argument of the UNet spelled out: no default can change it."""
        return replace(self, model=UNet.defaults() | self.model)

    def build(self) -> tuple[UNet, NoiseSchedule]:
        """A model with random weights, and its schedule.

        Raises:
            InvalidInput: if the parts do not fit together.
        """
        check_choice("prediction type", self.prediction_type, PREDICTION_TYPES)
        unet = UNet(**self.model)
        if unet.num_classes != len(self.classes):
            raise InvalidInput(f"{unet.num_classes} classes but {len(self.classes)} names for them")
        return unet, NoiseSchedule.make(**self.schedule)


class Model:
    """A trained diffusion model, ready to sample from.

    Attributes:
        name: the folder's name.
        config: see ``Config``.
        unet: in eval mode, float32.
        schedule: its noise schedule.
        training: what ``training.json`` tells; empty if there is none.
    """

    def __init__(self, name: str, config: Config, unet: UNet, schedule, training: dict):
        self.name, self.config, self.schedule, self.training = name, config, schedule, training
        self.unet = unet.eval().requires_grad_(False)

    @property
    def classes(self) -> list[str]:
        return self.config.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return (self.unet.in_channels, self.unet.image_size, self.unet.image_size)

    @property
    def device(self) -> torch.device:
        return self.unet.conv_in.weight.device

    @cached_property
    def _bfloat16(self) -> UNet:
        return copy.deepcopy(self.unet).bfloat16()

    def resolve_dtype(self, dtype: str = "auto") -> str:
        """``"auto"`` is bfloat16 where the hardware has it, and float32 elsewhere."""
        check_choice("dtype", dtype, DTYPES)
        if dtype == "auto":
            dtype = "bfloat16" if bf16_is_native(self.device) else "float32"
        return dtype

    def denoiser(self, labels: list[Label] | None = None, dtype: str = "auto"):
        """This model as a function of (x, t).

        Args:
            labels: one per image: a class index, ``{class: share}`` to mix some, or None for
                no class. None for the whole list asks for unconditional predictions.
            dtype: of the network; the last steps (t < 20) and everything outside the
                network stay in float32.

        Raises:
            InvalidInput: for labels that this model does not know.
        """
        reduced = self._bfloat16 if self.resolve_dtype(dtype) == "bfloat16" else None
        return ModelDenoiser(
            self.unet,
            self.schedule,
            self.config.prediction_type,
            self._labels(labels),
            reduced,
        )

    def noise(self, seed: int, images) -> Noise:
        """The noise of these images of this seed, in this model's shape."""
        return Noise(seed, images, self.shape)

    def _labels(self, labels) -> Tensor | None:
        if labels is None or all(label is None for label in labels):
            if self.classes and self.unet.null_index is None:
                raise InvalidInput(f"{self.name} was trained with labels only: choose a class")
            return None
        if not self.classes:
            raise InvalidInput(f"{self.name} knows no classes")
        null = self.unet.null_index
        if null is None and None in labels:
            raise InvalidInput(f"{self.name} has no null class: every image needs a label")
        for label in labels:
            for number in label if isinstance(label, Mapping) else [label]:
                if number is not None and number not in range(len(self.classes)):
                    raise InvalidInput(
                        f"class must be 0 to {len(self.classes) - 1}, not {number!r}"
                    )
        indices = [null if label is None else label for label in labels]
        if not any(isinstance(label, Mapping) for label in indices):
            return torch.tensor([int(label) for label in indices], device=self.device)
        shares = torch.zeros(len(indices), len(self.classes) + (null is not None))
        for row, label in zip(shares, indices, strict=True):
            for number, share in (label if isinstance(label, Mapping) else {label: 1}).items():
                row[int(number)] = share
        return shares.to(self.device)


def available(home: Path | None = None) -> list[str]:
    """The names of the diffusion models that ship with the project."""
    return [name for name in _shipped(home) if not holds_classifier((home or HOME) / name)]


def available_classifiers(home: Path | None = None) -> list[str]:
    """The names of the classifiers that ship with the project."""
    return [name for name in _shipped(home) if holds_classifier((home or HOME) / name)]


def load(name_or_folder: str | Path, home: Path | None = None) -> Model:
    """Load a diffusion model by name or from a folder.

    Raises:
        CheckpointError: saying what is missing, damaged or does not fit.
    """
    return Model(*_rebuild(find(name_or_folder, home), Config))


def load_classifier(name_or_folder: str | Path, home: Path | None = None) -> Classifier:
    """Load a classifier by name or from a folder.

    Raises:
        CheckpointError: saying what is missing, damaged or does not fit.
    """
    folder = find(name_or_folder, home, available_classifiers)
    return Classifier(*_rebuild(folder, ClassifierConfig))


def holds_classifier(folder: Path) -> bool:
    """Whether a checkpoint folder holds a classifier, as far as its config can be read."""
    try:
        return "classifier" in _read_json(folder / CONFIG)
    except (CheckpointError, OSError, TypeError):
        return False


def find(name_or_folder: str | Path, home: Path | None = None, listed=available) -> Path:
    """The folder of a shipped checkpoint, or a folder given as a path.

    Args:
        listed: names those that an error tells of.
    """
    home = home or HOME
    name = str(name_or_folder)
    for folder in (home / name, Path(name)):
        # os.path.isdir, unlike Path.is_dir, takes a name too long for the file system.
        if name and os.path.isdir(folder):
            return folder
    known = ", ".join(listed(home)) or "none"
    raise CheckpointError(f"no checkpoint {name[:200]!r}; shipped: {known}")


def read_config(folder: Path, kind: type = Config) -> Config | ClassifierConfig:
    """Read ``config.json`` of a diffusion model, or of a classifier.

    Args:
        kind: ``Config`` or ``ClassifierConfig``.
    """
    content = _read_json(folder / CONFIG)
    if isinstance(content, dict):
        if kind is Config and "classifier" in content:
            raise CheckpointError(f"{folder} holds a classifier: load_classifier loads it")
        if kind is ClassifierConfig and "model" in content:
            raise CheckpointError(f"{folder} holds a diffusion model, no classifier: load loads it")
    try:
        return kind(**content)
    except TypeError as error:
        raise CheckpointError(
            f"{folder / CONFIG} is not a config of this project: {error}"
        ) from error


def save(
    folder: Path,
    config: Config | ClassifierConfig,
    tensors: dict[str, Tensor],
    training: dict,
    name: str = "",
) -> None:
    """Write a checkpoint folder; each file replaces its predecessor whole or not at all.

    Args:
        tensors: the state dict of the model.
        training: how the weights came to be, as ``training.Loop`` tells it.
        name: for the card; that of the folder unless given.

    Raises:
        CheckpointError: if ``training`` lacks what the card must tell.
        OSError: if it cannot be written, a full disk included.
    """
    config = config.complete()
    from .card import render

    card = render(name or folder.name, config, tensors, training)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().float().cpu().contiguous() for key, value in tensors.items()}
    # Serialised in memory first: on a full disk, writing bytes fails as an OSError.
    write(folder / WEIGHTS, save_tensors(tensors, metadata={"format": "pt"}))
    write(folder / CONFIG, json.dumps(vars(config), indent=2) + "\n")
    write(folder / TRAINING, json.dumps(training, indent=1) + "\n")
    write(folder / CARD, card)


def _shipped(home: Path | None) -> list[str]:
    configs = (home or HOME).glob(f"*/{CONFIG}")
    return sorted(p.parent.name for p in configs if (p.parent / WEIGHTS).exists())


def _rebuild(folder: Path, kind: type) -> tuple:
    """(name, config, network, schedule, training record) of a checkpoint folder."""
    config = read_config(folder, kind)
    try:
        network, schedule = config.build()
    except (InvalidInput, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{folder / CONFIG} describes no valid model: {error}") from error
    tensors = _read_weights(folder)
    _check_fit(folder, network, tensors)
    network.load_state_dict(tensors)
    return folder.name, config, network, schedule, _read_json(folder / TRAINING, {})


def _read_json(path: Path, default=None):
    if not path.exists():
        if default is not None:
            return default
        raise CheckpointError(f"{path} is missing")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error


def _read_weights(folder: Path) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    if not path.exists():
        pickles = [p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt")]
        if pickles:
            raise CheckpointError(
                f"{folder} holds its weights as a pickle ({pickles[0]}), which can run code when "
                "it is opened; only safetensors are loaded"
            )
        raise CheckpointError(f"{path} is missing")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is truncated or no safetensors file: {error}") from error


def _check_fit(folder: Path, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    got = {key: tuple(value.shape) for key, value in tensors.items()}
    for key in sorted(wanted.keys() | got.keys()):
        if wanted.get(key) != got.get(key):
            raise CheckpointError(
                f"the weights in {folder} do not fit its config: {key} is "
                f"{got.get(key, 'missing')} where the config asks for {wanted.get(key, 'none')}"
            )
        if not torch.isfinite(tensors[key]).all():
            raise CheckpointError(f"the weights in {folder} are damaged: {key} is not finite")

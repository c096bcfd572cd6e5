"""A folder, or a repository's name, in; a ready model out; and the way back.

A checkpoint, of a diffusion model or a classifier, is a folder in Hugging Face layout:
``config.json`` rebuilds the model, its schedule, its classes and its preprocessing;
``model.safetensors`` holds the EMA weights; ``training.json`` tells how they came to be;
``README.md`` is the card made from both. Folders in the format of diffusers are read too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors
from torch import Tensor

from . import diffusers_format, hub
from .classifier import Classifier, ClassifierConfig
from .errors import CheckpointError, InvalidInput, check_choice, check_class_names, check_int
from .fast import lay_out
from .files import write
from .hardware import find_device
from .model import Config, Model, without_memory
from .record import check_record
from .schedules import Schedule
from .unet import UNet

BESIDE = Path(__file__).resolve().parent.parent / "checkpoints"  # in the repository
HOME = Path(os.environ.get("DDPM_CHECKPOINTS") or BESIDE)
FLOATS = (torch.half, torch.bfloat16, torch.float, torch.double)
# Of models from the Hub that anyone may name.
MOST_PIXELS, MOST_CLASSES = 256 * 256, 1000
WEIGHTS, CONFIG, TRAINING, CARD = "model.safetensors", "config.json", "training.json", "README.md"
PICTURE = "samples.png"  # of a diffusion model that ships
OF_RUN = "checkpoint"  # the folder that a training writes into its run folder


def available(home: Path | None = None) -> list[str]:
    """The names of the diffusion models that ship with the project."""
    return [path.name for path in _shipped(home) if not holds_classifier(path)]


def available_classifiers(home: Path | None = None) -> list[str]:
    """The names of the classifiers that ship with the project."""
    return [path.name for path in _shipped(home) if holds_classifier(path)]


def load(
    name: str | Path,
    home: Path | None = None,
    source: hub.Hub | None = None,
    progress: hub.Progress | None = None,
    device: str | torch.device = "auto",
) -> Model:
    """Load a diffusion model.

    Args:
        name: of a shipped checkpoint, a folder (of a checkpoint or a run), or a repository,
            ``owner/name`` or ``owner/name@revision``; looked for in this order, in the local cache
            before the Hub. Shipped ones lie in the repository, or in ``$DDPM_CHECKPOINTS``.
        source: the Hub to ask; the usual one unless given.
        progress: of a download; see ``Hub.folder``.
        device: see ``hardware.find_device``.

    Raises:
        CheckpointError: saying what is missing, damaged, not supported or does not fit.
        InvalidInput: for a device that is not there, naming those that are.
    """
    device = find_device(device)
    return Model(*_rebuild(find(name, home, available, source, progress), Config, name, device))


def from_hub(name: str, source: hub.Hub, device: str | torch.device = "auto") -> Model:
    """``load`` for those who let others choose: never a folder of this machine.

    A model of very large images or very many classes is refused too, and no message tells of paths.
    """
    folder = source.folder(name)
    with _called(folder, name):
        _check_modest(folder)
        return Model(*_rebuild(folder, Config, name, find_device(device)))


def check_fetched(name: str, folder: Path) -> None:
    """``check_config`` for those who let others choose; no message tells of paths."""
    with _called(folder, name):
        check_config(folder)


@contextmanager
def _called(folder: Path, name: str) -> Iterator[None]:
    try:
        yield
    except InvalidInput as error:
        raise CheckpointError(str(error).replace(f"{folder}", name)) from None


def load_classifier(
    name: str | Path,
    home: Path | None = None,
    source: hub.Hub | None = None,
    device: str | torch.device = "auto",
) -> Classifier:
    """Load a classifier; arguments and errors as of ``load``."""
    folder = find(name, home, available_classifiers, source)
    return Classifier(*_rebuild(folder, ClassifierConfig, name, find_device(device)))


def holds_classifier(folder: Path) -> bool:
    """Whether a checkpoint folder holds a classifier, as far as its config can be read."""
    with suppress(CheckpointError, OSError, TypeError):
        return "classifier" in read_json(folder / CONFIG)
    return False


def find(
    name: str | Path,
    home: Path | None = None,
    listed=available,
    source: hub.Hub | None = None,
    progress: hub.Progress | None = None,
) -> Path:
    """The folder that ``load`` reads; an error lists the names of ``listed``."""
    home, text = home or HOME, str(name)
    is_name = len(Path(text).parts) == 1 and Path(text).name != ".."
    for folder in (home / text, Path(text)) if is_name else (Path(text),):
        # os.path.isdir, unlike Path.is_dir, takes a name too long for the file system.
        if text and os.path.isdir(folder):
            inner = folder / OF_RUN
            return folder if (folder / CONFIG).exists() or not inner.is_dir() else inner
    if isinstance(name, str) and hub.is_name(text):
        return (source or hub.Hub()).folder(text, progress, check_config)
    known = ", ".join(listed(home)) or (
        f"none in {home.name}/ (set DDPM_CHECKPOINTS to the folder checkpoints/ of the repository)"
    )
    raise CheckpointError(
        f"no checkpoint {text[:200]!r}; shipped: {known}; from the Hub: owner/name"
    )


def check_config(folder: Path) -> None:
    """Refuse a model that cannot be built, by its config alone."""
    read_config(folder, ClassifierConfig if holds_classifier(folder) else Config)


def read_config(folder: Path, kind: type = Config) -> Config | ClassifierConfig:
    """Read ``config.json`` of a diffusion model, or of a classifier: ``kind`` says which."""
    content = read_json(folder / CONFIG)
    if holds_classifier(folder) != (kind is ClassifierConfig):
        raise CheckpointError(
            f"{folder} holds a classifier: it makes no pictures, and load_classifier loads it"
            if kind is Config
            else f"{folder} holds a diffusion model, no classifier: load loads it"
        )
    if diffusers_format.is_unet(content):
        name = diffusers_format.SCHEDULER
        places = [folder / name, folder / "scheduler" / name, folder.parent / "scheduler" / name]
        scheduler = next((place for place in places if place.exists()), places[0])
        content = diffusers_format.config_from(content, read_json(scheduler))
    try:
        return kind(**content)
    except TypeError as error:
        raise CheckpointError(
            f"{folder / CONFIG} is not a config of this project: {error}"
        ) from error


def save(
    folder: str | Path,
    unet: UNet,
    schedule: Schedule,
    prediction: str,
    *,
    classes: Sequence[str] = (),
    dataset: str = "",
    training: Mapping = MappingProxyType({}),
    license: str = "",
) -> Path:
    """Write a network and its schedule as a checkpoint folder, which ``load`` reads.

    Args:
        unet: of any weights; made of ``unet.config`` again.
        prediction: what it predicts, a key of ``diffusion.PREDICTION_TYPES``.
        classes: the names of its classes, in label order; their numbers unless given.
        dataset: what it was trained on, in words.
        training: how the weights came to be, as far as that is known, by the names of
            ``record.training_record``. Of the rest the card says that it is not recorded.
        license: as the Hub calls it, such as ``"mit"``; none unless given.

    Raises:
        InvalidInput: for another network, and for parts that do not go together.
    """
    if type(unet) is not UNet:
        raise InvalidInput(
            f"a {type(unet).__name__} cannot be rebuilt from a config: only a UNet of ddpm_core "
            "can be saved; any network can be sampled as a denoiser, see docs/library.md"
        )
    if schedule.config is None:
        raise InvalidInput("only a schedule of betas, or an entry of SCHEDULES, can be saved")
    folder = Path(folder).expanduser()
    if (folder / OF_RUN).is_dir():
        raise InvalidInput(f"{folder} holds a run, whose model it is: choose another folder")
    named = list(classes) or [str(number) for number in range(unet.num_classes)]
    config = Config(dict(unet.config), schedule.config, prediction, dataset, named)
    check_class_names(named)
    with without_memory():
        config.build()
    check_record(training)
    training = dict(training) | ({"license": license} if license else {})
    write_folder(folder, config, unet.state_dict(), training)
    return folder


def write_folder(
    folder: Path,
    config: Config | ClassifierConfig,
    tensors: dict[str, Tensor],
    training: Mapping = MappingProxyType({}),
    name: str = "",
) -> None:
    """Write a checkpoint folder; each file replaces its predecessor whole or not at all.

    Args:
        tensors: the state dict of the model; kept in half precision where its recipe says so.
        training: how the weights came to be, as far as it is recorded; see ``record``.
        name: for the card; that of the folder, or of the run whose folder it is in, unless given.

    Raises:
        OSError: if it cannot be written, a full disk included.
    """
    from .card import render

    config, pictured = config.complete(), (folder / PICTURE).is_file()
    called, path = name or name_of(folder), name or path_of(folder)
    card = render(called, config, tensors, training, pictured=pictured, path=path)
    folder.mkdir(parents=True, exist_ok=True)
    dtype = torch.half if training.get("recipe", {}).get("half") else torch.float
    tensors = {k: v.detach().to("cpu", dtype).contiguous() for k, v in tensors.items()}
    # Serialised in memory first: what cannot be written leaves the folder as it was, and on a full
    # disk writing bytes fails as an OSError.
    files = {
        WEIGHTS: save_tensors(tensors, metadata={"format": "pt"}),
        CONFIG: json.dumps(vars(config), indent=2) + "\n",
        TRAINING: json.dumps(dict(training), indent=1) + "\n",
        CARD: card,
    }
    for file, content in files.items():
        write(folder / file, content)


def name_of(folder: Path) -> str:
    """What a checkpoint in a folder is called: as the folder, or as the run that wrote it."""
    folder = Path(os.path.abspath(folder))  # ".." has no name of its own
    return folder.parent.name if folder.name == OF_RUN else folder.name


def path_of(folder: Path) -> str:
    """What loads the checkpoint in a folder: its name if it ships, else a path, that of its run. Of
    an absolute path no more than the name: cards are handed on, and the machine is not theirs."""
    folder = folder.parent if folder.name == OF_RUN else folder
    ships = folder.resolve().parent == HOME.resolve()
    return folder.name if ships or folder.is_absolute() else folder.as_posix()


def _shipped(home: Path | None) -> list[Path]:
    folders = sorted(path for path in (home or HOME).glob("*") if path.is_dir())
    return [path for path in folders if hub.layout(_held(path))]


def _held(folder: Path) -> list[str]:
    """The files of a folder that may be a model's, one level deep at most."""
    return [p.relative_to(folder).as_posix() for g in ("*", "*/*") for p in folder.glob(g)]


def _rebuild(folder: Path, kind: type, called: str | Path, device: torch.device) -> tuple:
    """(name, config, network, schedule, training record) of a checkpoint folder.

    The name is that of the repository, or of the folder.
    """
    name = called if isinstance(called, str) and not os.path.isdir(called) else name_of(folder)
    # A whole pipeline of diffusers keeps its network in a folder of its own.
    files = hub.layout(_held(folder)) or [WEIGHTS, CONFIG]
    folder = (folder / files[1]).parent
    config = read_config(folder, kind)
    tensors = _read_weights(folder, Path(files[0]).name)
    try:
        # Without memory: a config may describe a network far larger than its weights.
        with without_memory():
            network, schedule = config.build()
        if Path(files[0]).name == diffusers_format.WEIGHTS:
            tensors = diffusers_format.convert(tensors, config.model)
    except CheckpointError:
        raise
    except Exception as error:  # whatever PyTorch raises of arguments that make no network
        raise CheckpointError(f"{folder / CONFIG} describes no valid model: {error}") from error
    try:
        network.eval().load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        what = " ".join(f"{error}".split()[:60])
        raise CheckpointError(f"the weights in {folder} do not fit its config: {what}") from error
    network.to(device)
    if kind is Config:
        lay_out(network)
    training = read_json(folder / TRAINING, {})
    if not isinstance(training, dict):
        raise CheckpointError(f"{folder / TRAINING} holds no record of a training")
    return name, config, network, schedule, training


def _check_modest(folder: Path) -> None:
    """Refuse what would take much more memory than its weights do."""
    for path in (folder / name for name in _held(folder) if name.endswith(".json")):
        if path.stat().st_size > hub.MOST_JSON:
            raise CheckpointError(f"{path} is larger than {hub.MOST_JSON // 2**20} MiB")
    files = hub.layout(_held(folder)) or [WEIGHTS, CONFIG]
    config = read_config((folder / files[1]).parent)
    try:
        side = check_int("image_size", config.model.get("image_size"), 1, 4096)
        check_int("pixels of an image", side**2, 1, MOST_PIXELS)
        check_choice("number of colours", config.model.get("in_channels", 1), (1, 3))
        check_int("number of classes", len(config.classes), 0, MOST_CLASSES)
        check_int("num_timesteps", config.schedule.get("num_timesteps", 1000), 1, 10_000)
    except (AttributeError, TypeError) as error:
        raise CheckpointError(f"{folder / CONFIG} is not a config: {error}") from error


def read_json(path: Path, default=None):
    """The content of a JSON file; ``default``, if one is given, where there is no file."""
    if not path.exists():
        if default is not None:
            return default
        raise CheckpointError(f"{path} is missing")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error


def _read_weights(folder: Path, file: str) -> dict[str, Tensor]:
    path = folder / file
    if not path.exists():
        hub.refuse_pickle(folder, [other.name for other in folder.iterdir()])
        raise CheckpointError(f"{path} is missing")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, AttributeError) as error:  # the last of a type PyTorch lacks
        raise CheckpointError(f"{path} is truncated or no safetensors file: {error}") from error
    for name, value in tensors.items():
        if value.dtype not in FLOATS:
            raise CheckpointError(f"{path}: {name} is of type {value.dtype}, which is not read")
        # A copy: what safetensors hands out lies in the file, which may be written to.
        tensors[name] = value.to(torch.float, copy=True)
        if not tensors[name].isfinite().all():
            raise CheckpointError(f"{path} is damaged: {name} is not finite")
    return tensors

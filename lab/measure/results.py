"""Figures as files: ``results/KIND-DIGEST.json`` in a checkpoint's folder.

A result is an object with its ``kind``, its figures, and under ``protocol`` all that they depend
on. The digest is that of the protocol: a figure that is measured again replaces the old one, and
a figure that is measured otherwise stands beside it. Further training changes the weights, of the
model or of the feature net, and makes older figures stale: ``current`` reads those of the present
weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ddpm_core.checkpoints import WEIGHTS, read_json
from ddpm_core.errors import CheckpointError
from ddpm_core.files import write

FOLDER = "results"


def save(folder: Path, result: dict) -> Path:
    """Write a result below a folder; returns its file."""
    text = json.dumps(result["protocol"], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = Path(folder) / FOLDER / f"{result['kind']}-{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, json.dumps(result, indent=1) + "\n")
    return path


def read(folder: Path) -> list[dict]:
    """The results of a checkpoint's folder, by file name."""
    return [read_file(path) for path in sorted((Path(folder) / FOLDER).glob("*.json"))]


def current(folder: Path, of: Path | None = None) -> list[dict]:
    """``read``, without ``stale`` results; ``of`` is the checkpoint's folder, if another one."""
    return [result for result in read(folder) if not stale(result, of or folder)]


def stale(result: dict, checkpoint: Path) -> bool:
    """True if a result is of other weights than a checkpoint's, or by another feature net or guide
    than the one of the same name beside it. Missing weights make no result stale."""
    about, folder = result["protocol"], Path(checkpoint)
    if mark_of(folder) not in (None, about.get("weights_mark")):
        return True
    net = about.get("features") or {"name": about.get("space"), "mark": about.get("space_mark")}
    return any(_is_another(used, folder.parent) for used in (net, about.get("guide")) if used)


def _is_another(net: dict, home: Path) -> bool:
    """True if the checkpoint of that name has another network."""
    name = str(net.get("name"))
    return Path(name).name == name and mark_of(home / name) not in (None, net.get("mark"))


def drop_stale(folder: Path, of: Path | None = None) -> list[Path]:
    """Delete what ``current`` leaves out; returns the deleted files."""
    paths = sorted((Path(folder) / FOLDER).glob("*.json"))
    deleted = [path for path in paths if stale(read_file(path), of or folder)]
    for path in deleted:
        path.unlink()
    return deleted


def mark_of(folder: Path) -> str | None:
    """The ``fingerprint`` of the network in a checkpoint's folder, from its file alone; None
    without weights."""
    path = Path(folder) / WEIGHTS
    try:
        stat = path.stat()
    except OSError:
        return None
    return _mark(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _mark(path: Path, changed: int, size: int) -> str:
    try:
        return _digest({name: tensor.float() for name, tensor in load_file(path).items()})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is truncated or no safetensors file: {error}") from error


def fingerprint(net: nn.Module) -> str:
    """16 hexadecimal digits of a network's weights: equal for equal weights, on any machine."""
    return _digest(net.state_dict())


def _digest(tensors: Mapping[str, Tensor]) -> str:
    hasher = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        hasher.update(name.encode())
        hasher.update(value.detach().cpu().contiguous().numpy().tobytes())
    return hasher.hexdigest()[:16]


def read_file(path: Path) -> dict:
    """One result; an error names the file that holds none."""
    result = read_json(path)
    if not isinstance(result, dict) or not {"kind", "protocol"} <= result.keys():
        raise CheckpointError(f"{path} holds no result")
    return result

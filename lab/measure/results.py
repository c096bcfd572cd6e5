"""Figures as files: ``results/KIND-DIGEST.json`` in a checkpoint's folder.

A result is an object with its ``kind``, its figures, and under ``protocol`` all that they depend
on. The digest is that of the protocol: measured again, a figure replaces its predecessor, and
measured otherwise it stands beside it. Training on changes the weights, of the model or of the
feature net, and with them what a figure is of: ``current`` reads those of the weights that lie
there now.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ddpm_core.checkpoints import WEIGHTS
from ddpm_core.errors import CheckpointError
from ddpm_core.files import write

from ..weights import digest

FOLDER = "results"


def save(folder: Path, result: dict) -> Path:
    """Write a result below a folder; returns its file."""
    text = json.dumps(result["protocol"], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = Path(folder) / FOLDER / f"{result['kind']}-{digest}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, json.dumps(result, indent=1) + "\n")
    return path


def read(folder: Path, kind: str | None = None) -> list[dict]:
    """The results of a checkpoint's folder, by file name; of one ``kind``, such as ``"fid"``."""
    found = map(read_file, sorted((Path(folder) / FOLDER).glob("*.json")))
    return [result for result in found if kind in (None, result["kind"])]


def current(folder: Path, kind: str | None = None, of: Path | None = None) -> list[dict]:
    """``read``, without what is ``stale``; ``of`` is the checkpoint's folder, if another one."""
    return [result for result in read(folder, kind) if not stale(result, of or folder)]


def stale(result: dict, checkpoint: Path) -> bool:
    """Whether it is of other weights than lie in a checkpoint's folder, or by another feature net
    or guide than lies beside that under the same name. Weights that are not there tell nothing."""
    about, folder = result["protocol"], Path(checkpoint)
    if mark_of(folder) not in (None, about.get("weights_mark")):
        return True
    net = about.get("features") or {"name": about.get("space"), "mark": about.get("space_mark")}
    return any(_is_another(it, folder.parent) for it in (net, about.get("guide")) if it)


def _is_another(net: dict, home: Path) -> bool:
    """True if the checkpoint of that name has another network."""
    name = str(net.get("name"))
    return Path(name).name == name and mark_of(home / name) not in (None, net.get("mark"))


def drop_stale(folder: Path, of: Path | None = None) -> list[Path]:
    """Delete what ``current`` leaves out; returns what is gone."""
    paths = sorted((Path(folder) / FOLDER).glob("*.json"))
    gone = [path for path in paths if stale(read_file(path), of or folder)]
    for path in gone:
        path.unlink()
    return gone


def mark_of(folder: Path) -> str | None:
    """The ``fingerprint`` of the network in a checkpoint's folder, of its file alone; None without
    weights."""
    path = Path(folder) / WEIGHTS
    try:
        about = path.stat()
    except OSError:
        return None
    return _mark(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=64)
def _mark(path: Path, changed: int, size: int) -> str:
    try:
        with safe_open(path, framework="pt") as weights:
            names = list(weights.keys())
            return digest({name: weights.get_tensor(name).float() for name in names})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is truncated or no safetensors file: {error}") from error


def read_file(path: Path) -> dict:
    """One result; an error names the file that holds none."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(result, dict) or not {"kind", "protocol"} <= result.keys():
        raise CheckpointError(f"{path} holds no result")
    return result

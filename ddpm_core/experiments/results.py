"""Figures as files: ``results/KIND-DIGEST.json`` in a checkpoint's folder.

A result is an object with its ``kind``, its figures, and under ``protocol`` all that they depend
on. The digest is that of the protocol: measured again, a figure replaces its predecessor, and
measured otherwise it stands beside it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ..errors import CheckpointError
from ..files import write

FOLDER = "results"


def save(folder: Path, result: dict) -> Path:
    """Write a result below a folder; returns its file.

    Args:
        result: ``kind``, ``protocol`` and figures.
    """
    text = json.dumps(result["protocol"], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = Path(folder) / FOLDER / f"{result['kind']}-{digest}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, json.dumps(result, indent=1) + "\n")
    return path


def read(folder: Path, kind: str | None = None) -> list[dict]:
    """The results of a checkpoint's folder, by file name.

    Args:
        kind: such as ``"fid"``; all kinds unless given.

    Raises:
        CheckpointError: naming the file that holds no result.
    """
    found = []
    for path in sorted((Path(folder) / FOLDER).glob("*.json")):
        result = read_file(path)
        if kind in (None, result["kind"]):
            found.append(result)
    return found


def read_file(path: Path) -> dict:
    """One result; raises as ``read`` does."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(result, dict) or not {"kind", "protocol"} <= result.keys():
        raise CheckpointError(f"{path} holds no result")
    return result

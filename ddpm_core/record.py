"""How weights came to be: what ``training.json`` and the card tell of a training."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from . import __version__, processes
from .data import Batches
from .errors import InvalidInput
from .hardware import describe

SCRIPTS = {"ddpm": "ddpm_core", "ddpm-lab": "lab"}  # of an installed package
# What may change when a run is resumed, and what the record puts between the values.
SITUATION = {"command": " && ", "commit": "; then ", "hardware": "; then ", "precision": "; then "}

NUMBERS = ("steps", "images", "training_set", "held_out", "hours")


def situation(device: torch.device, bf16: bool) -> dict[str, str]:
    """Command, commit, hardware and precision of this process, and how many share the work."""
    count = processes.count()
    return {
        "command": command(running(), sys.argv[1:]),
        "commit": commit(),
        "hardware": describe(device) + (f", each of {count} processes" if count > 1 else ""),
        "precision": "bfloat16 autocast" if bf16 else "float32",
    }


def joined(before: dict[str, list[str]], now: dict[str, str]) -> dict[str, list[str]]:
    """The values before, and after them the value now wherever it differs from the last."""
    past = {name: before.get(name, []) for name in SITUATION}
    return {k: v if v[-1:] == [now[k]] else [*v, now[k]] for k, v in past.items()}


def training_record(loop) -> dict:
    """How the weights of a ``training.Loop`` came to be."""
    return {
        "recipe": asdict(loop.recipe),
        **{name: SITUATION[name].join(past) for name, past in loop.situation.items()},
        "steps": loop.step,
        "images": loop.step * loop.recipe.batch_size,
        "training_set": len(loop.images),
        # The loss is measured on a data loader's first batch, which is trained on as well.
        "held_out": 0 if isinstance(loop.images, Batches) else len(loop.validation.images),
        **({"source": loop.images.source} if loop.images.source else {}),
        **({"finetuned": loop.finetuned} if loop.finetuned else {}),
        "hours": round(loop.seconds / 3600, 2),
        "weights": f"EMA, decay {loop.recipe.ema}" if loop.recipe.ema else "the last, not averaged",
        "history": loop.history,
    }


def check_record(record: Mapping) -> None:
    """Refuse what cannot be the record of a training; what is not known is left out of it."""
    try:
        json.dumps(dict(record))
    except TypeError as error:
        raise InvalidInput(f"the record of a training cannot be written down: {error}") from None
    for name in NUMBERS:
        if not isinstance(record.get(name, 0), int | float):
            raise InvalidInput(f"{name} of a training must be a number, not {record[name]!r:.60}")
    if not isinstance(record.get("recipe", {}), Mapping) or not _is_history(record):
        raise InvalidInput("recipe of a training must be a dictionary, history a list of them")


def _is_history(record: Mapping) -> bool:
    history = record.get("history", [])
    return isinstance(history, list) and all(isinstance(entry, Mapping) for entry in history)


def command(module: str, words: list[str]) -> str:
    """The command as anyone may repeat it: of a path out of this folder only its last part.

    Args:
        module: what ``python -m`` runs, see ``running``.
    """
    if module not in SCRIPTS.values():
        return "not recorded: called from another program"
    words = [re.sub(r"(^|=)(?:/|\.\./)(?:.*/)?", r"\1", word) for word in words]
    return f"python -m {module} {shlex.join(words)}"


def running() -> str:
    """The module that this process runs as a command; empty if Python runs something else."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)  # of ``python -m``
    return spec.parent if spec else SCRIPTS.get(Path(sys.argv[0]).stem, "")


def commit() -> str:
    """The commit of this code, with ``-dirty`` where it was changed since; its version where it is
    installed."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():  # git would tell of whatever repository is around it
        return f"version {__version__}"
    words = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

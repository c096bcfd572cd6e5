"""How weights came to be: what ``training.json`` and the card tell of a training."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from .errors import InvalidInput
from .hardware import describe

# What may differ where a run was stopped and went on, and what the record joins it by.
SITUATION = {"command": " && ", "commit": "; then ", "hardware": "; then ", "precision": "; then "}
# What is told of a run that another carried on.
RUN = ("command", "commit", "steps", "images", "hours", "hardware", "precision", "weights")


def situation(device: torch.device, bf16: bool) -> dict[str, list[str]]:
    """Command, commit, hardware and precision of this process, each a list of one."""
    return {
        "command": [command(sys.argv[1:])],
        "commit": [commit()],
        "hardware": [describe(device)],
        "precision": ["bfloat16 autocast" if bf16 else "float32"],
    }


def joined(before: Mapping[str, list], now: Mapping[str, list]) -> dict[str, list[str]]:
    """What was so before, followed by what is so now where that differs."""
    both = {}
    for name, told_now in now.items():
        told = before.get(name, [])
        both[name] = told if told[-1:] == told_now else [*told, *told_now]
    return both


def training_record(loop) -> dict:
    """How the weights of a ``training.Loop`` came to be, the runs before it included."""
    return {
        "recipe": asdict(loop.recipe),
        **{name: SITUATION[name].join(told) for name, told in loop.situation.items()},
        "steps": loop.drawn,
        "images": loop.images_seen,
        "training_set": len(loop.images),
        "held_out": len(loop.validation),
        **({"source": loop.images.source} if loop.images.source else {}),
        **({"earlier": loop.earlier} if loop.earlier else {}),
        "hours": round(loop.seconds / 3600 + total(loop.earlier, "hours"), 2),
        "weights": f"EMA, decay {loop.recipe.ema}",
        "history": loop.history,
    }


def earlier_runs(name: str, record: Mapping) -> list[dict]:
    """The runs that made a checkpoint of this record, each with its own steps, images and hours."""
    missing = [key for key in RUN if key not in record]
    if missing:
        raise InvalidInput(f"{name} does not tell of its training: {', '.join(missing)}")
    before = record.get("earlier", [])
    last = {key: record[key] for key in (*RUN, "broken_off") if key in record}
    for key in ("steps", "images", "hours"):
        last[key] = round(last[key] - total(before, key), 2)
    return [*before, last]


def total(runs: list[dict], key: str) -> float:
    """The sum of one figure over some runs."""
    return sum(run[key] for run in runs)


def command(words: list[str]) -> str:
    """The command as anyone may repeat it: of an absolute path only its last part."""
    words = [re.sub(r"(^|=)/(?:.*/)?", r"\1", word) for word in words]
    return "python -m ddpm_core " + shlex.join(words)


def commit() -> str:
    """The commit of this code, with ``-dirty`` where it was changed since."""
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

"""What tests against the fake Hub ask and expect."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from ddpm_core import Request, checkpoints
from ddpm_core.errors import CheckpointError

QUICK = Request(n=2, steps=3, dtype="float32")


def refusal(call, within: float = 2.0) -> str:
    """What the call is refused with, in no more seconds than ``within``."""
    begun = time.monotonic()
    with pytest.raises(CheckpointError) as refused:
        call()
    assert time.monotonic() - begun < within
    return str(refused.value)


def command(words, folder, package="ddpm_core", **environment):
    """Run the command line as a process of its own."""
    own = {"HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1"}
    own |= {"PYTHONPATH": str(checkpoints.HOME.parent)}
    return subprocess.run(
        [sys.executable, "-m", package, *words],
        cwd=folder,
        env=os.environ | own | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

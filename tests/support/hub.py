"""What tests against the fake Hub ask and expect."""

from __future__ import annotations

import time

import pytest

from ddpm_core import Request
from ddpm_core.errors import CheckpointError

QUICK = Request(n=2, steps=3, dtype="float32")


def refusal(call, within: float = 2.0) -> str:
    """What the call is refused with, in no more seconds than ``within``."""
    begun = time.monotonic()
    with pytest.raises(CheckpointError) as refused:
        call()
    assert time.monotonic() - begun < within
    return str(refused.value)

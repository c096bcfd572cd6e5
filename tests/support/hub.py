"""What tests against the fake Hub ask and expect."""

import time
from unittest.mock import create_autospec

import pytest
from huggingface_hub import HfApi

from ddpm_core import Request
from ddpm_core.errors import CheckpointError

QUICK = Request(n=2, steps=3, dtype="float32")


def refusal(call, within: float = 15.0) -> str:
    """The message of the call's refusal, which takes at most ``within`` seconds."""
    start = time.monotonic()
    with pytest.raises(CheckpointError) as refused:
        call()
    assert time.monotonic() - start < within
    return str(refused.value)


def uploads(patch) -> HfApi:
    """The client from now on: it notes what it is asked to write, and writes nothing."""
    client = create_autospec(HfApi, instance=True)
    client.create_repo.side_effect = lambda repo_id, **_: f"a Hub/{repo_id}"
    patch.setattr("huggingface_hub.HfApi", lambda **_: client)
    return client

"""What is measured of models: users of the core, not part of it.

Whatever takes long is a generator. It yields ``Progress`` after every batch or step, and last of
all its result; so the command line draws a bar, and a page gives way to others in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Progress:
    """How far a measurement has come.

    Attributes:
        what: being done, in words.
        done, total: of it; ``done`` is never larger.
    """

    what: str
    done: int
    total: int


def last(iterable: Iterable, progress=None):
    """Run a measurement to its end and return its result.

    Args:
        progress: called with every ``Progress``.
    """
    found = None
    for found in iterable:
        if progress and isinstance(found, Progress):
            progress(found)
    return found


def fingerprint(net: nn.Module) -> str:
    """16 hexadecimal digits of a network's weights: equal for equal weights, on any machine."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]

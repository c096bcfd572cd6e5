"""What is measured of models: users of the core, not part of it.

Whatever takes long is a generator. It yields ``Progress`` after every batch or step, and last of
all its result; so the command line draws a bar, and a page gives way to others in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn


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


def last(iterable: Iterable):
    """Run a measurement to its end and return its result."""
    found = None
    for found in iterable:
        pass
    return found


def passed(measurement: Iterable):
    """Its progress; returns its result. For ``found = yield from passed(...)``."""
    found = None
    for found in measurement:
        if isinstance(found, Progress):
            yield found
    return found


def fingerprint(net: nn.Module) -> str:
    """16 hexadecimal digits of a network's weights: equal for equal weights, on any machine."""
    return digest(net.state_dict())


def digest(tensors: Mapping[str, Tensor]) -> str:
    """The ``fingerprint`` of a network with these weights."""
    found = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]

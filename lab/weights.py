"""The mark of a network's weights, by which a stored figure names what it was measured of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor, nn


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

"""The mark of a network's weights. A stored figure has the mark of the weights it measures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor, nn


def fingerprint(net: nn.Module) -> str:
    """16 hexadecimal digits of a network's weights: equal for equal weights, on any machine."""
    return digest(net.state_dict())


def digest(tensors: Mapping[str, Tensor]) -> str:
    """The ``fingerprint`` of a network with these weights."""
    hasher = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        hasher.update(name.encode())
        hasher.update(value.detach().cpu().contiguous().numpy().tobytes())
    return hasher.hexdigest()[:16]

"""Pictures as arrays: (..., H, W, C), uint8."""

from __future__ import annotations

import numpy as np

PAPER = 255  # between pictures


def enlarge(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Repeat every pixel ``scale`` times in both directions."""
    return pixels.repeat(scale, axis=-3).repeat(scale, axis=-2)

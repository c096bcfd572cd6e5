"""What the machine can do while it is measured, and whether it was left alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import torch

from ddpm_core.hardware import describe

Result = TypeVar("Result")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
SQUARE = (1024, 1024, 1024)
# The products that the convolutions of the three levels of the shipped model amount to, at 16
# images: pixels x (9 x channels in) x channels out.
LIKE_OURS = ((16 * 784, 144, 16), (16 * 196, 288, 32), (16 * 49, 720, 80))
BUSY, UNSTEADY = 0.3, 0.1
VERSIONS = ("torch", "diffusers", "denoising-diffusion-pytorch")


@dataclass(frozen=True)
class Rates:
    """GFLOP/s of a square matrix product, by ``"fp32"`` and ``"bf16"``."""

    fp32: float
    bf16: float

    def differs(self, other: Rates) -> float:
        """By how much, in proportion, the worse of the two."""
        pairs = ((self.fp32, other.fp32), (self.bf16, other.bf16))
        return max(abs(a / b - 1) for a, b in pairs)


def gemm_rate(dtype: torch.dtype, size=SQUARE, seconds: float = 0.15) -> float:
    """GFLOP/s of (m, k) @ (k, n), the median of many products.

    Args:
        size: (m, k, n).
        seconds: how long to measure.
    """
    m, k, n = size
    a, b = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
    for _ in range(3):
        a @ b
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        begun = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - begun)
    return 2 * m * k * n / sorted(times)[len(times) // 2] / 1e9


def rates() -> Rates:
    """The ceiling, in both dtypes."""
    return Rates(*(gemm_rate(dtype) for dtype in DTYPES.values()))


def steadily(
    measure: Callable[[], Result], tries: int, ceiling: Callable[[], Rates] = rates
) -> tuple[Result, Rates, str]:
    """Measure between two looks at the ceiling, anew while they differ by more than a tenth.

    Returns:
        What was measured, the ceiling (the mean of both looks), and a note where the last try
        was no steadier; empty otherwise.
    """
    for _ in range(tries):
        before, found, after = ceiling(), measure(), ceiling()
        mean = Rates((before.fp32 + after.fp32) / 2, (before.bf16 + after.bf16) / 2)
        drift = before.differs(after)
        if drift <= UNSTEADY:
            return found, mean, ""
    return found, mean, f"NOT TO BE USED: the machine's own rate drifted by {drift:.0%}"


def load(seconds: float = 1.0) -> float | None:
    """Processors in use while this process rests; None where the system does not tell."""
    try:
        busy = _busy()
        time.sleep(seconds)
        return (_busy() - busy) / os.sysconf("SC_CLK_TCK") / seconds
    except (OSError, ValueError, AttributeError):
        return None


def _busy() -> int:
    """Ticks that all processors together have worked."""
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split()[1:9])
    return user + nice + system + sum(interrupts)


def heading() -> list[str]:
    """Machine, versions, threads and load, with a warning where it is busy."""
    versions = [f"{name} {version(name)}" for name in VERSIONS if find_spec(name.replace("-", "_"))]
    lines = [
        f"{date.today()}; {describe()}; {', '.join(versions)}; eager",
        "one process, and one for each case of cost over size: they keep freed memory where the C "
        "library can, as every command does; the application, in its own, does not",
    ]
    now = load()
    if now is None:
        return [*lines, "processors in use besides: unknown"]
    lines.append(f"processors in use besides: {now:.2f}")
    if now > BUSY:
        lines.append("WARNING: this machine is busy. Times mean nothing, ratios little.")
    return lines

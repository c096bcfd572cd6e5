"""What this machine can do, decided by its flags and never by timing."""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from pathlib import Path

import torch

from .errors import InvalidInput

# Options of mallopt, see its manual page; it takes a C int.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
LARGEST_INT = 2**31 - 1
NATIVE = {"avx512_bf16", "amx_bf16"}  # flags of processors that compute bfloat16


def devices() -> list[str]:
    """The kinds of device that this machine has, the fastest first; the last is ``"cpu"``."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [*(kind for kind, available in there.items() if available), "cpu"]


def find_device(name: str | torch.device = "auto") -> torch.device:
    """The device of this name, as PyTorch spells it; ``"auto"`` is the first of ``devices``.

    Raises:
        InvalidInput: naming what this machine has.
    """
    if name == "auto":
        return torch.device(devices()[0])
    try:
        torch.zeros(1, device=name).cpu()  # not only known, but there
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:  # of an unknown name, a missing device
        there = ", ".join(devices())
        raise InvalidInput(f"device {name!r} cannot be used; this machine has: {there}") from error


@cache
def bf16_is_native(device: torch.device | str = "cpu") -> bool:
    """Whether bfloat16 is computed in hardware; where it is emulated it is slow."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and not NATIVE.isdisjoint(_cpuinfo().get("flags", "").split())


def describe(device: torch.device | str = "cpu") -> str:
    """The processor in words, for a model's card."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return f"{device.type}, {platform.platform()}"
    name = _cpuinfo().get("model name", platform.processor() or platform.machine())
    return f"{name}, {torch.get_num_threads()} thread(s)"


def keep_memory() -> None:
    """Let this process keep what it frees for its next step, where the C library is glibc.

    By default glibc gives the tensors of a step back to the system and asks for them again a moment
    later, which costs the main thread a page fault for every 4 KiB of them.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    # First: the other two fix it where it stands, and that is far too low. Before 2.35 glibc took
    # no more than 32 MiB.
    if any(mallopt(M_MMAP_THRESHOLD, size) for size in (2**30, 2**25)):
        mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
        mallopt(M_TOP_PAD, 2**26)


@cache
def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    lines = (line.partition(":") for line in path.read_text().splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}

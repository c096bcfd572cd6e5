"""What this machine can do, decided by its flags and never by timing."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch


@cache
def bf16_is_native(device: torch.device | str = "cpu") -> bool:
    """Whether bfloat16 is computed in hardware; where it is emulated it is slow."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool({"avx512_bf16", "amx_bf16"} & _cpu_flags())


@cache
def describe(device: torch.device | str = "cpu") -> str:
    """The processor in words, for a model's card."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = _cpuinfo().get("model name", platform.processor() or platform.machine())
    return f"{name}, {torch.get_num_threads()} thread(s)"


def _cpu_flags() -> set[str]:
    return set(_cpuinfo().get("flags", "").split())


@cache
def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    lines = (line.partition(":") for line in path.read_text().splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}

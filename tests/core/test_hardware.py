"""What is asked of the machine, beyond arithmetic."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Tensors as the steps of a large batch have them.
SCRIPT = """
import resource, sys, torch
from ddpm_core.hardware import keep_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    return [torch.ones(4 * 2**20) for _ in range(3)]

kept = sys.argv[1] == "keep" and keep_memory()
step()
before = faults()
for _ in range(5):
    step()
print(int(kept), faults() - before)
"""


def test_freed_memory_is_kept_for_the_next_step_where_the_c_library_is_glibc():
    def run(how):
        command = [sys.executable, "-c", SCRIPT, how]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return [int(number) for number in done.stdout.split()]

    (kept, few), (_, many) = run("keep"), run("give back")
    assert kept == (platform.libc_ver()[0] == "glibc")
    # 48 MiB five times over are some 60,000 pages; huge pages make them fewer.
    assert not kept or few < many / 10 != 0


def test_another_c_library_is_left_alone(monkeypatch):
    from ddpm_core import hardware

    monkeypatch.setattr(hardware.ctypes, "CDLL", lambda _: object())
    assert not hardware.keep_memory()

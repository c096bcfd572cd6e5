"""What is asked of the machine, beyond arithmetic."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Tensors as the steps of a large batch have them.
SCRIPT = """
import resource, torch
from ddpm_core.hardware import keep_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    return [torch.ones(4 * 2**20) for _ in range(3)]

def faults_of_five_steps():
    step()
    before = faults()
    for _ in range(5):
        step()
    return faults() - before

many = faults_of_five_steps()
print(int(keep_memory()), faults_of_five_steps(), many)
"""


def test_freed_memory_is_kept_for_the_next_step_where_the_c_library_is_glibc():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    kept, few, many = map(int, done.stdout.split())
    assert kept == (platform.libc_ver()[0] == "glibc")
    # 48 MiB five times over are some 60,000 pages; huge pages make them fewer.
    assert not kept or few < many / 10 != 0


def test_another_c_library_is_left_alone(monkeypatch):
    from ddpm_core import hardware

    monkeypatch.setattr(hardware.ctypes, "CDLL", lambda _: object())
    assert not hardware.keep_memory()

"""Time and memory over n, steps and image size, each case in a process of its own.

``python -m lab.bench.growth '{"n": 64}'`` is that process; it prints JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ddpm_core.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
# Turns of a case; of one that takes so many seconds, fewer.
TURNS, LONG = 3, 20.0


@dataclass(frozen=True)
class Case:
    """``n`` images of ``size`` x ``size`` in ``steps`` steps, by the application's defaults."""

    n: int = 64
    steps: int = 20
    size: int = 28


@dataclass(frozen=True)
class Cost:
    """Attributes:
    seconds: of sampling alone, of every turn.
    peak: MiB, the most memory that the process ever held.
    above: MiB of it beyond what it held before it sampled, the model loaded.
    """

    seconds: list[float]
    peak: float
    above: float


def cost(case: Case, threads: int) -> Cost:
    """Sample in a child process.

    Raises:
        InvalidInput: if it fails, with its last words.
    """
    words = json.dumps(asdict(case) | {"threads": threads})
    command = [sys.executable, "-m", __name__, words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise InvalidInput(f"{case} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def peak_mib() -> float:
    """The most memory this process ever held, in MiB.

    Raises:
        InvalidInput: where the system does not tell.
    """
    told = _status("VmHWM:")
    if told is not None:
        # What getrusage tells a child on Linux begins with the size of its parent.
        return told
    try:
        import resource
    except ImportError:
        raise InvalidInput("this system does not tell a process's peak memory") from None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def held_mib() -> float:
    """The memory this process holds now, in MiB; where the system does not tell, the most so far.

    Raises:
        InvalidInput: as ``peak_mib``.
    """
    told = _status("VmRSS:")
    return peak_mib() if told is None else told


def _status(name: str) -> float | None:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), None)


def measure(case: Case) -> Cost:
    """Sample in this process; the model is loaded and warm before the clock starts."""
    from ddpm_core.request import Request
    from ddpm_core.sampling import BATCH, sample

    from . import ours
    from .shapes import GREY

    model = ours.model(GREY, case.size)
    before = held_mib()
    # Every size of batch that is to come, and both precisions.
    for n in {min(case.n, BATCH), case.n % BATCH or BATCH}:
        sample(model, Request(n=n, steps=2))
    seconds: list[float] = []
    while len(seconds) < TURNS and sum(seconds) < LONG:
        begun = time.perf_counter()
        sample(model, Request(n=case.n, steps=case.steps))
        seconds.append(time.perf_counter() - begun)
    peak = peak_mib()
    return Cost(seconds, peak, peak - before)


def main() -> None:
    import torch

    from ddpm_core.hardware import keep_memory

    keep_memory()  # as every command does that samples
    options = json.loads(sys.argv[1])
    torch.set_num_threads(options.pop("threads"))
    print(json.dumps(asdict(measure(Case(**options)))))


if __name__ == "__main__":
    main()

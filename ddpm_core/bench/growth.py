"""Time and memory over n, steps and image size, each case in a process of its own.

``python -m ddpm_core.bench.growth '{"n": 64}'`` is that process; it prints JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Case:
    """``n`` images of ``size`` x ``size`` in ``steps`` steps, by the application's defaults."""

    n: int = 64
    steps: int = 20
    size: int = 28


@dataclass(frozen=True)
class Cost:
    """Attributes:
    seconds: of sampling alone.
    peak: MiB, the most memory that the process ever held.
    above: MiB of it that sampling added to what the loaded model takes.
    """

    seconds: float
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
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage tells a child on Linux begins with the size of its parent.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:
        raise InvalidInput("this system does not tell a process's peak memory") from None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def measure(case: Case) -> Cost:
    """Sample in this process; the model is loaded and warm before the clock starts."""
    from ..request import Request
    from ..sampling import sample
    from . import ours
    from .shapes import GREY

    model = ours.model(GREY, case.size)
    sample(model, Request(n=1, steps=2))
    before, begun = peak_mib(), time.perf_counter()
    sample(model, Request(n=case.n, steps=case.steps))
    seconds, peak = time.perf_counter() - begun, peak_mib()
    return Cost(seconds, peak, peak - before)


def main() -> None:
    import torch

    options = json.loads(sys.argv[1])
    torch.set_num_threads(options.pop("threads"))
    print(json.dumps(asdict(measure(Case(**options)))))


if __name__ == "__main__":
    main()

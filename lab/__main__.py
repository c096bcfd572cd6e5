"""The command line: ``python -m lab evaluate|race|...``."""

from __future__ import annotations

import sys

from ddpm_core.__main__ import answer
from ddpm_core.commands import sample
from ddpm_core.hardware import keep_memory

from .commands import bench, evaluate, forward, push, race, reproduce, ship, train

EXAMPLES = """\
examples:
  python -m lab race schedules --model mnist-linear --against mnist-cosine --out race.gif
  python -m lab forward --picture mine.png --back --label 3 --out back.png
  python -m lab evaluate --model mnist-conditional --guidance cfg --scales 1 2 4 --n 1000
  python -m lab reproduce --quick
  python -m lab bench --quick
sample, train, train-classifier and push are those of ddpm_core, with the report's errors, the
judges and what was measured.
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    return answer(
        argv,
        (race, forward, evaluate, reproduce, bench, sample, train, ship, push),
        prog="python -m lab",
        description="Watch denoising diffusion models and measure them.",
        epilog=EXAMPLES,
    )


def script() -> int:
    """``main`` in a process of its own: the command ``ddpm-lab``."""
    keep_memory()
    return main()


if __name__ == "__main__":
    sys.exit(script())

"""The command line: ``python -m ddpm_core sample|train|...``."""

from __future__ import annotations

import argparse
import os
import sys

# Read when the Hub's client is imported: it asks for what it is told to fetch, and nothing else;
# and by plain HTTP, whose failures end in bounded time.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

from .commands import (
    bench,
    evaluate,
    forward,
    push,
    race,
    reproduce,
    sample,
    ship,
    train,
    train_classifier,
)
from .errors import InvalidInput
from .hardware import keep_memory

EXAMPLES = """\
examples:
  python -m ddpm_core sample --model mnist-conditional --n 64 --label all --out digits.png
  python -m ddpm_core sample --model mnist-conditional --label 3 --steps 50 --out three.gif
  python -m ddpm_core sample --guidance cfg --label all --scales 0 1 2 4 8 --out atlas.png
  python -m ddpm_core race schedules --model mnist-linear --against mnist-cosine --out race.gif
  python -m ddpm_core forward --picture mine.png --back --label 3 --out back.png
  python -m ddpm_core evaluate --model mnist-conditional --guidance cfg --scale 1 2 4 --n 1000
  python -m ddpm_core reproduce --quick
  python -m ddpm_core bench --quick
  python -m ddpm_core train --recipe mnist-conditional --out runs/mine
  python -m ddpm_core train --dataset fashion-mnist --schedule cosine --epochs 5 --out runs/clothes
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ddpm_core",
        description="Train denoising diffusion models, sample from them and measure them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    measuring = (sample, race, forward, evaluate, reproduce, bench)
    for command in (*measuring, train, train_classifier, ship, push):
        command.add(commands)
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except (InvalidInput, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    keep_memory()
    sys.exit(main())

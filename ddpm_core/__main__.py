"""The command line: ``python -m ddpm_core COMMAND``, or ``ddpm COMMAND``: see ``--help``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from importlib import import_module

# Read when the Hub's client is imported: it asks for what it is told to fetch, and nothing else;
# and by plain HTTP, whose failures end in bounded time.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

import torch

from . import processes
from .commands import export, push, sample, train
from .errors import InvalidInput, check_int
from .hardware import keep_memory

EXAMPLES = """\
examples:
  python -m ddpm_core sample --model mnist-conditional --n 64 --label all --out digits.png
  python -m ddpm_core sample --model mnist-conditional --label 3 --steps 50 --out three.gif
  python -m ddpm_core sample --guidance cfg --label all --scales 0 1 2 4 8 --out atlas.png
  python -m ddpm_core train --recipe mnist-conditional --out runs/mine
  python -m ddpm_core train --dataset fashion-mnist --schedule cosine --epochs 5 --out runs/clothes
  python -m ddpm_core push runs/mine/checkpoint --repo-id you/digits
'python -m lab --help' lists what watches and measures models.
"""
# What was a command of this package before there was ``lab``, and what is known only there.
MOVED = ("evaluate", "reproduce", "bench", "race", "forward", "ship", "push-space")
OF_LAB = {"--fault", "--fid", "mnist-judge", "cifar10-judge"}
# Seconds in which ``torchrun`` ends the other processes, if the first one met the same error.
ITS_TURN = 2


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    words = [word.partition("=")[0] for word in argv]
    if argv and (argv[0] in MOVED or OF_LAB.intersection(words)):
        print(f"this is a command of lab now: python -m lab {argv[0]} ...", file=sys.stderr)
        return import_module("lab.__main__").main(argv)
    return answer(
        argv,
        (sample, train, push, export),
        prog="python -m ddpm_core",
        description="Train denoising diffusion models and sample from them.",
        epilog=EXAMPLES,
    )


def answer(argv: list[str] | None, commands: Iterable, **parser) -> int:
    """Run the one of these commands, modules with ``add``, that ``argv`` names.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, **parser)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        command.add(subparsers)
    a = parser.parse_args(argv)
    try:
        for name, most in (("threads", 1024), ("batch", 4096)):
            if getattr(a, name, None) is not None:
                check_int(name, getattr(a, name), 1, most)
        if getattr(a, "threads", None):
            torch.set_num_threads(a.threads)
        return a.run(a) or 0
    except (InvalidInput, OSError) as error:
        where = ""
        if processes.rank():
            time.sleep(ITS_TURN)
            where = f" in process {processes.rank()}"
        print(f"error{where}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def script() -> int:
    """``main`` of a process of its own: the command ``ddpm``."""
    keep_memory()
    return main()


if __name__ == "__main__":
    sys.exit(script())

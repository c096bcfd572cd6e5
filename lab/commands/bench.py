"""``bench``: speed beside diffusers, or beside another checkout."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import torch

from ddpm_core.commands import options
from ddpm_core.errors import InvalidInput
from ddpm_core.hardware import describe

from ..bench import cases, with_diffusers
from ..bench.cases import KINDS
from ..bench.compare import checkout, interleaved, ratio

ROOT = Path(__file__).resolve().parents[2]


def add(commands) -> None:
    p = commands.add_parser(
        "bench",
        help="measure speed, beside diffusers or another checkout",
        description="Time a sampling step and a training step, for the shapes of the shipped "
        "models: beside diffusers, at matched parameters and operations (pip install diffusers), "
        "or with --beside another checkout of this project. Both sides take turns. The ratio is "
        "how many times as long the other side takes in the same round: the median over the "
        "rounds, with its quartiles. Let nothing else run meanwhile. Without --quick it takes "
        "about ten minutes on two cores.",
    )
    p.add_argument("--quick", action="store_true", help="a minute: fewer cases and rounds")
    p.add_argument(
        "--only",
        nargs="+",
        choices=KINDS,
        default=KINDS,
        metavar="KIND",
        help=f"{', '.join(KINDS)} (default: all)",
    )
    p.add_argument(
        "--beside",
        type=Path,
        metavar="FOLDER",
        help="another checkout, e.g. of the commit before: git worktree add FOLDER HEAD~1",
    )
    p.add_argument(
        "--limit",
        type=float,
        default=0,
        metavar="RATIO",
        help="exit status 1 if a ratio is below this, e.g. 0.95",
    )
    options.add_threads(p)
    p.set_defaults(run=run)


def run(a: argparse.Namespace) -> int:
    """Print each case as soon as it is timed; status 1 if a ratio is below the limit."""
    if not (a.beside or find_spec("diffusers")):
        raise InvalidInput("pip install diffusers, or name another checkout with --beside")
    too_slow = False
    with ExitStack() as stack:
        if a.beside:
            # Both run in processes of their own, so nothing but the code differs.
            other, this = (stack.enter_context(checkout(folder)) for folder in (a.beside, ROOT))
        else:
            this, other = cases.opened, with_diffusers.opened
        name = a.beside.resolve().name if a.beside else "diffusers"
        print(f"{describe()}; torch {torch.__version__}")
        print(f"{'ms, medians':34}{'this':>8}  {name:12}  ratio (quartiles)", flush=True)
        for case in cases.chosen(a.quick, a.only):
            rounds = (5 if a.quick else 10) * (2 if case.n == 1 else 1)
            with this(case) as here, other(case) as there:
                ours, theirs = interleaved([here, there], rounds)
            middle, low, high = ratio(ours, theirs)
            dtype = "default" if case.dtype == "auto" else case.dtype
            this_ms, other_ms = (f"{1e3 * median(times):.4g}" for times in (ours, theirs))
            print(
                f"{case.what:10}{case.shape:8}n = {case.n:<4}{dtype:8}{this_ms:>8}  {other_ms:12}  "
                f"{middle:.3f} ({low:.3f}-{high:.3f})",
                flush=True,
            )
            too_slow |= middle < a.limit
    return int(too_slow)

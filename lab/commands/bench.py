"""``bench``: speed against two other libraries and against the machine, and cost over size."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ddpm_core.commands import options


def add(commands) -> None:
    """Register the command."""
    p = commands.add_parser(
        "bench",
        help="measure speed and memory, beside other libraries",
        description="Measure sampling and training beside diffusers and "
        "denoising-diffusion-pytorch, at matched parameters and operations and on identical "
        "weights; the share of this machine's matrix product; what a visitor waits for; time and "
        "memory over size. Both libraries are optional: pip install diffusers "
        "denoising-diffusion-pytorch. All that a table compares takes turns in one process; a "
        "ratio is of two turns of one round, the median over the rounds with its quartiles. Let "
        "nothing else run meanwhile; without --quick it takes about half an hour on "
        "two cores.",
    )
    p.add_argument("--quick", action="store_true", help="in minutes: fewer cases and turns")
    p.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="SECTION",
        help="of: match, gemm, sampling, training, identical, end-to-end, size (default: all)",
    )
    options.add_threads(p)
    p.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    p.set_defaults(run=run)


def run(a: argparse.Namespace) -> None:
    """Print each table as soon as it is measured."""
    from ddpm_core.files import write

    from ..bench.machine import heading
    from ..bench.sections import FULL, QUICK, bench

    options.use_threads(a)
    measured = bench(QUICK if a.quick else FULL, tuple(a.only))
    if a.json:
        a.json.parent.mkdir(parents=True, exist_ok=True)
    about, tables = heading(), []
    print("\n".join(about), flush=True)
    for table in measured:
        print(f"\n{table.text()}", flush=True)
        tables.append(table.json())
        if a.json:  # after each, so that what was stopped is not lost
            write(a.json, json.dumps({"about": about, "tables": tables}, indent=1) + "\n")

"""``reproduce``: the report again, its tables and figures by this project's models."""

from __future__ import annotations

import argparse
from pathlib import Path

from ddpm_core.commands import options

from ..progress import followed
from ..report import parts
from ..report.reproduce import Settings, reproduce
from .evaluate import add_cache


def add(commands) -> None:
    p = commands.add_parser(
        "reproduce",
        help="make the report again: its tables and figures, on one page",
        description="Make Table 1, Table 2 and Figures 2 to 8 of the report again, on one page "
        "with the report's figures beside ours. Figures that are stored with the checkpoints are "
        "read; what is missing is measured, which takes hours and goes on where it was stopped. "
        "--quick takes minutes: few steps, few pictures, stored figures.",
    )
    p.add_argument("--quick", action="store_true", help="in minutes")
    p.add_argument(
        "--parts",
        nargs="+",
        default=[],
        metavar="PART",
        help="only these, such as table-1 or figure-6 (default: all)",
    )
    p.add_argument(
        "--out",
        type=Path,
        default=parts.OUT,
        metavar="FOLDER",
        help="for index.html and the pictures (default: %(default)s)",
    )
    options.add_data_root(p)
    add_cache(p)
    options.add_batch(p)
    options.add_threads(p)
    options.add_device(p)
    p.set_defaults(run=run)


def run(a: argparse.Namespace) -> None:
    """Make the parts asked for and say where the page is."""
    settings = Settings(
        out=a.out,
        budget=parts.QUICK if a.quick else parts.FULL,
        parts=tuple(a.parts),
        root=a.data_root,
        cache=a.cache,
        batch=a.batch,
        device=a.device,
    )
    report = followed(reproduce(settings))
    for part in report.parts:
        for note in part.notes:
            print(f"{part.name}: {note}")
    print(report.page)

"""An option that several commands of ``lab`` share."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_cache(p: argparse.ArgumentParser) -> None:
    """Add ``--cache``."""
    p.add_argument(
        "--cache",
        type=Path,
        default=Path("runs") / "samples",
        metavar="FOLDER",
        help="where samples and results are kept (default: %(default)s)",
    )

"""Options that several commands of ``lab`` share."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_features(p: argparse.ArgumentParser) -> None:
    """Add ``--features``."""
    p.add_argument(
        "--features",
        metavar="NET",
        help="for --fid: a shipped classifier or a TorchScript file, untested with "
        "the published Inception's weights (default: the judge of the model's dataset)",
    )


def add_cache(p: argparse.ArgumentParser) -> None:
    """Add ``--cache``."""
    p.add_argument(
        "--cache",
        type=Path,
        default=Path("runs") / "samples",
        metavar="FOLDER",
        help="where samples and results are kept (default: %(default)s)",
    )

"""Options that several commands of ``lab`` share."""

from __future__ import annotations

import argparse


def add_features(p: argparse.ArgumentParser) -> None:
    """Add ``--features``."""
    p.add_argument(
        "--features",
        metavar="NET",
        help="for --fid: a shipped classifier or a TorchScript file, untested with "
        "the published Inception's weights (default: the judge of the model's dataset)",
    )

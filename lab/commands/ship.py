"""``python -m lab ship``."""

from __future__ import annotations

from pathlib import Path

from ddpm_core.checkpoints import holds_classifier
from ddpm_core.commands import options

from ..measure import results
from ..publish import cards
from ..publish.ship import ship


def add(commands) -> None:
    p = commands.add_parser(
        "ship",
        help="make a run's weights a checkpoint that ships",
        description="Copy a run's EMA weights to checkpoints/NAME, with a card; those of a "
        "diffusion model also with a grid of samples.",
    )
    p.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, finished or not")
    p.add_argument("--name", help="default: the name of the run folder")
    options.add_device(p)
    p.set_defaults(run=run)


def run(a) -> None:
    folder = ship(a.run_folder, a.name, device=a.device)
    # A classifier may be the feature net of results of any other checkpoint.
    folders = sorted(folder.parent.iterdir()) if holds_classifier(folder) else [folder]
    for other in folders:
        deleted = results.drop_stale(other)
        for path in deleted:
            print(f"{path}: of other weights, deleted")
        if deleted or other is folder and not holds_classifier(folder):
            cards.rewrite(other)
    print(folder)

"""``python -m ddpm_core push``: to the Hugging Face Hub."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..publish import model_folder, push


def add(commands) -> None:
    p = commands.add_parser(
        "push",
        help="publish a checkpoint on the Hugging Face Hub",
        description="Upload weights, config, training record, card and pictures to a model "
        "repository, which is created if there is none. Log in first: hf auth login, or HF_TOKEN. "
        "'python -m lab push' adds what was measured.",
    )
    p.add_argument("name", metavar="NAME", help="a shipped checkpoint, or its folder or a run's")
    p.add_argument("--license", default="", help="for the card, such as mit (default: as recorded)")
    add_repository(p)
    p.set_defaults(run=run)


def add_repository(p) -> None:
    """Add where to publish, and whether to."""
    p.add_argument("--repo-id", required=True, metavar="OWNER/NAME")
    p.add_argument("--private", action="store_true", help="if the repository is created")
    p.add_argument(
        "--dry-run",
        type=Path,
        metavar="FOLDER",
        nargs="?",
        const=Path("published"),
        help="only write the folder that would go (default: %(const)s)",
    )


def run(a) -> None:
    send(a, "model", lambda folder: model_folder(a.name, a.repo_id, folder, a.license))


def send(a, kind: str, write) -> None:
    """Upload the folder that ``write`` makes, or, of a dry run, only make it."""
    if a.dry_run is not None:
        print(write(a.dry_run))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(push(write(Path(folder)), a.repo_id, kind, a.private))

"""``python -m ddpm_core export``: to the diffusers package."""

from __future__ import annotations

from pathlib import Path

from ..checkpoints import load
from ..diffusers_format import export
from ..publish import make_empty


def add(commands) -> None:
    p = commands.add_parser(
        "export",
        help="write a checkpoint as a pipeline of the diffusers package",
        description="Write a diffusion model in the format of diffusers: UNet2DModel and "
        "DDPMScheduler. What diffusers has no such network or schedule for is refused; 'train "
        "--recipe exportable' makes networks that it has.",
    )
    p.add_argument("name", metavar="NAME", help="a shipped checkpoint, a folder, or a repository")
    p.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new or empty")
    p.set_defaults(run=run)


def run(a) -> None:
    model = load(a.name, device="cpu")
    make_empty(a.out)
    export(model, a.out)
    print(a.out)

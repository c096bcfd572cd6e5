"""``python -m lab push`` and ``push-space``: to the Hugging Face Hub."""

from __future__ import annotations

from ddpm_core.commands import push

from ..publish.space import measured_folder, space_folder


def add(commands) -> None:
    push.add(commands)
    commands.choices["push"].set_defaults(run=run)
    p = commands.add_parser(
        "push-space",
        help="publish the app as a Space on the Hugging Face Hub",
        description="Upload the app, its packages and its checkpoints to a Space, which is created "
        "if there is none, with the front matter of space.yaml.",
    )
    push.add_repository(p)
    p.set_defaults(run=run_space)


def run(a) -> None:
    push.send(a, "model", lambda folder: measured_folder(a.name, a.repo_id, folder, a.license))


def run_space(a) -> None:
    push.send(a, "space", lambda folder: space_folder(a.repo_id, folder))

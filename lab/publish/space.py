"""This project as a Space, and a checkpoint with its measured figures as a model repository."""

from __future__ import annotations

import shutil
from pathlib import Path

from ddpm_core import checkpoints, publish
from ddpm_core.errors import InvalidInput
from ddpm_core.files import write
from ddpm_core.publish import check_repo, make_empty

from ..measure import results
from . import cards

ROOT = Path(__file__).resolve().parents[2]
# What a Space runs, and what its page links to.
SPACE_FILES = ("app.py", "ddpm_core", "lab", "ui", "checkpoints", "docs", "requirements.txt")
SPACE_FILES += ("LICENSE", ".gitattributes", "space.yaml", "README.md")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*.part", "*.pyi")


def measured_folder(name: str | Path, repo_id: str, target: Path, license: str = "") -> Path:
    """``publish.model_folder``, with the results of these weights, on the card too."""
    publish.model_folder(name, repo_id, target, license)
    source = checkpoints.find(Path(name))
    if (source / results.FOLDER).is_dir():
        shutil.copytree(source / results.FOLDER, target / results.FOLDER)
        results.drop_stale(target, source)
    if not checkpoints.holds_classifier(target):
        cards.rewrite(target, repo_id)
    return target


def space_folder(repo_id: str, target: Path, root: Path = ROOT) -> Path:
    """Write the folder that becomes a Space: the app with its checkpoints and front matter."""
    check_repo(repo_id)
    missing = [name for name in SPACE_FILES if not (root / name).exists()]
    if missing:
        raise InvalidInput(f"{root} is not the project's folder: it lacks {', '.join(missing)}")
    make_empty(target)
    for name in SPACE_FILES:
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, ignore=LEFT_OUT)
        else:
            shutil.copyfile(root / name, target / name)
    page = (root / "README.md").read_text(encoding="utf-8")
    write(target / "README.md", front_matter(root / "space.yaml") + _body(page))
    return target


def front_matter(space: Path) -> str:
    """``space.yaml`` as the front matter of a README, its comments left out."""
    lines = space.read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join(["---", *settings, "---", ""])


def _body(page: str) -> str:
    return page.split("---\n", 2)[2] if page.startswith("---\n") else page

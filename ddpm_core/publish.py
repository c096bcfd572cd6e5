"""The way out: a checkpoint as a model repository, this project as a Space."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import checkpoints, hub
from .errors import CheckpointError, InvalidInput
from .experiments import cards, results
from .files import write

ROOT = Path(__file__).resolve().parent.parent
# What a Space runs, and what its page links to.
SPACE_FILES = ("app.py", "ddpm_core", "ui", "checkpoints", "docs", "requirements.txt", "LICENSE")
SPACE_FILES += (".gitattributes", "space.yaml", "README.md")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*.part", "*.pyi")


def model_folder(name: str | Path, repo_id: str, target: Path) -> Path:
    """Write the folder that becomes a model repository: weights, config, record, card, pictures and
    what was measured of these weights.

    Args:
        name: a shipped checkpoint or classifier, or a folder that holds one.
        repo_id: ``owner/name``; the card tells how to load it from there.
        target: a new or empty folder.

    Raises:
        CheckpointError: if there is no such checkpoint, or none of this project's making.
        InvalidInput: for a ``repo_id`` that cannot be one.
    """
    _check_repo(repo_id)
    source = checkpoints.find(Path(name))  # a path: nothing is fetched to be sent back
    if checkpoints.holds_classifier(source):
        found = checkpoints.load_classifier(source)
        tensors = found.net.state_dict()
    else:
        found = checkpoints.load(source)
        tensors = found.unet.state_dict()
    _make(target)
    checkpoints.save(target, found.config, tensors, found.training, repo_id)
    for picture in source.glob("*.png"):
        shutil.copyfile(picture, target / picture.name)
    if (source / results.FOLDER).is_dir():
        shutil.copytree(source / results.FOLDER, target / results.FOLDER)
        results.drop_stale(target, source)
    if not checkpoints.holds_classifier(target):
        cards.rewrite(target, repo_id)
    return target


def space_folder(repo_id: str, target: Path, root: Path = ROOT) -> Path:
    """Write the folder that becomes a Space: the app with its checkpoints and front matter.

    Args:
        repo_id: ``owner/name``.
        target: a new or empty folder.
        root: the project's own folder.
    """
    _check_repo(repo_id)
    missing = [name for name in SPACE_FILES if not (root / name).exists()]
    if missing:
        raise InvalidInput(f"{root} is not the project's folder: it lacks {', '.join(missing)}")
    _make(target)
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
    kept = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join(["---", *kept, "---", ""])


def push(
    folder: Path,
    repo_id: str,
    kind: str = "model",
    private: bool = False,
    endpoint: str | None = None,
) -> str:
    """Create a repository if there is none, and upload a folder in one commit.

    Args:
        kind: ``"model"`` or ``"space"``.
        endpoint: the Hub's address, if not the usual one.

    Returns:
        The address of the repository.

    Raises:
        CheckpointError: saying why the Hub refused, or could not be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint)
    sdk = {"space_sdk": "gradio"} if kind == "space" else {}
    with hub.Words(repo_id, None, endpoint):
        made = api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True, **sdk)
        api.upload_folder(repo_id=repo_id, repo_type=kind, folder_path=folder)
    return str(made)


def _body(page: str) -> str:
    return page.split("---\n", 2)[2] if page.startswith("---\n") else page


def _check_repo(repo_id: str) -> None:
    if not hub.is_name(repo_id) or "@" in repo_id:
        raise InvalidInput(f"--repo-id must be owner/name, not {repo_id[:100]!r}")


def _make(target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        raise CheckpointError(f"{target} is not empty")
    target.mkdir(parents=True, exist_ok=True)

"""Publish a checkpoint as a model repository on the Hub."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import checkpoints, hub
from .errors import CheckpointError, InvalidInput


def model_folder(name: str | Path, repo_id: str, target: Path, license: str = "") -> Path:
    """Write the folder that becomes a model repository: weights, config, record, card and pictures.

    Args:
        name: a shipped checkpoint or classifier, or a folder that holds one.
        license: for the card, as the Hub calls it; what is recorded unless given.
        repo_id: ``owner/name``; the card tells how to load it from there.
        target: a new or empty folder.
    """
    check_repo(repo_id)
    source = checkpoints.find(Path(name))  # a path: nothing is fetched to be sent back
    if checkpoints.holds_classifier(source):
        model = checkpoints.load_classifier(source, device="cpu")
        net = model.net
    else:
        model = checkpoints.load(source, device="cpu")
        net = model.unet
    make_empty(target)
    for picture in source.glob("*.png"):  # which the card shows
        shutil.copyfile(picture, target / picture.name)
    training = model.training | ({"license": license} if license else {})
    checkpoints.write_folder(target, model.config, net.state_dict(), training, repo_id)
    return target


def push(folder: Path, repo_id: str, kind: str = "model", private: bool = False) -> str:
    """Create a repository if there is none, upload a folder in one commit and return its address.

    Args:
        kind: ``"model"`` or ``"space"``.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    sdk = {"space_sdk": "gradio"} if kind == "space" else {}
    with hub.in_words(repo_id, None, None):
        url = api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True, **sdk)
        api.upload_folder(repo_id=repo_id, repo_type=kind, folder_path=folder)
    return str(url)


def check_repo(repo_id: str) -> None:
    """Refuse what is not ``owner/name``."""
    if not hub.is_name(repo_id) or "@" in repo_id:
        raise InvalidInput(f"--repo-id must be owner/name, not {repo_id[:100]!r}")


def make_empty(target: Path) -> None:
    """Make a folder, or take an empty one."""
    if target.exists() and any(target.iterdir()):
        raise CheckpointError(f"{target} is not empty")
    target.mkdir(parents=True, exist_ok=True)

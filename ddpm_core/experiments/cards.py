"""What was measured, on the card of the checkpoint that it was measured of."""

from __future__ import annotations

from pathlib import Path

from .. import checkpoints
from ..card import Figure, render
from ..files import write
from . import evaluation, fingerprint, inspection, results


def figures(folder: Path) -> list[Figure]:
    """The results in a checkpoint's folder, as its card tells of them.

    Raises:
        CheckpointError: for a file that holds no result.
    """
    found = []
    for result in results.read(folder):
        about = result["protocol"]
        split = about["reference"]["split"]
        if result["kind"] == "fid":
            asked, net = about["request"], about["features"]["name"]
            title = (
                f"FID ({net} features, {about['n']:,} samples, {asked['sampler']}, "
                f"{asked['steps']} steps, {split} set)"
            )
            line = evaluation.words(result)
            found.append(Figure("fid", title, round(result["fid"], 4), split, line))
        elif result["kind"] == "bound":
            line = inspection.words(result)
            title = f"bits per dimension ({about['n']:,} images, variance {about['variance']})"
            found.append(Figure("bpd", title, round(result["bits"], 4), split, line))
        elif result["kind"] == "neighbours":
            title = f"closer to a training image than 1 % of test images, in {about['space']}"
            line = inspection.words(result)
            found.append(Figure("memorised", title, round(result["memorised"], 4), split, line))
    return sorted(found, key=lambda figure: figure.title)


def rewrite(folder: Path, name: str = "") -> None:
    """Write the card of a checkpoint's folder anew, with what was measured of it.

    Args:
        name: for the card; that of the folder unless given.

    Raises:
        CheckpointError: if the folder holds no checkpoint of this project's making.
    """
    model = checkpoints.load(folder)
    told = [model.config, model.unet.state_dict(), model.training, figures(folder)]
    write(folder / checkpoints.CARD, render(name or folder.name, *told))


def drop_stale(folder: Path) -> list[Path]:
    """Delete results of other weights than the folder holds now; returns what is gone."""
    mark, gone = fingerprint(checkpoints.load(folder).unet), []
    for path in sorted((folder / results.FOLDER).glob("*.json")):
        if results.read_file(path)["protocol"].get("weights_mark") != mark:
            path.unlink()
            gone.append(path)
    return gone

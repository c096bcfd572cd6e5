"""What was measured, on the card of the checkpoint that it was measured of."""

from __future__ import annotations

from pathlib import Path

from ddpm_core import checkpoints
from ddpm_core.card import Figure, render
from ddpm_core.files import write
from ddpm_core.model import Config

from ..measure import as_reported, results
from ..measure.protocol import distance, sampled, words

# Not "fid": whoever compares figures of that name on the Hub takes them for Inception's.
DISTANCE = "frechet-distance"


def figures(folder: Path) -> list[Figure]:
    """The results in a checkpoint's folder that are of its weights, as its card tells of them.

    Of what was sampled otherwise than the model is meant to be, with one of the report's errors
    or without clipping, or measured in the report's way, the line is told and the value kept out of
    the card's metadata, where one figure looks like another.
    """
    config = checkpoints.read_config(folder)
    found = [_figure(result, config) for result in results.current(folder)]
    return sorted(found, key=_place)


def rewrite(folder: Path, name: str = "") -> None:
    """Write the card of a checkpoint's folder anew, with what was measured of it."""
    write(folder / checkpoints.CARD, text(folder, name))


def text(folder: Path, name: str = "") -> str:
    """The card that ``rewrite`` writes; to be asked for before something is measured for it."""
    model = checkpoints.load(folder, device="cpu")
    told = [model.config, model.unet.state_dict(), model.training, figures(folder)]
    return render(name or folder.name, *told, (folder / checkpoints.PICTURE).is_file())


def _figure(result: dict, config: Config) -> Figure:
    kind, about, sound = result["kind"], result["protocol"], True
    split = about.get("reference", {}).get("split")
    if "request" in about:
        asked = about["request"]
        usual = (asked.get("fault", "none"), asked.get("clip", True))
        sound = usual == ("none", config.sampling.get("clip", True))
    if kind == "bound":
        how = f"variance {about['variance']}, told {about['told']}, seed {about['seed']}"
        how = f"{about['n']:,} images, {about['evaluations']:,} timesteps of each, {how}"
        name, title, value = "bpd", f"bits per dimension ({how})", result["bits"]
    elif kind == "recognition":
        title = f"test images recognised by its guesses of noise, {result['calls']:,} calls each"
        name, value = "accuracy", result["accuracy"]
    elif kind == "classes":
        title = f"taken for the wanted class by {about['space']} ({sampled(about)})"
        name, value = "accuracy", result["accuracy"]
    elif kind == "neighbours":
        title = f"closer to a training image than all but {about['quantile']:.0%} of test images"
        name, title = "memorised", f"{title}, in {about['space']} ({sampled(about)})"
        value = result["memorised"]
    else:
        net, own_way = about["features"], about["features"]["layer"] == as_reported.LAYER
        title = "FID as the report takes it" if own_way else distance(net["name"])
        title = f"{title} ({net['name']} features, {split} set; {sampled(about)})"
        name, value, sound = DISTANCE, result["fid"], sound and not own_way
    value = round(value, 4) if sound and value is not None else None
    return Figure(name, title, value, split, words(result))


def _place(figure: Figure) -> tuple:
    return figure.kind != DISTANCE, figure.title, figure.line  # distances first

"""The measured figures of a checkpoint, on its card."""

from __future__ import annotations

from pathlib import Path

from ddpm_core import checkpoints
from ddpm_core.card import Figure, render
from ddpm_core.files import write
from ddpm_core.model import Config

from ..measure import as_reported, results
from ..measure.protocol import distance, sampled, words

# Not "fid": on the Hub, readers take figures of that name for Inception's.
DISTANCE = "frechet-distance"


def figures(folder: Path) -> list[Figure]:
    """The results in a checkpoint's folder that are of its weights, as figures of its card.

    A figure has no value in the card's metadata, where one figure looks like another, if the
    samples have one of the report's errors or other clipping than the model is meant to have, or
    if it was measured in the report's way. Its line stays on the card.
    """
    config = checkpoints.read_config(folder)
    entries = [_figure(result, config) for result in results.current(folder)]
    # Distances first.
    return sorted(entries, key=lambda entry: (entry.kind != DISTANCE, entry.title, entry.line))


def rewrite(folder: Path, name: str = "") -> None:
    """Write the card of a checkpoint's folder anew, with what was measured of it."""
    write(folder / checkpoints.CARD, text(folder, name))


def text(folder: Path, name: str = "") -> str:
    """The card that ``rewrite`` writes; make it before a measurement to see that it can be made."""
    model = checkpoints.load(folder, device="cpu")
    parts = [model.config, model.unet.state_dict(), model.training, figures(folder)]
    called, path = name or checkpoints.name_of(folder), name or checkpoints.path_of(folder)
    return render(called, *parts, (folder / checkpoints.PICTURE).is_file(), path)


def _figure(result: dict, config: Config) -> Figure:
    kind, about, sound = result["kind"], result["protocol"], True
    split = about.get("reference", {}).get("split")
    if "request" in about:
        request = about["request"]
        choices = (request.get("fault", "none"), request.get("clip", True))
        sound = choices == ("none", config.sampling.get("clip", True))
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

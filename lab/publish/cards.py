"""What was measured, on the card of the checkpoint that it was measured of."""

from __future__ import annotations

from pathlib import Path

from ddpm_core import checkpoints
from ddpm_core.card import Figure, render
from ddpm_core.checkpoints import Config
from ddpm_core.files import write

from ..measure import as_reported, results
from ..measure.protocol import distance, unusual, words

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
    return sorted(filter(None, found), key=_place)


def rewrite(folder: Path, name: str = "") -> None:
    """Write the card of a checkpoint's folder anew, with what was measured of it."""
    write(folder / checkpoints.CARD, text(folder, name))


def text(folder: Path, name: str = "") -> str:
    """The card that ``rewrite`` writes; to be asked for before something is measured for it."""
    model = checkpoints.load(folder)
    told = [model.config, model.unet.state_dict(), model.training, figures(folder)]
    return render(name or folder.name, *told, (folder / checkpoints.PICTURE).is_file())


def _figure(result: dict, config: Config) -> Figure | None:
    about = result["protocol"]
    split = about.get("reference", {}).get("split")
    if result["kind"] == "bound":
        title = (
            f"bits per dimension ({about['n']:,} images, {about['evaluations']:,} timesteps of "
            f"each, variance {about['variance']}{_told(about)}{_seed(about)})"
        )
        return Figure("bpd", title, round(result["bits"], 4), split, words(result))
    if result["kind"] not in ("fid", "neighbours", "classes"):
        return None
    asked = about["request"]
    told = [f"{about['n']:,} samples, {asked['sampler']}, {asked['steps']} steps"]
    told += unusual(about, "all" if config.classes else "none")
    how = ", ".join(told)
    usual = (asked.get("fault", "none"), asked.get("clip", True))
    sound = usual == ("none", config.sampling.get("clip", True))
    if result["kind"] == "classes":
        title, value = f"taken for the wanted class by {about['space']} ({how})", result["accuracy"]
        value = round(value, 4) if sound and value is not None else None
        return Figure("accuracy", title, value, split, words(result))
    if result["kind"] == "fid":
        net = about["features"]["name"]
        own_way = about["features"]["layer"] == as_reported.LAYER
        layer = "as the report takes it" if own_way else f"{net} features"
        title = f"{'FID' if own_way else distance(net)} ({layer}, {how}, {split} set)"
        value, line = result["fid"], words(result)
        value = round(value, 4) if sound and not own_way else None
        return Figure(DISTANCE, title, value, split, line)
    title = (
        f"closer to a training image than all but {about['quantile']:.0%} of test images, in "
        f"{about['space']} ({how})"
    )
    value, line = result["memorised"], words(result)
    return Figure("memorised", title, round(value, 4) if sound else None, split, line)


def _place(figure: Figure) -> tuple:
    return figure.kind != DISTANCE, figure.title, figure.line  # distances first


def _told(about: dict) -> str:
    return "" if about["told"] == "nothing" else f", told {about['told']}"


def _seed(about: dict) -> str:
    return f", seed {about['seed']}" if about["seed"] else ""

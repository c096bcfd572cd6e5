"""A sheet to draw on, to open a picture on, or to take one of the test set from."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from ddpm_core.errors import InvalidInput, check_choice, check_int

from .. import component
from ..component import png, raw

# One digit of each class from MNIST's test set, side by side: the one that is nearest to the mean
# of its class among the first 1,000 images.
SAMPLES = iio.imread(Path(__file__).parent / "digits.png", plugin="pillow")[..., None]
NAMES = [f"a {name} of the test set" for name in "0123456789"]
MAX_SIDE = 256


def digit(number: int) -> np.ndarray:
    """One of the test set's, uint8 (28, 28, 1)."""
    return SAMPLES[:, 28 * number :][:, :28].copy()


class Sketch(component.Component):
    """A picture as small as the models see it, drawn or opened in the browser.

    A function gets it as a uint8 array (side, side, channels); it returns `sized(...)`. A second
    brush paints a hole into it; what the browser holds of the sheet has that as `hole`, see `hole`.
    `input` fires when a stroke ends, a picture is opened or one of the test set is chosen.
    """

    EVENTS = ("input",)

    def __init__(self, label: str, *, player: str, **props: Any):
        """``player`` is the element id of the one that shows it while it is drawn."""
        options = {"player": player, "side": 28, "channels": 1, "names": NAMES}
        options["samples"] = png(SAMPLES)
        super().__init__(sized(28, 1), label=label, options=options, **props)

    def preprocess(self, payload: Any) -> np.ndarray | None:
        """What was sent, by the browser or by others, as pixels; None before the first."""
        if not isinstance(payload, Mapping) or "pixels" not in payload:
            return None
        return pixels(payload)


def pixels(about: Mapping[str, Any]) -> np.ndarray:
    """A picture (side, side, channels) from its ``side``, ``channels`` and base64 ``pixels``, if
    they agree."""
    side = check_int("side of the picture", about.get("side"), 1, MAX_SIDE)
    channels = check_choice("number of channels", about.get("channels"), (1, 3))
    try:
        sent = base64.b64decode(about["pixels"], validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidInput("the picture cannot be read") from None
    if len(sent) != side * side * channels:
        raise InvalidInput(f"a picture of {side} x {side} x {channels} has other pixels")
    return np.frombuffer(sent, np.uint8).reshape(side, side, channels)


def hole(text: Any, side: int) -> np.ndarray | None:
    """The painted hole, bool (side, side), from the browser's text; None for no hole."""
    painted = pixels({"side": side, "channels": 1, "pixels": text})[..., 0] > 0 if text else None
    return painted if painted is not None and painted.any() else None


def sized(
    side: int,
    channels: int,
    chosen: int | None = None,
    wanted: str | None = None,
    hole: np.ndarray | None = None,
) -> dict[str, Any]:
    """A value that sets the size of the picture, which is then sent anew in that size.

    Parameters:
        chosen: the digit of the test set that it shows from now on.
        wanted: the purpose, for example a model's name: it is not sent twice for the same one.
        hole: bool (side, side), painted in place of what is painted there.
    """
    value = {"side": int(side), "channels": int(channels)}
    value |= {} if chosen is None else {"chosen": int(chosen)}
    value |= {} if hole is None else {"hole": raw(hole.astype(np.uint8))}
    return value if wanted is None else value | {"wanted": wanted}


def shown(picture: np.ndarray, wanted: str, hole: np.ndarray | None = None) -> dict[str, Any]:
    """A uint8 picture (side, side, channels) to be put on the sheet, and sent back as it is.

    Parameters:
        wanted: the purpose; it is not put there twice for the same one.
        hole: see `sized`.
    """
    side, _, channels = picture.shape
    return sized(side, channels, wanted=wanted, hole=hole) | {"pixels": raw(picture)}

"""The picture of the Forward tab as a link, as Python and as a command line; and a link back."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np

from ddpm_core import InvalidInput, Model, Request
from ddpm_core.errors import check_choice, check_int
from ddpm_core.noise import MAX_SEED
from ddpm_core.request import read
from lab.process.packed import MAX_TEXT, pack, unpack

from ..widgets.sketch.sketch import digit
from . import permalinks

# A packed picture is one long word: without line breaks, the boxes make far too much room.
LINE = 64
RESAMPLES = (1, 3, 5)  # how often a stretch of steps is walked where a hole is filled
NUMBERS = ("seed", "resample", "digit")  # among the parameters of a link
FILE = "picture.png"  # stands for a picture that is too large for a link


@dataclass(frozen=True, eq=False)
class Asked:
    """The checked request of a link or a file, with a digit, a picture, or neither.

    Attributes:
        model: the model that noises the picture and brings it back.
        seed: the noise's.
        label: the class that it is brought back as; None: the usual one for the model.
        digit: a digit of the test set.
        picture: uint8 (H, W, C) of the model's shape.
        hole: bool (H, W), painted into it.
        resample: how often each stretch of steps is walked where the hole is filled.
        first: a picture to be turned into this one, and its class.
    """

    model: Model
    seed: int = 0
    label: str | None = None
    digit: int | None = None
    picture: np.ndarray | None = None
    hole: np.ndarray | None = None
    resample: int | None = None
    first: tuple[np.ndarray, str] | None = None


def query(
    model: str,
    picture: np.ndarray,
    seed: int,
    label: str,
    hole: np.ndarray | None = None,
    resample: int | None = None,
    first: tuple[np.ndarray, str] | None = None,
) -> str:
    """The query string that restores the tab, without pictures that are too large.

    Args:
        hole, resample, first: see ``Asked``.
    """
    parts = {"tab": "forward", "model": model, "seed": int(seed), "label": label}
    parts |= {} if hole is None else {"hole": pack_hole(hole), "resample": resample}
    digit = digit_of(picture)
    text = packed(picture)[0] if digit is None else None
    parts |= {"picture": text} if text else {} if digit is None else {"digit": digit}
    if first is not None:
        start = packed(first[0])[0]
        if start and len(start) + len(text or "") <= MAX_TEXT:
            parts |= {"from": start, "from_label": first[1]}
    return urlencode(parts)


def parse(pairs: Iterable[tuple[str, str]], model: Model) -> Asked:
    """Read a query string back.

    Args:
        model: the one that it names, or the usual one.

    Raises:
        InvalidInput: naming what is broken.
    """
    named = {"seed": "0"} | dict(pairs)
    numbers = {name: read(name, named[name], int) for name in NUMBERS if name in named}
    return checked(named | numbers, model, lambda text: unpack(text, model.shape))


def checked(about: Mapping, model: Model, unpacked: Callable[[Any], np.ndarray]) -> Asked:
    """The request of these parameters of a link, or fields of a note.

    Args:
        unpacked: reads a picture among them.

    Raises:
        InvalidInput: naming what is broken.
    """
    fields = {"seed": check_int("seed", about.get("seed"), 0, MAX_SEED)}
    fields["label"] = _checked_label(about.get("label"), model)
    if about.get("hole") is not None:
        fields["hole"] = unpack(about["hole"], (1, *model.shape[1:]))[..., 0] > 0
    if "resample" in about:
        fields["resample"] = check_choice("resample", about["resample"], RESAMPLES)
    if "from" in about:
        label = _checked_label(about.get("from_label", "none"), model)
        fields["first"] = unpacked(about["from"]), label
    if "digit" in about:
        fields["digit"] = check_int("digit", about["digit"], 0, 9)
    elif "picture" in about:
        fields["picture"] = unpacked(about["picture"])
    return Asked(model, **fields)


def _checked_label(label, model: Model) -> str | None:
    """The class that is named, or None; refused if one picture cannot be brought back as it."""
    if label is None:
        return None
    label = str(Request(n=1, label=label, steps=1).for_model(model).label)
    if label == "all":
        raise InvalidInput("one picture is brought back as one class, or none")
    return label


def pack_hole(hole: np.ndarray) -> str:
    """A hole, bool (H, W), as text."""
    return pack(hole.astype(np.uint8)[..., None])


def python(model: str, packed: str | None, seed: int, label: str) -> str:
    """Python that makes the same film, brings the picture back, and inverts it."""
    reader, reading = _reading("picture", packed)
    label = label if label == "none" else int(label)
    return f"""\
from ddpm_core import load, save_film
from lab.process.forward import (
    forward_film, inverting, return_request, return_times, returns
)
from lab.process.packed import {reader}

model = load({model!r})
{reading}
film = forward_film(model, picture, seed={int(seed)}).film  # x: eq. 4, x0: eq. 3
save_film(film.reversed(), "{permalinks.stem(model)}-forward.gif", panes=("x", "x0"), scale=4)

request = return_request(model, label={label!r}, seed={int(seed)})
times = return_times(model.schedule)
back = [m for m in returns(model, picture, times, request) if m.arrived]
*_, found = inverting(model, picture, label={label!r})
print(found.rmse, found.psnr)
"""


def python_to_fill(
    model: str, picture: np.ndarray, hole: np.ndarray, request: Request, resample: int
) -> str:
    """Python that fills the hole."""
    reader, reading = _reading("picture", packed(picture)[0])
    arguments = f"label={request.label!r}, seed={request.seed}, steps={request.steps}"
    return f"""\
from ddpm_core import load
from lab.process.filling import fill_request, fill_run, filling
from lab.process.packed import {", ".join(sorted({reader, "unpack"}))}

model = load({model!r})
{reading}
{_text("hole", pack_hole(hole))}
hole = unpack(hole, (1, *model.shape[1:]))[..., 0] > 0  # bool, (H, W)
run = fill_run(model, picture, hole, fill_request(model, {arguments}))
*_, (step, _) = filling(run, resample={resample})
print(step.x.shape)  # {request.n} proposals, (B, C, H, W) in [-1, 1]
"""


def python_to_turn(model: str, ends: Sequence[tuple[np.ndarray, str]]) -> str:
    """Python that turns one picture into another."""
    pictures, labels = zip(*ends, strict=True)
    texts = (packed(picture)[0] for picture in pictures)
    readers, readings = zip(*map(_reading, ("first", "last"), texts), strict=True)
    labels = tuple(label if label == "none" else int(label) for label in labels)
    lines = "\n".join(readings)
    return f"""\
from ddpm_core import load, save_animation
from lab.process.into_another import turning
from lab.process.packed import {", ".join(sorted(set(readers)))}

model = load({model!r})
{lines}
*_, images = turning(model, (first, last), {labels})  # uint8, (n, H, W, C)
save_animation([*images, *images[-2::-1]], "{permalinks.stem(model)}.gif", scale=4)
"""


def _reading(name: str, packed: str | None) -> tuple[str, str]:
    """The import and the lines of Python that read a picture from text or from a file."""
    shape = "model.shape)  # uint8, (H, W, C)"
    if packed is None:
        file = f"{name}.png"
        return "open_picture", f"{name} = open_picture({file!r}, {shape}"
    return "unpack", f"{_text(name, packed)}\n{name} = unpack({name}, {shape}"


def _text(name: str, text: str) -> str:
    return "\n".join([f"{name} = (", *(f'    "{line}"' for line in _lines(text)), ")"])


def commands(model: str, packed: str | None, seed: int, label: str) -> str:
    """The commands, for a shell, that make the same film, bring the picture back, and invert it."""
    start = shlex.join(["python", "-m", "lab", "forward", "--model", model])
    source, lines = f"--picture {FILE}", []
    if packed is not None:
        source, lines = '--packed "$picture"', ["picture=" + "\\\n".join(_lines(packed))]
    noise, stem = ["--seed", str(int(seed))], permalinks.stem(model)
    return "\n".join(
        lines
        + [
            f"{start} {source} {shlex.join(options)}"
            for options in (
                [*noise, "--out", f"{stem}-forward.gif"],
                ["--back", "--label", label, *noise, "--out", f"{stem}-back.png"],
                ["--invert", "--label", label],
            )
        ]
    )


def _lines(text: str) -> list[str]:
    return [text[i : i + LINE] for i in range(0, len(text), LINE)]


def digit_of(picture: np.ndarray) -> int | None:
    """The digit of the test set that a picture equals, pixel by pixel; None if there is none."""
    return next((number for number in range(10) if np.array_equal(digit(number), picture)), None)


def packed(picture: np.ndarray) -> tuple[str | None, str]:
    """The packed picture, or None and why."""
    try:
        return pack(picture), ""
    except InvalidInput as error:
        words = f"{error}: it is left out of the link, and `{FILE}` stands for it below."
        return None, words[0].upper() + words[1:]

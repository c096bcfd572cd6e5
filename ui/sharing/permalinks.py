"""A run as a link, as Python and as a command line; and a link, or a file's note, as a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from urllib.parse import parse_qsl, urlencode

from ddpm_core import InvalidInput, Request
from ddpm_core.request import read, unused

from ..runs.limits import MAX_SHEET
from ..runs.runs import Key

DEFAULTS = {f.name: f.default for f in fields(Request)}


def changed(request: Request, base: Mapping = DEFAULTS) -> dict:
    """The fields in which a request differs from the defaults, or from ``base``."""
    return {k: getattr(request, k) for k in DEFAULTS if getattr(request, k) != base[k]}


def stem(model: str) -> str:
    """The name of a model's files: a repository's owner and revision are left out."""
    return model.partition("@")[0].rpartition("/")[2]


def query(key: Key, **extra) -> str:
    """The query string that restores a run: every field, so that old links stay true."""
    values = {k: _text(getattr(key.request, k)) for k in DEFAULTS}
    parts = [("model", key.model), *values.items()]
    parts += [("beside", urlencode(_texts(key.request, other))) for other in key.beside]
    if key.branch_at is not None:
        parts.append(("branch_at", key.branch_at))
    return urlencode([(k, v) for k, v in [*parts, *extra.items()] if v is not None])


def parse(pairs: Sequence[tuple[str, str]], base: Key) -> Key:
    """Read a query string back; what it does not say is as in ``base``.

    Raises:
        InvalidInput: naming the field that is broken.
    """
    named = dict(pairs)
    request = base.request.with_texts(named)
    beside = [
        request.with_texts(dict(parse_qsl(text, keep_blank_values=True)))
        for name, text in pairs
        if name == "beside"
    ]
    at = read("branch_at", named["branch_at"], int) if "branch_at" in named else None
    return Key(named.get("model", base.model), request, tuple(beside), at)


def read_note(text: str) -> dict:
    """The fields of a note in a file, as ``Run.describe`` writes them, whatever they hold.

    Raises:
        InvalidInput: if it is no such note.
    """
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or not isinstance(about.get("model"), str):
        raise InvalidInput("its note names no run of a diffusion model")
    return about


def from_note(text: str) -> tuple[str, Key]:
    """The tab and the run of a note in a file.

    Files of the page name their tab; a run of the command line or of Python goes where it can be
    shown. Fields of no meaning here are ignored.

    Returns:
        The name of a tab, ``"sample"``, ``"guidance"`` or ``"reverse"``, and the run.

    Raises:
        InvalidInput: naming the field that is broken.
    """
    about = read_note(text)
    request = Request(**{k: about[k] for k in DEFAULTS if k in about})
    rows = about.get("beside", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput("beside: these are no rows")
    if len(rows) >= MAX_SHEET:
        raise InvalidInput(f"{len(rows) + 1} rows are more than the {MAX_SHEET} that can be shown")
    beside = [replace(request, **{k: row[k] for k in DEFAULTS if k in row}) for row in rows]
    at = about.get("branch_at")
    key = Key(about["model"], request, tuple(beside), at)
    tab = about.get("tab")
    if tab not in ("sample", "guidance", "reverse"):
        guided = beside or request.guidance != "none"
        tab = "guidance" if guided else "reverse" if request.n == 1 else "sample"
    return tab, key


def python(key: Key) -> str:
    """Python that makes the same images, and the same GIF."""
    if any(request.fault != "none" for request in key.requests):
        return f"import lab  # the report's errors\n{_python(key)}"
    return _python(key)


def _python(key: Key) -> str:
    lines = [
        f"model = load({key.model!r})",
        f"request = Request({arguments({'n': key.request.n} | changed(key.request))})",
    ]
    gif, n = f'"{stem(key.model)}.gif", scale=4', key.request.n
    is_walk = key.request.toward is not None and n > 1  # its film shows the images, not the steps
    if not key.beside:
        lines = ["from ddpm_core import Request, film, load, sample, save_gif\n", *lines]
        lines += ["images = sample(model, request)  # uint8, (n, H, W, C)"]
        if is_walk:
            lines[0] = "from ddpm_core import Request, load, sample, save_animation\n"
            return "\n".join([*lines, _there_and_back("images", gif), ""])
        return "\n".join([*lines, f"save_gif(film(model, request), {gif})", ""])
    others = [f"replace(request, {arguments(_differing(key.request, r))})" for r in key.beside]
    names = "Request, film" if key.branch_at is None else "Request, branch"
    names += ", grid, load, save_animation" if is_walk else ", load, save_gif"
    lines = [
        "from dataclasses import replace\n",
        f"from ddpm_core import {names}\n",
        *lines,
    ]
    if key.branch_at is None:
        lines += [f"both = film(model, [request, {', '.join(others)}])"]
    else:
        lines += [f"other = {others[0]}"]
        lines += [f"both = branch(model, request, other, at={key.branch_at})"]
    lines += ["images = both.images()  # uint8, (n, H, W, C), row by row"]
    if is_walk:
        lines += [f"frames = [grid(images[i::{n}], 1) for i in range({n})]"]
        return "\n".join([*lines, _there_and_back("frames", gif), ""])
    return "\n".join([*lines, f"save_gif(both, {gif}, columns={key.columns})", ""])


def _there_and_back(frames: str, gif: str) -> str:
    return f"save_animation([*{frames}, *{frames}[-2::-1]], {gif}, frame_ms=120)"


def command_line(key: Key, meant: Mapping) -> str:
    """The command that makes the same images, without options that change none: it refuses these.

    Args:
        meant: how the model is meant to be sampled (``Config.sampling``), the command's defaults.
    """
    package = "ddpm_core" if key.request.fault == "none" else "lab"
    words = ["python", "-m", package, "sample", "--model", key.model]
    words += ["--n", str(key.request.n)]
    left_out = unused(key.requests)
    for name, value in changed(key.request, DEFAULTS | dict(meant)).items():
        if name not in left_out | {"n"}:
            words += option(name, value)
    for other in key.beside:
        differing = _differing(key.request, other).items()
        words += ["--beside", *(f"{k}={_text(v)}" for k, v in differing if k not in left_out)]
    if key.branch_at is not None:
        words += ["--branch-at", str(key.branch_at)]
    return shlex.join([*words, "--out", f"{stem(key.model)}.{'gif' if key.beside else 'png'}"])


def option(name: str, value) -> list[str]:
    """A field of a request as the command line spells it."""
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{name.replace('_', '-')}"]
    # After a space, argparse takes some negative numbers for options.
    return [f"{flag}={value}"] if str(value).startswith("-") else [flag, str(value)]


def _differing(base: Request, other: Request) -> dict:
    changes = changed(other, {k: getattr(base, k) for k in DEFAULTS})
    if "guidance" in changes and other.guidance_scale is not None:
        changes["guidance_scale"] = other.guidance_scale  # or it would be the method's default
    return changes


def _texts(base: Request, other: Request) -> dict[str, str]:
    return {k: "" if v is None else _text(v) for k, v in _differing(base, other).items()}


def _text(value):
    return int(value) if isinstance(value, bool) else value


def arguments(values: Mapping) -> str:
    """Arguments of a call, as Python."""
    return ", ".join(f"{k}={v!r}" for k, v in values.items())

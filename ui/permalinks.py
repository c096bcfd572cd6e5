"""A run as a link, as Python and as a command line; and a link back as a run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import MappingProxyType
from urllib.parse import parse_qsl, urlencode

from ddpm_core import Request
from ddpm_core.request import read

from .runs import Key

DEFAULTS = {f.name: f.default for f in fields(Request)}
NOTHING: Mapping = MappingProxyType({})


def changed(request: Request, base: Mapping = DEFAULTS) -> dict:
    """The fields in which a request differs from the defaults, or from ``base``."""
    return {k: getattr(request, k) for k in DEFAULTS if getattr(request, k) != base[k]}


def stem(model: str) -> str:
    """What files of a model's are called: a repository's owner and revision are left out."""
    return model.partition("@")[0].rpartition("/")[2]


def query(key: Key, **more) -> str:
    """The query string that restores a run: every field, so that old links stay true."""
    values = {k: _text(getattr(key.request, k)) for k in DEFAULTS}
    parts = [("model", key.model), *values.items()]
    parts += [("beside", urlencode(_texts(key.request, other))) for other in key.beside]
    if key.branch_at is not None:
        parts.append(("branch_at", key.branch_at))
    return urlencode([(k, v) for k, v in [*parts, *more.items()] if v is not None])


def parse(params: Iterable[tuple[str, str]] | Mapping[str, str], base: Key) -> Key:
    """Read a query string back; what it does not say is as in ``base``.

    Args:
        params: pairs, or a mapping where no name occurs twice.

    Raises:
        InvalidInput: naming the field that is broken.
    """
    pairs = list(params.items()) if isinstance(params, Mapping) else list(params)
    named = dict(pairs)
    request = base.request.with_texts(named)
    beside = [
        request.with_texts(dict(parse_qsl(text, keep_blank_values=True)))
        for name, text in pairs
        if name == "beside"
    ]
    at = read("branch_at", named["branch_at"], int) if "branch_at" in named else None
    return Key(named.get("model", base.model), request, tuple(beside), at)


def python(key: Key) -> str:
    """Python that makes the same images, and the same GIF."""
    lines = [
        f"model = load({key.model!r})",
        f"request = Request({_arguments({'n': key.request.n} | changed(key.request))})",
    ]
    gif = f'"{stem(key.model)}.gif", scale=4'
    if not key.beside:
        lines = ["from ddpm_core import Request, film, load, sample, save_gif\n", *lines]
        lines += ["images = sample(model, request)  # uint8, (n, H, W, C)"]
        return "\n".join([*lines, f"save_gif(film(model, request), {gif})", ""])
    others = [f"replace(request, {_arguments(_differing(key.request, r))})" for r in key.beside]
    names = "Request, film" if key.branch_at is None else "Request, branch"
    lines = [
        "from dataclasses import replace\n",
        f"from ddpm_core import {names}, load, save_gif\n",
        *lines,
    ]
    if key.branch_at is None:
        lines += [f"both = film(model, [request, {', '.join(others)}])"]
    else:
        lines += [f"other = {others[0]}"]
        lines += [f"both = branch(model, request, other, at={key.branch_at})"]
    lines += ["images = both.images()  # uint8, (n, H, W, C), row by row"]
    return "\n".join([*lines, f"save_gif(both, {gif}, columns={key.columns})", ""])


def command_line(key: Key, ending: str | None = None, meant: Mapping = NOTHING) -> str:
    """The command that makes the same images.

    Args:
        meant: how the model is meant to be sampled (``Config.sampling``): what the command line
            takes for its defaults.
    """
    words = ["python", "-m", "ddpm_core", "sample", "--model", key.model]
    words += ["--n", str(key.request.n)]
    for name, value in changed(key.request, DEFAULTS | dict(meant)).items():
        if name == "clip":
            words.append("--clip" if value else "--no-clip")
        elif name != "n":
            words += _option(name, value)
    for other in key.beside:
        differing = _differing(key.request, other)
        words += ["--beside", *(f"{k}={_text(v)}" for k, v in differing.items())]
    if key.branch_at is not None:
        words += ["--branch-at", str(key.branch_at)]
    ending = ending or ("gif" if key.beside else "png")
    return shlex.join([*words, "--out", f"{stem(key.model)}.{ending}"])


def _option(name: str, value) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    # After a space, argparse takes some negative numbers for options.
    return [f"{option}={value}"] if str(value).startswith("-") else [option, str(value)]


def _differing(base: Request, other: Request) -> dict:
    found = changed(other, {k: getattr(base, k) for k in DEFAULTS})
    if "guidance" in found and other.guidance_scale is not None:
        found["guidance_scale"] = other.guidance_scale  # or it would be the method's default
    return found


def _texts(base: Request, other: Request) -> dict[str, str]:
    return {k: "" if v is None else _text(v) for k, v in _differing(base, other).items()}


def _text(value):
    return int(value) if isinstance(value, bool) else value


def _arguments(values: Mapping) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in values.items())

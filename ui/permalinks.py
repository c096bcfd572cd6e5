"""A request as a link, as Python and as a command line; and a link back as a request."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from urllib.parse import urlencode

from ddpm_core import InvalidInput, Request

DEFAULTS = {f.name: f.default for f in fields(Request) if f.default is not MISSING}


def changed(request: Request) -> dict:
    """The fields in which a request differs from the defaults."""
    return {k: getattr(request, k) for k, v in DEFAULTS.items() if getattr(request, k) != v}


def query(model: str, request: Request, **more) -> str:
    """The query string that restores a request: every field, so that old links stay true."""
    values = {k: getattr(request, k) for k in DEFAULTS}
    values["clip"] = int(request.clip)
    return urlencode({"model": model} | values | more)


def parse(params: Mapping[str, str], base: Request) -> Request:
    """Read a query string back; what it does not say is as in ``base``.

    Raises:
        InvalidInput: naming the field that is broken.
    """
    values = {}
    for name, default in DEFAULTS.items():
        if name not in params:
            continue
        text = params[name]
        try:
            if isinstance(default, bool):
                values[name] = {"1": True, "true": True, "0": False, "false": False}[text.lower()]
            elif name == "label":
                values[name] = text
            else:
                values[name] = type(default)(text)
        except (ValueError, KeyError):
            raise InvalidInput(
                f"the link says {name} = {text[:40]!r}, which cannot be read"
            ) from None
    return replace(base, **values)


def python(model: str, request: Request) -> str:
    """Python that makes the same images, and the same GIF."""
    arguments = ", ".join(f"{k}={v!r}" for k, v in ({"n": request.n} | changed(request)).items())
    return (
        "from ddpm_core import Request, film, load, sample, save_gif\n\n"
        f"model = load({model!r})\n"
        f"request = Request({arguments})\n"
        "images = sample(model, request)  # uint8, (n, H, W, C)\n"
        f'save_gif(film(model, request), "{model}.gif", scale=4)\n'
    )


def command_line(model: str, request: Request, ending: str = "png") -> str:
    """The command that makes the same images."""
    words = ["python", "-m", "ddpm_core", "sample", "--model", model, "--n", str(request.n)]
    for name, value in changed(request).items():
        if name == "clip":
            words.append("--no-clip")
        elif name != "n":
            words += [f"--{name}", str(value)]
    return shlex.join([*words, "--out", f"{model}.{ending}"])

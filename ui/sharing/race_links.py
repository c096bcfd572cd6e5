"""A race as a link, as Python and as a command line; and a link, or a file's note, as a race."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import urlencode

from ddpm_core import InvalidInput
from ddpm_core.request import unused
from lab.process import race

from ..runs.races import RaceKey
from ..runs.runs import Key
from . import permalinks

# Fields of a request that a race has no say in, or the page's does not.
OWN = {view: {*own, "fault"} for view, own in race.OWN.items()}
# The defaults of the command line.
DEFAULTS = {"n": 1, "sampler": "ddpm", "steps": 1000, "label": "none"}


def parse(params: Mapping[str, str], base: RaceKey) -> RaceKey:
    """Read a query string back; what it does not say is as in ``base``."""
    named = {k: params.get(k, getattr(base, k)) for k in ("view", "model", "against", "error")}
    return RaceKey(request=base.request.with_texts(params), **named)


def from_note(about: Mapping, base: RaceKey) -> RaceKey:
    """Read the note of a race's file, see ``Race.describe``; what it does not say is as in
    ``base``.

    Raises:
        InvalidInput: naming what is broken, or not offered on the page.
    """
    if about.get("few", list(race.FEW_STEPS)) != list(race.FEW_STEPS):
        steps = ", ".join(map(str, race.FEW_STEPS))
        raise InvalidInput(f"the page races {steps} steps, this file has {about['few']}")
    texts = {k: str(v) for k, v in about.items() if isinstance(v, str | int | float)}
    return parse(texts | {"view": about["race"]}, base)


def query(key: RaceKey, **extra) -> str:
    """The query string that restores a race."""
    fields = {"view": key.view, "against": key.against or None, "error": key.error or None}
    pairs = [(k, v) for k, v in (fields | extra).items() if v is not None]
    return permalinks.query(Key(key.model, key.request)) + "&" + urlencode(pairs)


def python(key: RaceKey) -> str:
    """Python that runs the same race, and makes its GIF."""
    call = {"schedules": "schedules", "samplers": "samplers", "break": "broken"}[key.view]
    first = f"load({key.model!r})"
    first += f", load({key.against!r})" if key.view == "schedules" else ""
    last = f", {key.error!r}" if key.view == "break" else ""
    values = {"n": key.request.n} | permalinks.changed(key.request)
    arguments = permalinks.arguments({k: v for k, v in values.items() if k not in OWN[key.view]})
    return f"""\
from ddpm_core import Request, load, save_animation
from lab.process.race import {call}

request = Request({arguments})
race = {call}({first}, request{last})
for lane in race.steps():  # the one that took a step
    pass
save_animation(race.pictures(("x", "x0"), scale=2), "race.gif")
"""


def command_line(key: RaceKey, meant: Mapping) -> str:
    """The command that runs the same race; for ``meant`` see ``permalinks.command_line``."""
    words = ["python", "-m", "lab", "race", key.view]
    options = {"model": key.model, "against": key.against, "error": key.error}
    words += [w for k, v in options.items() if v for w in (f"--{k}", v)]
    base = permalinks.DEFAULTS | DEFAULTS | dict(meant)
    left_out = unused([key.request]).union(OWN[key.view])
    for name, value in permalinks.changed(key.request, base).items():
        if name not in left_out:
            words += permalinks.option(name, value)
    return shlex.join([*words, "--out", f"{key.view}.gif"])

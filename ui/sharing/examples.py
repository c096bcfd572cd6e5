"""Runs worth trying: ordinary links of the page, with the words that they are offered by."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from ddpm_core import Request

from ..runs.races import RaceKey
from ..runs.runs import Key
from . import permalinks, race_links

_ALL_STEPS = Request(n=1, label=3, sampler="ddpm", steps=1000)
# By words, the query of each. The judge reads 8, then 5, 0 and 5 again in the first one's x̂0.
EXAMPLES = {
    "A digit that changes its mind: 8, 5, 0, 5": permalinks.query(
        Key("mnist-cosine", Request(n=1, label="none", steps=50, seed=1, first=25)), tab="reverse"
    ),
    "A scale that is too large": permalinks.query(
        Key(
            "mnist-conditional", Request(n=8, label=3, steps=50, guidance="cfg", guidance_scale=10)
        ),
        tab="guidance",
    ),
    "A schedule that fails without clipping": permalinks.query(
        Key("mnist-cosine", Request(n=16, label="none", steps=20, clip=False)), tab="sample"
    ),
    "20 steps beside 1,000": race_links.query(
        RaceKey("samplers", "mnist-conditional", _ALL_STEPS), tab="reverse"
    ),
    "A 7 on its way into noise": urlencode(
        {"tab": "forward", "model": "mnist-conditional", "seed": 0, "label": "none", "digit": 7}
    ),
    "A missing root in the report": race_links.query(
        RaceKey("break", "mnist-linear", replace(_ALL_STEPS, label="none"), error="missing-root"),
        tab="reverse",
    ),
}


def place(query: str) -> str:
    """Where on the page a link leads: a tab, and behind a space one of its views."""
    named = dict(parse_qsl(query))
    return " ".join(named[name] for name in ("tab", "view") if name in named)

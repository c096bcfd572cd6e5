"""The report made again, as one HTML file that needs no other: pictures, style and all.

What is written is XML as well as HTML, so that a test can read it with a strict parser.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from ..measure.protocol import words
from .findings import findings
from .notes import IN_CELL
from .parts import Part
from .tables import decimals, usual_dtype

HERE = Path(__file__).parent


def page(made: Sequence[Part], folder: Path, told: Mapping) -> str:
    """The whole page.

    Args:
        made: the parts that are done.
        folder: where their pictures lie.
        told: ``quick``, ``seconds``, ``hardware`` and ``ahead``, the names of the parts still to
            be made.
    """
    minutes, seconds = divmod(round(told["seconds"]), 60)
    told = dict(told) | {"took": f"{minutes} min {seconds} s"}
    return _render(made, folder, told) + "\n"


def fragment(part: Part, folder: Path) -> str:
    """A part by itself, with its style: for a notebook."""
    return _render([part], folder, None)


def _render(made: Sequence[Part], folder: Path, told: Mapping | None) -> str:
    template = _environment().get_template("page.html")
    style = (HERE / "page.css").read_text(encoding="utf-8")

    def data(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    return template.render(
        parts=made, told=told, style=style, data=data, words=words, findings=findings()
    )


@cache
def _environment():
    from jinja2 import Environment, FileSystemLoader

    loader = FileSystemLoader(HERE, encoding="utf-8")
    found = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    found.filters["figures"] = _figures
    found.globals.update(usual_dtype=usual_dtype, in_cell=IN_CELL)
    return found


def _figures(result: Mapping) -> dict[str, str]:
    """The numbers of a FID as a cell has them, of as many digits as its spread allows."""
    digits = f".{decimals(result['fid'], result['spread'])}f"
    known = {name: result[name] for name in ("fid", "spread", "floor") if result[name] is not None}
    return {name: f"{value:{digits}}" for name, value in known.items()}

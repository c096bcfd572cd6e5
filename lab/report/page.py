"""The report made again, as one HTML file that holds its pictures and style.

The page is XML as well as HTML, so that a test can read it with a strict parser.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from ..measure.protocol import words
from . import measurements
from .parts import Part

HERE = Path(__file__).resolve().parent
# Where people say what the figures mean.
FINDINGS = HERE.parents[1] / "docs" / "findings.md"
SECTION = re.compile(r'<a id="(.+?)"></a>\n\n## (.+?)\n\n(.+?)(?=\n<a id=|\Z)', re.DOTALL)


def page(made: Sequence[Part], folder: Path, quick: bool = False, took: str = "") -> str:
    """The whole page.

    Args:
        made: the parts that are done.
        folder: where their pictures lie.
        took: how long the page took, and on what machine; empty if all was read, nothing made.
    """
    return _render(made, folder, {"quick": quick, "took": took}) + "\n"


def fragment(part: Part, folder: Path) -> str:
    """A part by itself, with its style: for a notebook."""
    return _render([part], folder, None)


def findings() -> dict[str, tuple[str, list[str]]]:
    """The question and the paragraphs of each section, by the name of its table."""
    sections = {}
    for name, question, text in SECTION.findall(FINDINGS.read_text(encoding="utf-8")):
        paragraphs = [" ".join(lines.split()) for lines in text.strip().split("\n\n")]
        # A figure and its error stay in one line.
        sections[name] = question, [p.replace(" ± ", "\u00a0±\u00a0") for p in paragraphs]
    return sections


def _render(parts: Sequence[Part], folder: Path, about: Mapping | None) -> str:
    def data(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    style = (HERE / "page.css").read_text(encoding="utf-8")
    context = {"parts": parts, "about": about, "style": style, "data": data, "findings": findings()}
    return _template().render(**context, words=words, measurements=measurements)


@cache
def _template():
    from jinja2 import Environment, FileSystemLoader

    loader = FileSystemLoader(HERE, encoding="utf-8")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html")

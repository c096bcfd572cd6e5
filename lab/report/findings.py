"""``docs/findings.md``, where people say what the figures mean, for the pages that show tables."""

from __future__ import annotations

import re
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "docs" / "findings.md"
SECTION = re.compile(r'<a id="(.+?)"></a>\n\n## (.+?)\n\n(.+?)(?=\n<a id=|\Z)', re.DOTALL)


def findings() -> dict[str, tuple[str, list[str]]]:
    """By the name of a table: the question that its section asks, and its paragraphs."""
    found = {}
    for name, question, text in SECTION.findall(FILE.read_text(encoding="utf-8")):
        paragraphs = [" ".join(lines.split()) for lines in text.strip().split("\n\n")]
        # A figure and its error stay in one line.
        found[name] = question, [it.replace(" ± ", "\u00a0±\u00a0") for it in paragraphs]
    return found

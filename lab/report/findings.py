"""``docs/findings.md``, where people say what the figures mean, for the pages that show tables."""

from __future__ import annotations

import re
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "docs" / "findings.md"
SECTION = re.compile(r'<a id="(.+?)"></a>\n\n## (.+?)\n\n(.+?)(?=\n<a id=|\Z)', re.DOTALL)


def findings() -> dict[str, tuple[str, list[str]]]:
    """The question and the paragraphs of each section, by the name of its table."""
    sections = {}
    for name, question, text in SECTION.findall(FILE.read_text(encoding="utf-8")):
        paragraphs = [" ".join(lines.split()) for lines in text.strip().split("\n\n")]
        # A figure and its error stay in one line.
        sections[name] = question, [p.replace(" ± ", "\u00a0±\u00a0") for p in paragraphs]
    return sections

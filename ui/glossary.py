"""What each word and symbol of the page means, read from the glossary among the documents."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "docs" / "glossary.md"
_ENTRY = re.compile(r"^- \*\*(.+?)\*\*: (.+)$", re.MULTILINE)


@cache
def glossary() -> dict[str, str]:
    """The definition of each name, in one or two plain sentences.

    Raises:
        ValueError: if a name has two.
    """
    meanings: dict[str, str] = {}
    for names, meaning in _ENTRY.findall(SOURCE.read_text(encoding="utf-8")):
        for name in names.split(" | "):
            if name in meanings:
                raise ValueError(f"the glossary explains {name!r} twice")
            meanings[name] = meaning.replace("*", "")
    return meanings

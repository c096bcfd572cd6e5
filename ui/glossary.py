"""The meaning of each word and symbol of the page, read from the glossary in the documents."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "docs" / "glossary.md"
REPORT = "the report"
_ENTRY = re.compile(r"^- \*\*(.+?)\*\*: (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[(.+?)\]\((.+?)\)")
_TERM = re.compile(r"\[\[(.+?)(?:\|(.+?))?\]\]")


@cache
def glossary() -> dict[str, str]:
    """The definition of each name, in one or two plain sentences of HTML."""
    definitions = {name: _as_html(text) for name, text in _entries().items()}
    return {name: text if name == REPORT else linked(text) for name, text in definitions.items()}


def linked(text: str) -> str:
    """HTML in which the first mention of the report is a link to it."""
    _, address = _LINK.search(_entries()[REPORT]).groups()
    return re.sub(rf"\b{REPORT}\b", _link(REPORT, address), text, count=1)


def explained(text: str) -> str:
    """A text with each `[[name]]`, or `[[name|as it is shown]]`, as a term of the page, in HTML.

    A name may begin with a capital.

    Raises:
        KeyError: for a name that the glossary does not have.
    """
    return _TERM.sub(lambda match: _term(match[1], match[2] or match[1]), text)


@cache
def _entries() -> dict[str, str]:
    """The meaning of each name, as it is written.

    Raises:
        ValueError: if a name has two meanings.
    """
    meanings: dict[str, str] = {}
    for names, meaning in _ENTRY.findall(SOURCE.read_text(encoding="utf-8")):
        for name in names.split(" | "):
            if name in meanings:
                raise ValueError(f"the glossary explains {name!r} twice")
            meanings[name] = meaning
    return meanings


def _term(name: str, shown: str) -> str:
    if name not in _entries():
        name = name[0].lower() + name[1:]
        _entries()[name]
    return f'<span data-term="{escape(name)}" tabindex="0">{_with_subscripts(shown)}</span>'


def _as_html(meaning: str) -> str:
    text = escape(meaning.replace("*", ""), quote=False)
    text = _LINK.sub(lambda link: _link(link[1], link[2]), text)
    return _with_subscripts(text)


def _with_subscripts(text: str) -> str:
    return re.sub(r"\bx_t\b", "<i>x</i><sub>t</sub>", text)


def _link(words: str, address: str) -> str:
    return f'<a href="{address}" target="_blank" rel="noopener">{words}</a>'

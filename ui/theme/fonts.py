"""The page's letters: a serif for text, a sans for controls, a mono for numbers, Greek italics.

All come with packages under the SIL Open Font License, and the page serves them itself. Without one
of them it has the system's letters.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..gradio_internals import FONTS, MATHEMATICS

__all__ = ["FILES", "head"]

GREEK = "U+0370-03FF"
SERIF = "font_source_serif_pro", "files"


class Face(NamedTuple):
    """A file in a folder of a package, as a pattern, and what the page calls it.

    Attributes:
        look: more of its rule.
        early: the first screen is set in it.
    """

    family: str
    package: str
    folder: str
    name: str
    look: str = ""
    early: bool = False


# Not the serif's .ttf files, whose % and ½ run into what follows them on Linux. Its italics have no
# Greek, and a slanted α would be an a: KaTeX has some, a little smaller.
ITALIC = "font-style: italic;"
GREEK_ITALIC = f"{ITALIC} unicode-range: {GREEK}; size-adjust: 108%;"
FACES = (
    Face("Source Serif", *SERIF, "SourceSerifPro-Regular.otf", early=True),
    Face("Source Serif", *SERIF, "SourceSerifPro-It.otf", ITALIC),
    Face("Greek Italic", *MATHEMATICS, "KaTeX_Math-Italic-*.woff2", GREEK_ITALIC),
    Face(
        "Greek Italic",
        *MATHEMATICS,
        "KaTeX_Math-BoldItalic-*.woff2",
        f"{GREEK_ITALIC} font-weight: 700;",
    ),
    Face("Source Sans", *FONTS, "SourceSansPro/SourceSansPro-Regular.woff2", early=True),
    Face("Plex Mono", *FONTS, "IBMPlexMono/IBMPlexMono-Regular.woff2", early=True),
)


def _file(face: Face) -> Path | None:
    package = find_spec(face.package)
    if package is None:
        return None
    folder = Path(package.submodule_search_locations[0], face.folder)
    return next(folder.glob(face.name), None)


_FOUND = {face: path for face in FACES if (path := _file(face))}
# By the name that each is served by.
FILES = {f"fonts/{path.name}": path.read_bytes() for path in _FOUND.values()}


def head(folder: str) -> str:
    """What stands in the head of the page, whose files are served from this folder."""
    rules, links = [], []
    for face, path in _FOUND.items():
        address = f"{folder}/fonts/{path.name}"
        rules.append(
            f'@font-face {{ font-family: "{face.family}"; src: url("{address}"); '
            f"font-display: swap; {face.look} }}"
        )
        if face.early:
            kind = f"font/{path.suffix[1:]}"
            links.append(
                f'<link rel="preload" as="font" type="{kind}" href="{address}" crossorigin>'
            )
    return "\n".join([*links, f"<style>{' '.join(rules)}</style>"])

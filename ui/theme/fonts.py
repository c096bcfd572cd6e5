"""The page's fonts: a serif for text, a sans for controls, a mono for numbers, Greek italics.

All come with packages under the SIL Open Font License, and the page serves them itself. Without one
of the packages it uses the system's fonts.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..gradio_internals import FONTS, MATHEMATICS

GREEK = "U+0370-03FF"
SERIF = "font_source_serif_pro", "files"


class Face(NamedTuple):
    """A font file, as a pattern in a folder of a package, and its name on the page.

    Attributes:
        look: further CSS of its rule.
        early: the first screen is set in it.
    """

    family: str
    package: str
    folder: str
    name: str
    look: str = ""
    early: bool = False


# The serif's .ttf files are not used: on Linux their % and ½ run into the next letter. Its italics
# have no Greek, and a slanted α would be an a. KaTeX has italic Greek, a little smaller.
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


_PATHS = {face: path for face in FACES if (path := _file(face))}
# Contents, by the name under which each is served.
FILES = {f"fonts/{path.name}": path.read_bytes() for path in _PATHS.values()}


def head(folder: str) -> str:
    """HTML for the head of the page, whose files are served from this folder."""
    rules, links = [], []
    for face, path in _PATHS.items():
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

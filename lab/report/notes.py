"""Why something could not be had, in words for a page that others read."""

from __future__ import annotations

import re

NEEDS = "needs the checkpoint {}, which does not ship yet"
NOT_YET, NO_DATA = "not measured yet", "no data"
# What an empty cell says itself; anything longer stands below the table.
IN_CELL = (NOT_YET, NO_DATA)
# An absolute path up to its last name, but no address: where things lie here is nobody's concern.
FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^\s/:]+/)+")


def line(error) -> str:
    """An error in one line, without the folders of this machine and without a full stop."""
    return FOLDERS.sub("", " ".join(str(error).split())).rstrip(".")


def sentence(error) -> str:
    """``line`` as a sentence."""
    text = line(error)
    return f"{text[:1].upper()}{text[1:]}."

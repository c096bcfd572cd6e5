"""The results on one screen: conclusions over their figures, and the report's tables."""

from __future__ import annotations

from .. import component


class ResultTables(component.Component):
    """Its value is a dictionary:

    - "conclusions": for each figure, in the order in which they stand, "figure", its name, and
      either "text", or of a chart by the name of a set of images "texts" and "at", the places that
      they speak of.
    - "charts": by the name of a figure, by the name of a set of images, either "error" or
      "columns", "rows" and "floor" over steps, or what `tradeoff` makes over scales.
    - "pictures": "source", "title" and "words" of each; "link", which runs them step by step.
    - "tables": with "title" and either "error" or "columns" and "rows". A row has a "title" and
      "cells", each a text or {"figure", "about", "mark"}; or None where nothing is to be had.
    """

"""Tells the controls around it which of them have a use; `layout.css` hides the others."""

from __future__ import annotations

from typing import Any

from .. import component


class Applicable(component.Component):
    """Invisible; its value is names with spaces between them."""

    NAME = "applicable"

    def __init__(self, value: str = "", **props: Any):
        super().__init__(value, visible="hidden", **props)

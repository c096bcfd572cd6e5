"""Tells the controls around it which of them have a use; `layout.css` hides the others."""

from __future__ import annotations

from .. import component


class Applicable(component.Component):
    """To be laid out hidden; its value is names with spaces between them."""

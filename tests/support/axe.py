"""What axe-core complains of."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe


def violations(page, within: str | None = None, only_colours: bool = False) -> list:
    """The rules that are broken, each with the first places.

    Args:
        within: a selector, to look there alone.
        only_colours: look at nothing but contrast: the dark page is the light one in other colours.
    """
    # Of rules that are kept one place each is told: to name them all takes as long as to look.
    options = {"resultTypes": ["violations"]}
    if only_colours:
        options["runOnly"] = ["color-contrast"]
    found = Axe().run(page, within, options).response
    looked_at = [node for rule in found["passes"] + found["violations"] for node in rule["nodes"]]
    assert looked_at, f"nothing to look at in {within}"
    return [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in found["violations"]]

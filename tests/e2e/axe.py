"""What axe-core complains of."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

CONTRAST = "color-contrast"


def violations(page, within: str | None = None, colours: bool | None = None) -> list:
    """The rules that are broken, each with the first places.

    Args:
        within: a selector, to look there alone.
        colours: False leaves contrast out, which takes four fifths of the time and is the same at
            any width; True looks at nothing else, for the other colours of the same page.
    """
    rules = {
        None: {},
        False: {"rules": {CONTRAST: {"enabled": False}}},
        True: {"runOnly": [CONTRAST]},
    }
    found = Axe().run(page, within, rules[colours]).response
    looked_at = [node for rule in found["passes"] + found["violations"] for node in rule["nodes"]]
    assert looked_at, f"nothing to look at in {within}"
    return [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in found["violations"]]

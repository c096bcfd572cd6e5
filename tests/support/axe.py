"""What axe-core complains of."""

from axe_playwright_python.sync_playwright import Axe

OPTIONS = {"resultTypes": ["violations"], "preload": False}


def violations(page, within: str, rules: list[str] | None = None) -> list:
    """The rules that are broken, each with the first places.

    Args:
        within: a selector: look only there.
        rules: those that are checked; all unless given.
    """
    found = Axe().run(page, within, OPTIONS | ({"runOnly": rules} if rules else {})).response
    assert found["passes"] or found["violations"], f"nothing to look at in {within}"
    return [
        (rule["id"], [node["target"] for node in rule["nodes"][:3]]) for rule in found["violations"]
    ]

"""What axe-core complains of."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

# The rules that are broken, each with the first places, and how many places were looked at.
RUN = """async ([within, options]) => {
  const found = await axe.run(within ?? document, options);
  const places = [...found.passes, ...found.violations].map((rule) => rule.nodes.length);
  const broken = found.violations.map((rule) => [rule.id, rule.nodes.slice(0, 3).map((node) =>
    node.target)]);
  return [broken, places.reduce((a, b) => a + b, 0)];
}"""


def violations(page, within: str | None = None, colours: bool | None = None) -> list:
    """The rules that are broken, each with the first places.

    Args:
        within: a selector, to look there alone.
        colours: True looks at nothing but contrast, which takes four times as long as all else;
            False at all else.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    # Of rules that are kept one place each is told: to name them all takes as long as to look.
    options = {"resultTypes": ["violations"], "preload": False}
    if colours:
        options["runOnly"] = ["color-contrast"]
    elif colours is False:
        options["rules"] = {"color-contrast": {"enabled": False}}
    broken, places = page.evaluate(RUN, [within, options])
    assert places, f"nothing to look at in {within}"
    return broken

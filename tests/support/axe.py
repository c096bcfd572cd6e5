"""What axe-core complains of."""

from axe_playwright_python.sync_playwright import Axe

# The rules that are broken, each with the first places, and how many places were looked at.
RUN = """async ([within, colours, rest]) => {
  // To look for contrast takes four times as long as for all else: of texts that look alike on
  // grounds that look alike, one is enough.
  const looks = (window.looks ??= new Set());
  const isNew = (one) => {
    const { color, fontSize, fontWeight } = getComputedStyle(one);
    const look = [color, fontSize, fontWeight];
    for (let ground = one; ground; ground = ground.parentElement) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(ground);
      look.push(backgroundColor, backgroundImage, opacity);
    }
    return looks.size < looks.add(look.join()).size;
  };
  const hasText = (one) => one.checkVisibility({ visibilityProperty: true }) &&
    (one.matches("input, select, textarea") ||
      [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  const options = { resultTypes: ["violations"], preload: false };
  const ways = [];
  if (rest) ways.push([within, { ...options, rules: { "color-contrast": { enabled: false } } }]);
  if (colours) {
    const texts = [...document.querySelectorAll(`:is(${within}) *`)].filter(hasText);
    if (!texts.length) return [[], 0];
    const include = texts.filter(isNew);
    if (include.length) ways.push([{ include }, { ...options, runOnly: ["color-contrast"] }]);
  }
  const broken = [];
  let places = rest ? 0 : 1;
  for (const [where, how] of ways) {
    const found = await axe.run(where, how);
    for (const rule of [...found.passes, ...found.violations]) places += rule.nodes.length;
    for (const rule of found.violations) {
      broken.push([rule.id, rule.nodes.slice(0, 3).map((node) => node.target)]);
    }
  }
  return [broken, places];
}"""


def violations(page, within: str = "body", colours: bool = True, rest: bool = True) -> list:
    """The rules that are broken, each with the first places.

    Args:
        within: a selector: look only there.
        colours: whether to check contrast, of every look that was not seen on this page yet.
        rest: whether to check all else.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    broken, places = page.evaluate(RUN, [within, colours, rest])
    assert places, f"nothing to look at in {within}"
    return broken

"""The report's fourteen equations as HTML, every symbol an element that knows its name.

Set in HTML and two drawn letters, not in MathML: that needs a mathematical font, which phones
lack, and what stands here has numbers under its terms. symbols.css is its style, symbols.js shows
the names.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape

__all__ = ["ALL", "SYMBOLS", "markup", "numbers", "root", "symbol"]

ALL = range(1, 15)
# Drawn where fonts of phones have no such letter.
_N = (
    '<svg class="eq-letter" data-letter="N" viewBox="0 0 26 20" aria-hidden="true"><path '
    'd="M1.4 16.2c-.5 2.6 3 3.6 4.4.5C7.9 12 9.3 7.5 10.9 2.3"/><path class="eq-heavy" '
    'd="M10.9 2.3 16.8 18.2"/><path d="M16.8 18.2C18.2 13 19.4 7.8 21 4c1.2-2.9 3.9-2.7 3.7-.6"/>'
    "</svg>"
)
_E = (
    '<svg class="eq-letter" data-letter="E" viewBox="0 0 16 20" aria-hidden="true"><path '
    'd="M1 1.6h13V5M1 18.4h13V15M3 1.6v16.8M6 1.6v16.8M6 10h5.5M11.5 7.8v4.4"'
    "/></svg>"
)
_SQUARED = "<sup>2</sup>"


def _bold(letter: str, low: str = "") -> str:
    return f"<strong>{letter}</strong>" + (f"<sub>{low}</sub>" if low else "")


def _slanted(letter: str, low: str = "") -> str:
    return f"<i>{letter}</i>" + (f"<sub>{low}</sub>" if low else "")


_T, _T1, _THETA = "<i>t</i>", "<i>t</i>−1", "<i>θ</i>"
_ABAR = f'<i class="eq-bar">α</i><sub>{_T}</sub>'
_EPS = '<strong class="eq-slant">ε</strong>'
# Per symbol: how it looks, how it is read, what it is, and the name of its own number.
SYMBOLS: dict[str, tuple[str, str, str, str | None]] = {
    "x_t": (_bold("x", _T), "x t", "the image after t steps of noise", None),
    "x_t1": (_bold("x", _T1), "x t minus 1", "the image one step before, a little cleaner", None),
    "x_0": (_bold("x", "0"), "x 0", "the clean image", None),
    "x_T": (_bold("x", "<i>T</i>"), "x T", "the opening noise, nothing else", None),
    "x_1T": (_bold("x", "1:<i>T</i>"), "x 1 to T", "all noisy states, from step 1 to T", None),
    "x_0T": (_bold("x", "0:<i>T</i>"), "x 0 to T", "the whole chain, the image and T states", None),
    "q": (_slanted("q"), "q", "the forward process: how noise is added", None),
    "p": (_slanted("p"), "p", "the standard normal that the reverse process starts from", None),
    "p_theta": (
        _slanted("p", _THETA),
        "p theta",
        "the reverse process, as the network has it",
        None,
    ),
    "prod": ('<span class="eq-big">∏</span>', "product", "one factor for each step", None),
    "N": (_N, "normal", "a normal distribution: its mean and its variance", None),
    "E": (_E, "expected value", "the mean over everything under it", None),
    "beta": (_slanted("β", _T), "beta t", "the variance of the noise that step t adds", "beta"),
    "alpha": (
        _slanted("α", _T),
        "alpha t",
        "1 − β_t, the share of the variance that step t leaves",
        "alpha",
    ),
    "abar": (_ABAR, "alpha bar t", "the share of the image’s variance left after step t", "abar"),
    "I": (_bold("I"), "identity", "every pixel by itself, all alike", None),
    "eps": (_EPS, "epsilon", "the noise: standard normal, one value for each pixel", None),
    "eps_theta": (
        f"{_EPS}<sub>{_THETA}</sub>",
        "epsilon theta",
        "the noise that the network sees in x_t",
        None,
    ),
    "mu": (
        f'<strong class="eq-slant">μ</strong><sub>{_THETA}</sub>',
        "mu theta",
        "where the step goes on average: x_t less some of the noise seen in it",
        None,
    ),
    "Sigma": (
        _bold("Σ", _THETA),
        "Sigma theta",
        "the variance of a reverse step, fixed: σ_t² = β_t",
        "sigma2",
    ),
    "sigma2": (
        f"<i>σ</i><sub>{_T}</sub>{_SQUARED}",
        "sigma t squared",
        "the variance of a reverse step, β_t (the report’s section 1.4 says σ_t = β_t: corrected)",
        "beta",
    ),
    "t": (_T, "t", "the step, 1 to T; more noise with every one", "t"),
    "theta": (_THETA, "theta", "the network’s weights", None),
    "L": (
        '<i>L</i><sub class="eq-word">simple</sub>',
        "L simple",
        "the loss that is trained; below, this model’s on held-out images, per pixel",
        "loss",
    ),
    "error": (
        "",
        "squared error",
        "how far the network is off; below, this model’s mean in this quarter of t, per pixel",
        "loss_here",
    ),
    "error_then": ("", "squared error", "how far the network is off, over all pixels", None),
    "eps_new": (
        f"<i>ε</i><sub>{_THETA}</sub>",
        "epsilon theta",
        "the noise to go on with, pushed towards the class",
        None,
    ),
    "eps_old": (
        f"<i>ε</i><sub>{_THETA}′</sub>",
        "epsilon theta prime",
        "the noise that the network predicts",
        None,
    ),
    "lam": (_slanted("λ"), "lambda", "the guidance scale, at this step", "lam"),
    "grad": ("∇", "gradient", "which way each pixel would have to go", None),
    "p_c": (_slanted("p", "<i>c</i>"), "p c", "the classifier’s probability", None),
    "y": (_slanted("y"), "y", "the class asked for", None),
    "none": ("∅", "no class", "no class: the label is dropped", None),
    "p_uncond": (
        '<i>p</i><sub class="eq-word">uncond</sub>',
        "p uncond",
        "how often training drops the label; below, for this model",
        "p_uncond",
    ),
    "grad_theta": (
        f"∇<sub>{_THETA}</sub>",
        "gradient by theta",
        "the way the weights have to go; training goes the other",
        None,
    ),
    "z_lam": (
        _bold("z", "<i>λ</i>"),
        "z lambda",
        "the noisy image; this λ is its log-SNR, ln(ᾱ_t / (1 − ᾱ_t)), not the guidance scale",
        None,
    ),
    "z_t": (_bold("z", _T), "z t", "the noisy image, x_t elsewhere", None),
    "eps_tilde": (
        f'<strong class="eq-slant eq-tilde">ε</strong><sub>{_T}</sub>',
        "epsilon tilde t",
        "the noise to go on with: the conditional one alone, s = 1",
        None,
    ),
}
# A few words that are set as mathematics where they are read.
_WORDS = {
    "σ_t²": f"<i>σ</i><sub>{_T}</sub>{_SQUARED}",
    "σ_t": f"<i>σ</i><sub>{_T}</sub>",
    "β_t": f"<i>β</i><sub>{_T}</sub>",
    "x_t": f"<strong>x</strong><sub>{_T}</sub>",
    "ᾱ_t": _ABAR,
}


# How each is read aloud.
SPOKEN = {
    1: "q of x 1 to T given x 0 is the product over t of q of x t given x t minus 1",
    2: "q of x t given x t minus 1 is normal, with mean root of 1 minus beta t times x t minus 1 "
    "and variance beta t",
    3: "x t is root of 1 minus beta t times x t minus 1, plus root of beta t times epsilon",
    4: "x t is root of alpha bar t times x 0, plus root of 1 minus alpha bar t times epsilon",
    5: "q of x t given x 0 is normal, with mean root of alpha bar t times x 0 and variance "
    "1 minus alpha bar t",
    6: "p theta of x 0 to T is p of x T times the product over t of p theta of x t minus 1 given "
    "x t",
    7: "p theta of x t minus 1 given x t is normal, with mean mu theta and variance Sigma theta",
    8: "minus log p theta of x 0 is at most minus the expected log of p theta of x 0 to T over q "
    "of x 1 to T given x 0",
    9: "the expected squared error of epsilon theta, weighted by beta t squared over 2 sigma t "
    "squared alpha t times 1 minus alpha bar t",
    10: "L simple of theta is the expected squared error of epsilon theta",
    11: "epsilon theta is epsilon theta prime minus lambda times the gradient of the log of p c "
    "of y given x t",
    12: "y becomes no class with probability p uncond",
    13: "the gradient by theta of the squared error of epsilon theta of z lambda and y",
    14: "epsilon tilde t is epsilon theta of z t and y",
}


@cache
def markup(number: int) -> str:
    """An equation, 1 to 14, with its number in the report and room for the numbers of a step."""
    body = " ".join(_line(*parts) for parts in _lines(number))
    # The keyboard comes to the first symbol, and from there goes on by the arrows.
    body = body.replace('tabindex="-1"', 'tabindex="0"', 1)
    return (
        f'<div class="equation" data-equation="{number}" role="group" '
        f'aria-label="Equation {number}: {escape(SPOKEN[number])}">'
        f'<span class="eq-no">({number})</span><span class="eq-body">{body}</span></div>'
    )


@cache
def numbers(number: int) -> frozenset[str]:
    """The names of the numbers that an equation and its symbols show."""
    return frozenset(re.findall(r'data-(?:number|value)="(\w+)"', markup(number)))


def symbol(key: str, look: str | None = None) -> str:
    """One of `SYMBOLS`, named on hover, focus and tap; ``look`` replaces its looks."""
    glyph, spoken, meaning, number = SYMBOLS[key]
    for word, set_ in _WORDS.items():
        meaning = meaning.replace(word, set_)
    now = f' data-value="{number}"' if number else ""
    return (
        f'<span class="eq-symbol" data-symbol="{key}" role="img" tabindex="-1" '
        f'aria-label="{escape(spoken)}" data-name="{escape(meaning)}"{now}>{look or glyph}</span>'
    )


def root(inside: str) -> str:
    """A root with its bar."""
    return (
        '<span class="eq-root"><svg viewBox="0 0 10 20" preserveAspectRatio="none" '
        'aria-hidden="true"><path d="M.3 12.6 2.6 11 5.6 19 9.7.6"/></svg>'
        f"<span>{inside}</span></span>"
    )


def _number(name: str, guide: bool = False) -> str:
    return f'<b data-number="{name}" data-guide="{str(guide).lower()}"></b>'


def _at(body: str, number: str, guide: bool = False) -> str:
    """A term with a number of this step under it."""
    return _under(body, _number(number, guide))


def _under(body: str, below: str) -> str:
    return f'<span class="eq-term"><span>{body}</span><span class="eq-under">{below}</span></span>'


def _fraction(above: str, below: str) -> str:
    return f'<span class="eq-fraction"><span>{above}</span><span>{below}</span></span>'


def _fence(kind: str, side: str, size: str = "") -> str:
    return (
        f'<span class="eq-fence" data-kind="{kind}" data-side="{side}" data-size="{size}"></span>'
    )


def _line(*parts: str) -> str:
    """What stays on one line; between two of these an equation may break."""
    return f'<span class="eq-line">{"".join(parts)}</span>'


def _of(function: str, *arguments: str) -> str:
    return f"{symbol(function)}({', '.join(map(symbol, arguments))})"


def _given(function: str, of: str, known: str) -> str:
    return f'{symbol(function)}({symbol(of)}<span class="eq-such">|</span>{symbol(known)})'


def _sign(sign: str) -> str:
    return f'<span class="eq-sign">{sign}</span>'


def _product() -> str:
    limits = f"<span><i>T</i></span>{symbol('prod')}<span><i>t</i>=1</span>"
    return _at(f'<span class="eq-limits">{limits}</span>', "step")


def _low(*keys: str) -> str:
    return f"<sub>{', '.join(map(symbol, keys))}</sub>"


def _lines(number: int) -> list[list[str]]:
    """The equation, in pieces that are not broken."""
    rest = f"1 − {symbol('abar')}"
    keep = _at(root(f"1 − {symbol('beta')}"), "keep")
    signal, noise = _at(root(symbol("abar")), "signal"), _at(root(rest), "noise")
    is_, plus, less, normal = _sign("="), _sign("+"), _sign("−"), symbol("N")
    if number == 1:
        return [[_given("q", "x_1T", "x_0"), is_], [_product(), _given("q", "x_t", "x_t1")]]
    if number == 2:
        mean = [normal, "(", symbol("x_t"), "; ", keep, symbol("x_t1"), ",&nbsp;"]
        variance = [_at(symbol("beta"), "beta"), symbol("I"), ")"]
        return [[_given("q", "x_t", "x_t1"), is_], [*mean, *variance]]
    if number == 3:
        added = [plus, _at(root(symbol("beta")), "add"), symbol("eps")]
        return [[symbol("x_t"), is_, keep, symbol("x_t1"), *added]]
    if number == 4:
        return [[symbol("x_t"), is_, signal, symbol("x_0"), plus, noise, symbol("eps")]]
    if number == 5:
        variance = [_at(f"({rest})", "rest"), symbol("I"), ")"]
        mean = [normal, "(", signal, symbol("x_0"), ",&nbsp;"]
        return [[_given("q", "x_t", "x_0"), is_], [*mean, *variance]]
    if number == 6:
        factors = [_of("p", "x_T"), _product(), _given("p_theta", "x_t1", "x_t")]
        return [[_of("p_theta", "x_0T"), is_], factors]
    if number == 7:
        step = [normal, "(", symbol("x_t1"), "; ", _of("mu", "x_t", "t"), ", "]
        step += [_of("Sigma", "x_t", "t"), ")"]
        noisy, guess = _bold("x", _T), f"{_EPS}<sub>{_THETA}</sub>"
        mean = f"{_number('mean_x')} {noisy} − {_number('mean_eps')} {guess}"
        mean = f'<span class="eq-aside">the mean {mean}</span>'
        variance = f'<span class="eq-aside">the variance {_number("sigma2")}</span>'
        return [[_given("p_theta", "x_t1", "x_t"), is_], step, [mean], [variance]]
    if number == 8:
        chain = _given("q", "x_1T", "x_0")
        over = f"<i>T</i> = {_number('T')}"
        bound = ["−", _under(f"{symbol('E')}<sub>{chain}</sub>", over)]
        ratio = _fraction(_of("p_theta", "x_0T"), chain)
        bound += [
            _fence("square", "open", "tall"),
            "log ",
            ratio,
            _fence("square", "close", "tall"),
        ]
        return [["−log ", _of("p_theta", "x_0"), _sign("≤")], bound]
    if number == 9:
        below = f"2{symbol('sigma2')}{symbol('alpha')}({rest})"
        weight = _at(_fraction(f"{symbol('beta')}{_SQUARED}", below), "weight")
        mean = [symbol("E"), _low("x_0", "eps"), _fence("square", "open", "tall"), weight]
        return [mean, *_error(signal, noise, _fence("square", "close", "tall"))]
    if number == 10:
        loss = [_at(symbol("L"), "loss"), f"({symbol('theta')})", _sign(":=")]
        mean = [symbol("E"), _low("t", "x_0", "eps"), _fence("square", "open")]
        first, second = _error(signal, noise, _fence("square", "close"), "loss_here")
        return [loss, [*mean, *first], second]
    if number == 11:
        judged = f'{symbol("p_c")}({symbol("y")}<span class="eq-such">|</span>{symbol("x_t")})'
        push = [less, _at(symbol("lam"), "lam", True), symbol("grad"), f" ln({judged})"]
        lengths = f"the push is {_number('push', True)} long, <i>ε</i> {_number('eps')}"
        told = f'<span class="eq-aside">{lengths}</span>'
        return [[symbol("eps_new"), is_, symbol("eps_old"), *push], [told]]
    if number == 12:
        chance = _at(symbol("p_uncond"), "p_uncond", True)
        return [[symbol("y"), _sign("←"), symbol("none"), " with probability ", chance]]
    if number == 13:
        level = f"<i>λ</i> = {_number('log_snr')}"
        seen = f"({_under(symbol('z_lam'), level)}, {symbol('y')})"
        error = [symbol("eps_theta"), seen, less, symbol("eps")]
        norm = [_fence("norm", "open"), *error, _fence("norm", "close"), _SQUARED]
        return [[symbol("grad_theta"), *norm]]
    if number == 14:
        here = f"that is <i>s</i> = 1; here <i>s</i> = {_number('s', True)}"
        told = f'<span class="eq-aside">{here}</span>'
        return [[symbol("eps_tilde"), is_, _of("eps_theta", "z_t", "y")], [told]]
    raise ValueError(f"equations are numbered 1 to 14, got {number}")


def _error(signal: str, noise: str, after: str, number: str = "") -> list[list[str]]:
    """ε less the network's guess at it, squared: what 9 and 10 have in common."""
    close = _fence("norm", "close") + _SQUARED
    close = _at(symbol("error", close), number) if number else symbol("error_then", close)
    guess = [symbol("eps_theta"), "(", signal, symbol("x_0")]
    return [
        [_fence("norm", "open"), symbol("eps"), _sign("−"), *guess],
        [_sign("+"), noise, symbol("eps"), ", ", symbol("t"), ")", close, after],
    ]

"""The report's fourteen equations as HTML, every symbol an element that knows its name.

Set by ourselves, in HTML and two drawn letters. TeX turned into MathML by a package was tried and
loses what a visitor has: browsers do not break MathML, so that (8) and (10) reach out of a phone's
page; without a mathematical font, which phones lack, an index is not lowered; ε is not bold; and a
number under a term takes room beside it. symbols.css is the style, symbols.js shows the names.
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
_EPS_THETA = f"{_EPS}<sub>{_THETA}</sub>"
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
        _EPS_THETA,
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
        "<i>L</i><sub>simple</sub>",
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
        "<i>p</i><sub>uncond</sub>",
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

# How each is set, in a notation after TeX: the key of a symbol is that symbol, `...` are words, and
# \name[option]{...} is one of _FORMS. Between two pieces, //, a line may break. *: of guidance.
EQUATIONS = {
    1: r"q(x_1T | x_0) = // \prod q(x_t | x_t1)",
    2: r"q(x_t | x_t1) = // N(x_t; KEEP x_t1,~ \at[beta]{beta} I)",
    3: r"x_t = KEEP x_t1 + \at[add]{\root{beta}} eps",
    4: r"x_t = SIGNAL x_0 + NOISE eps",
    5: r"q(x_t | x_0) = // N(SIGNAL x_0,~ \at[rest]{(`1 − ` abar)} I)",
    6: r"p_theta(x_0T) = // p(x_T) \prod p_theta(x_t1 | x_t)",
    7: r"p_theta(x_t1 | x_t) = // N(x_t1; mu(x_t, t), Sigma(x_t, t)) // "
    rf"\aside{{`the mean ` \num[mean_x] ` {_bold('x', _T)} − ` \num[mean_eps] ` {_EPS_THETA}`}} // "
    r"\aside{`the variance ` \num[sigma2]}",
    8: r"`−log ` p_theta(x_0) ≤ // `−` \under{E\sub{q(x_1T | x_0)}}{`<i>T</i> = ` \num[T]}"
    r"⟦ `log ` \over{p_theta(x_0T)}{q(x_1T | x_0)} ⟧",
    9: r"E\sub{x_0, eps} ⟦ \at[weight]{\over{beta ²}{2 sigma2 alpha (`1 − ` abar)}} // "
    r"< eps − eps_theta(SIGNAL x_0 // + NOISE eps, t) \symbol[error_then]{>²} ⟧",
    10: r"\at[loss]{L}(theta) := // E\sub{t, x_0, eps} [ "
    r"< eps − eps_theta(SIGNAL x_0 // + NOISE eps, t) \at[loss_here]{\symbol[error]{>²}} ]",
    11: r"eps_new = eps_old − \at[lam*]{lam} grad ` ln(` p_c(y | x_t)) // "
    r"\aside{`the push is ` \num[push*] ` long, <i>ε</i> ` \num[eps]}",
    12: r"y ← none ` with probability ` \at[p_uncond*]{p_uncond}",
    13: r"grad_theta < eps_theta(\under{z_lam}{`<i>λ</i> = ` \num[log_snr]}, y) − eps >²",
    14: r"eps_tilde = eps_theta(z_t, y) // "
    r"\aside{`that is <i>s</i> = 1; here <i>s</i> = ` \num[s*]}",
}
_SHORT = {
    "KEEP": r"\at[keep]{\root{`1 − ` beta}}",
    "SIGNAL": r"\at[signal]{\root{abar}}",
    "NOISE": r"\at[noise]{\root{`1 − ` abar}}",
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
    source = EQUATIONS[number]
    for name, meant in _SHORT.items():
        source = source.replace(name, meant)
    # What stays on one line; between two of these an equation may break.
    lines = (f'<span class="eq-line">{_typeset(line)}</span>' for line in source.split("//"))
    # The keyboard comes to the first symbol, and from there goes on by the arrows.
    body = " ".join(lines).replace('tabindex="-1"', 'tabindex="0"', 1)
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


_TOKEN = re.compile(r"`[^`]*`|\\\w+(?:\[[^]]*\])?|\w+|:=|,~|\S")


def _typeset(source: str) -> str:
    tokens = _TOKEN.findall(source)[::-1]  # the next one last
    return _sequence(tokens)


def _sequence(tokens: list[str]) -> str:
    """Everything up to the end of its braces."""
    body = ""
    while tokens and (token := tokens.pop()) != "}":
        if token.startswith("`"):
            body += token[1:-1]
        elif token.startswith("\\"):
            body += _form(token[1:], tokens)
        elif token in SYMBOLS:
            body += symbol(token)
        else:
            body += _SIGNS.get(token, token)
    return body


def _form(token: str, tokens: list[str]) -> str:
    name, _, option = token.rstrip("]").partition("[")
    arguments = [option] if option else []
    while tokens and tokens[-1] == "{":
        tokens.pop()
        arguments.append(_sequence(tokens))
    return _FORMS[name](*arguments)


def _number(name: str) -> str:
    """Where a number of this step stands; with a star, in the colour of guidance."""
    of_guidance = str(name.endswith("*")).lower()
    return f'<b data-number="{name.rstrip("*")}" data-guide="{of_guidance}"></b>'


def _under(body: str, below: str) -> str:
    return f'<span class="eq-term"><span>{body}</span><span class="eq-under">{below}</span></span>'


def _over(above: str, below: str) -> str:
    return f'<span class="eq-fraction"><span>{above}</span><span>{below}</span></span>'


def _at(number: str, body: str) -> str:
    """A term with a number of this step under it."""
    return _under(body, _number(number))


def _product() -> str:
    limits = f"<span><i>T</i></span>{symbol('prod')}<span><i>t</i>=1</span>"
    return _at("step", f'<span class="eq-limits">{limits}</span>')


def _fence(kind: str, side: str, size: str = "") -> str:
    return (
        f'<span class="eq-fence" data-kind="{kind}" data-side="{side}" data-size="{size}"></span>'
    )


_FORMS = {
    "num": _number,
    "at": _at,
    "under": _under,
    "over": _over,
    "root": root,
    "symbol": symbol,
    "prod": _product,
    "sub": "<sub>{}</sub>".format,
    "aside": '<span class="eq-aside">{}</span>'.format,
}
_SIGNS = {
    **{sign: f'<span class="eq-sign">{sign}</span>' for sign in ("=", "+", "−", "≤", "←", ":=")},
    "|": '<span class="eq-such">|</span>',
    ",": ", ",
    ",~": ",&nbsp;",
    ";": "; ",
    "²": _SQUARED,
    "[": _fence("square", "open"),
    "]": _fence("square", "close"),
    "⟦": _fence("square", "open", "tall"),
    "⟧": _fence("square", "close", "tall"),
    "<": _fence("norm", "open"),
    ">": _fence("norm", "close"),
}

"""The report's fourteen equations, and the rules of guidance, as HTML.

We set them ourselves, in HTML and two drawn letters. MathML that a package makes of TeX was worse:
browsers do not break its lines, so that (8) and (10) reach out of a phone's page; without a
mathematical font, which phones lack, an index is not lowered; ε is not bold; and a number under a
term takes room beside it. Every symbol is an element with an explanation, its own or from the
glossary, which hint.js shows.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import NamedTuple

from ...glossary import linked

ALL = range(1, 15)
# Drawn where fonts of phones have no such letter.
_DRAWN = {
    "𝒩": (
        '<svg class="eq-letter" viewBox="0 0 26 20" aria-hidden="true"><path d="M1.4 16.2c-.5 2.6 '
        '3 3.6 4.4.5C7.9 12 9.3 7.5 10.9 2.3"/><path class="eq-heavy" d="M10.9 2.3 16.8 18.2"/>'
        '<path d="M16.8 18.2C18.2 13 19.4 7.8 21 4c1.2-2.9 3.9-2.7 3.7-.6"/></svg>'
    ),
    "𝔼": (
        '<svg class="eq-letter" viewBox="0 0 16 20" aria-hidden="true"><path d="M1 1.6h13V5M1 '
        '18.4h13V15M3 1.6v16.8M6 1.6v16.8M6 10h5.5M11.5 7.8v4.4"/></svg>'
    ),
    "∏": '<span class="eq-big">∏</span>',
}
# Italic Greek has no letters with these marks.
ACCENTED = {
    letter: f'<span class="accented" data-accent="{mark}">{bare}</span>'
    for letter, bare, mark in (("ᾱ", "α", "ˉ"), ("ε̃", "ε", "˜"), ("σ̃", "σ", "˜"))
}
# Each symbol: its key, how it looks (see `words`), how it is read, what it is (= and a name of the
# glossary where that says it), and the name of its own number if it has one.
_TABLE = """
x_t        | *x*_t      | x t           | =x_t
x_t1       | *x*_{t−1}  | x t minus 1   | the image one step before, a little cleaner
x_0        | *x*_0      | x 0           | the clean image
x_T        | *x*_T      | x T           | the opening noise, nothing else
x_1T       | *x*_{1:T}  | x 1 to T      | all noisy states, from step 1 to /T/
x_0T       | *x*_{0:T}  | x 0 to T      | the whole chain, the image and /T/ states
x0_hat     | /x̂/_0      | x hat 0       | =x̂0
q          | /q/        | q             | =forward process
p          | /p/        | p             | the standard normal that the reverse process starts from
p_theta    | /p/_θ      | p theta       | =reverse process
prod       | ∏          | product       | one factor for each step
N          | 𝒩          | normal        | a normal distribution: its mean and its variance
E          | 𝔼          | expected value| the mean over everything under it
beta       | /β/_t      | beta t        | =β | beta
alpha      | /α/_t      | alpha t       | =α | alpha
abar       | /ᾱ/_t      | alpha bar t   | =ᾱ | abar
I          | *I*        | identity      | every pixel by itself, all alike
eps        | */ε/*      | epsilon       | =noise
eps_theta  | */ε/*_θ    | epsilon theta | the noise that the network sees in *x*_t
mu         | */μ/*_θ    | mu theta
           | where the step goes on average: *x*_t less some of the noise seen in it
Sigma      | *Σ*_θ      | Sigma theta   | the variance of a reverse step, fixed: /σ/_t² = /β/_t
           | sigma2
sigma2     | /σ/_t²     | sigma t squared
           | the variance of a reverse step, /β/_t (section 1.4 of the report says
             /σ/_t = /β/_t: corrected) | beta
t          | /t/        | t             | =t | t
theta      | /θ/        | theta         | =parameters
L          | /L/_{simple} | L simple
           | the loss that is trained; below, this model’s on held-out images, per pixel | loss
error      |            | squared error
           | how far the network is off; below, this model’s mean in this quarter of /t/, per
             pixel | loss_here
error_then |            | squared error | how far the network is off, over all pixels
eps_new    | /ε/_θ      | epsilon theta | the noise to go on with, pushed towards the class
eps_old    | /ε/_{θ′}   | epsilon theta prime | the noise that the network predicts
lam        | /λ/        | lambda        | =λ | lam
grad       | ∇          | gradient      | =gradient
p_c        | /p/_c      | p c           | the classifier’s probability
y          | /y/        | y             | the class asked for
none       | ∅          | no class      | no class: the label is dropped
p_uncond   | /p/_{uncond} | p uncond    | how often training drops the label; below, for this model
           | p_uncond
grad_theta | ∇_θ        | gradient by theta
           | the way the weights have to go; training goes the other
z_snr      | *z*_{log-SNR} | z at a log-SNR
           | the noisy image at this log-SNR, ln(/ᾱ/_t / (1 − /ᾱ/_t)); the report writes /λ/ for it
z_t        | *z*_t      | z t           | the noisy image, *x*_t elsewhere
eps_tilde  | */ε̃/*_t    | epsilon tilde t
           | the noise to go on with: the conditional one alone, /s/ = 1
eps_pushed | /ε̃/        | epsilon tilde | the noise to go on with, pushed towards the class
eps_seen   | /ε/        | epsilon       | the noise that the network predicts
eps_free   | /ε/_∅      | epsilon of no class | =unconditional
eps_y      | /ε/_y      | epsilon of y  | =conditional
v_pushed   | /ṽ/        | v tilde       | the velocity to go on with: a mix of image and noise
v_free     | /v/_∅      | v of no class | the velocity that the network predicts without a class
v_y        | /v/_y      | v of y        | the velocity that it predicts for the class asked for
s          | /s/        | s             | =s
phi        | /φ/        | phi           | =Rescale
sd_y       | /σ/_y      | sigma of y    | the spread of the conditional prediction
sd_pushed  | /σ̃/        | sigma tilde   | the spread of the guided prediction
grad_x     | ∇_{*x*ₜ}   | gradient by x t | =gradient
p_judged   | /p/        | p             | the classifier’s probability
"""


class Symbol(NamedTuple):
    look: str
    spoken: str
    meaning: str
    number: str = ""


def words(text: str) -> str:
    """A sentence with mathematics in it: /β/_t, *x*_{t−1}, */ε/*, σ²."""
    text = re.sub(r"\*([^*]+)\*", r"<strong>\1</strong>", text)
    text = re.sub(r"(?<!<)/(\S{1,2})/", r"<i>\1</i>", text)
    text = re.sub("ᾱ|ε̃|σ̃", lambda letter: ACCENTED[letter[0]], text)
    text = re.sub(r"_(?:\{([^}]*)\}|(\S))", lambda low: _lowered(low[1] or low[2]), text)
    text = text.replace("²", "<sup>2</sup>")
    return re.sub("[𝒩𝔼∏]", lambda letter: _DRAWN[letter[0]], text)


def _lowered(index: str) -> str:
    """An index: single letters slant, words and digits do not."""
    slanted = re.sub(r"(?<![\w>])([a-zA-Zθλ])(?!\w)", r"<i>\1</i>", index)
    return f"<sub>{slanted}</sub>"


_ENTRIES = re.sub(r"\n +", " ", _TABLE.strip()).splitlines()
_ROWS = [[cell.strip() for cell in entry.split("|")] for entry in _ENTRIES]
SYMBOLS = {key: Symbol(words(look), *others) for key, look, *others in _ROWS}

# How each is set, in a notation after TeX: the key of a symbol is that symbol, `...` are words, and
# \name[option]{...} is one of _FORMS. Between two pieces, //, a line may break. *: guidance's.
EQUATIONS = {
    1: r"q(x_1T | x_0) = // \prod q(x_t | x_t1)",
    2: r"q(x_t | x_t1) = // N(x_t; KEEP x_t1,~ \at[beta]{beta} I)",
    3: r"x_t = KEEP x_t1 + \at[add]{\root{beta}} eps",
    4: r"x_t = SIGNAL x_0 + NOISE eps",
    5: r"q(x_t | x_0) = // N(SIGNAL x_0,~ \at[rest]{(`1 − ` abar)} I)",
    6: r"p_theta(x_0T) = // p(x_T) \prod p_theta(x_t1 | x_t)",
    7: r"p_theta(x_t1 | x_t) = // N(x_t1; mu(x_t, t), Sigma(x_t, t)) // "
    r"\aside{`the mean ` \num[mean_x] ` *x*_t − ` \num[mean_eps] ` */ε/*_θ`} // "
    r"\aside{`the variance ` \num[sigma2]}",
    8: r"`−log ` p_theta(x_0) ≤ // `−` \under{E\sub{q(x_1T | x_0)}}{`/T/ = ` \num[T]}"
    r"⟦ `log ` \over{p_theta(x_0T)}{q(x_1T | x_0)} ⟧",
    9: r"E\sub{x_0, eps} ⟦ \at[weight]{\over{beta ²}{2 sigma2 alpha (`1 − ` abar)}} // "
    r"< eps − eps_theta(SIGNAL x_0 // + NOISE eps, t) \symbol[error_then]{>²} ⟧",
    10: r"\at[loss]{L}(theta) := // E\sub{t, x_0, eps} [ "
    r"< eps − eps_theta(SIGNAL x_0 // + NOISE eps, t) \at[loss_here]{\symbol[error]{>²}} ]",
    11: r"eps_new = eps_old − \at[lam*]{lam} grad ` ln(` p_c(y | x_t)) // "
    r"\aside{`the push is ` \num[push*] ` long, /ε/ ` \num[eps]}",
    12: r"y ← none ` with probability ` \at[p_uncond*]{p_uncond}",
    13: r"grad_theta < eps_theta(\under{z_snr}{`log-SNR = ` \num[log_snr]}, y) − eps >²",
    14: r"eps_tilde = eps_theta(z_t, y) // "
    r"\aside{`that is /s/ = 1; here /s/ = ` \num[s*]}",
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
    13: "the gradient by theta of the squared error of epsilon theta of z at a log-SNR and y",
    14: "epsilon tilde t is epsilon theta of z t and y",
}


@cache
def markup(number: int) -> str:
    """An equation, 1 to 14, with its number in the report and room for the numbers of a step."""
    return line(EQUATIONS[number], f"Equation {number}: {SPOKEN[number]}", number)


def line(source: str, spoken: str, number: int | None = None) -> str:
    """Mathematics in the notation of `EQUATIONS`, with its number in the report if it has one."""
    for name, expansion in _SHORT.items():
        source = source.replace(name, expansion)
    # Each piece stays on one line; between two pieces an equation may break.
    pieces = (_sequence(_TOKEN.findall(piece)[::-1]) for piece in source.split("//"))
    lines = (f'<span class="eq-line">{piece}</span>' for piece in pieces)
    # The keyboard reaches the first symbol; from there the arrow keys lead on.
    body = " ".join(lines).replace('tabindex="-1"', 'tabindex="0"', 1)
    attribute = f' data-equation="{number}"' if number else ""
    no = '<span class="eq-no" data-term="equation number" tabindex="-1">'
    before = f"{no}({number})</span>" if number else ""
    return (
        f'<div class="equation" data-hints role="group" aria-label="{escape(spoken)}"{attribute}>'
        f'{before}<span class="eq-body">{body}</span></div>'
    )


@cache
def numbers(number: int) -> frozenset[str]:
    """The names of the numbers that an equation and its symbols show."""
    return frozenset(re.findall(r'data-(?:number|value)="(\w+)"', markup(number)))


def _symbol(key: str, look: str | None = None) -> str:
    """One of `SYMBOLS`, with its explanation; ``look`` replaces its looks."""
    glyph, spoken, meaning, number = SYMBOLS[key]
    now = f' data-value="{number}"' if number else ""
    if meaning.startswith("="):
        explanation = f'data-term="{meaning[1:]}"'
    else:
        explanation = f'data-hint="{escape(linked(words(meaning)))}"'
    return (
        f'<span class="eq-symbol" data-symbol="{key}" role="img" tabindex="-1" '
        f'aria-label="{escape(spoken)}" {explanation}{now}>{look or glyph}</span>'
    )


def _root(inside: str) -> str:
    return (
        '<span class="eq-root"><svg viewBox="0 0 10 20" preserveAspectRatio="none" '
        'aria-hidden="true"><path d="M.3 12.6 2.6 11 5.6 19 9.7.6"/></svg>'
        f"<span>{inside}</span></span>"
    )


_TOKEN = re.compile(r"`[^`]*`|\\\w+(?:\[[^]]*\])?|\w+|:=|,~|\S")


def _sequence(tokens: list[str]) -> str:
    """Everything up to the end of its braces; of the tokens the next one is last."""
    body = ""
    while tokens and (token := tokens.pop()) != "}":
        if token.startswith("`"):
            body += words(token[1:-1])
        elif token.startswith("\\"):
            body += _form(token[1:], tokens)
        elif token in SYMBOLS:
            body += _symbol(token)
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
    """A place for a number of this step; with a star, in the colour of guidance."""
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
    limits = f"<span><i>T</i></span>{_symbol('prod')}<span><i>t</i>=1</span>"
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
    "root": _root,
    "symbol": _symbol,
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
    "²": "<sup>2</sup>",
    "[": _fence("square", "open"),
    "]": _fence("square", "close"),
    "⟦": _fence("square", "open", "tall"),
    "⟧": _fence("square", "close", "tall"),
    "<": _fence("norm", "open"),
    ">": _fence("norm", "close"),
}

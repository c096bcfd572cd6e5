"""Short answers beside their subject: a question, a few sentences, and pictures that show it.

The pictures are real: ``record`` makes them with the shipped models. Serve ``FOLDER``
(``gradio.set_static_paths``) for them to be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import gradio as gr

FOLDER = Path(__file__).parent / "pictures"
TIMES = (0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000)


@dataclass(frozen=True)
class Why:
    """A question that a newcomer asks, the answer, and the titles of rows and columns of pictures.
    Without rows a drawing shows it."""

    question: str
    answer: str
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


_AT = tuple(f"t = {t}" if not t else f"{t}" for t in TIMES)
WHYS = {
    "t": Why(
        "What is t?",
        "t counts how much noise has been added to a picture: at t = 0 none, at t = 1000 so much "
        "that nothing else is left. A run starts at 1000 and counts down; the network is told t, "
        "so that it knows how much noise to look for.",
        ("a digit",),
        _AT,
    ),
    "noise": Why(
        "Why start from noise?",
        "Any picture, with noise added for long enough, ends as the same kind of noise: nobody can "
        "tell any more which picture it was. So noise is a place that every picture leads to, and "
        "it costs nothing to make. A network that can undo a little noise at a time can walk back "
        "from there, to a picture that nobody has seen.",
        ("a 3", "a 7", "an 8"),
        _AT,
    ),
    "guess": Why(
        "Why two pictures?",
        "x_t is where the run stands: picture and noise, mixed. x̂0 is the finished picture as the "
        "network guesses it from x_t. From so much noise the guess is a blur of everything that it "
        "could become, so the run goes only a small step towards it, and asks again.",
        ("x_t", "x̂0"),
        _AT[1:-1][::-1],
    ),
    "steps": Why(
        "Why so few steps?",
        "DDIM adds no fresh noise, so its way from noise to picture is one smooth curve, and a "
        "smooth curve can be followed in a few large steps. DDPM adds fresh noise at every step: "
        "its way is so rough that large steps go astray, and it needs many small ones. In 20 steps "
        "of DDIM digits are as good as in 100, photographs nearly.",
    ),
    "cosine": Why(
        "Why does cosine look different?",
        "The linear schedule adds noise so fast that in the last third of the way hardly anything "
        "of the picture is left: a third of all steps has next to nothing to work with. The cosine "
        "schedule loses the picture evenly over the steps, so that on the way back shapes appear "
        "much earlier.",
        ("linear", "cosine"),
        _AT,
    ),
    "scale": Why(
        "What does guidance cost?",
        "Variety, and time. It pushes every picture towards what makes its class unmistakable, so "
        "the unusual ones disappear: pictures become clearer, more alike, and at last bolder. And "
        "classifier-free guidance calls the network twice for each step, once told the class and "
        "once not: the push is the difference.",
        ("s = 0", "s = 1", "s = 2", "s = 8"),
    ),
    "lambda": Why(
        "What is λ?",
        "λ says how hard a second network, a classifier, pushes. It tells for every pixel which "
        "change would make the class clearer, and λ times that change is added at every step. At 0 "
        "nothing is pushed and any digit may come; with more, all become the digit that was asked "
        "for, in thicker strokes and more alike.",
        ("λ = 0", "λ = 2", "λ = 8", "λ = 20"),
    ),
}
PICTURES = 8  # in a row without columns


def build(names: Sequence[str]) -> gr.HTML:
    """Lay some of the answers out, folded, in one line."""
    return gr.HTML(
        f'<div class="whys">{"".join(_fold(name) for name in names)}</div>',
        apply_default_css=False,
        elem_classes="why-block",
    )


def _fold(name: str) -> str:
    why = WHYS[name]
    # A drawing is text, and too long for the page: it is loaded when it is first looked at.
    drawn = f'<div data-drawn="gradio_api/file={FOLDER}/{name}.svg"></div>'
    picture = _table(name, why) if why.rows else drawn
    return (
        f'<details class="why" name="why"><summary>{escape(why.question)}</summary>'
        f"<p>{_as_html(why.answer)}</p>{picture}</details>"
    )


def _as_html(text: str) -> str:
    marked = escape(text).replace("x_t", "<i>x</i><sub>t</sub>")
    return marked.replace("x̂0", "<i>x̂</i><sub>0</sub>")


def _table(name: str, why: Why) -> str:
    """The rows with their names; each is one picture as wide as all its columns."""
    count = len(why.columns) or PICTURES
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in why.columns)
    rows = "".join(
        f'<tr><th scope="row">{_as_html(row)}</th><td colspan="{count}"><img loading="lazy" '
        f'src="gradio_api/file={FOLDER}/{name}-{i}.png" alt="{escape(row)}"></td></tr>'
        for i, row in enumerate(why.rows)
    )
    return f'<table class="why-rows"><tr><td></td>{head}</tr>{rows}</table>'

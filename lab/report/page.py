"""The report made again, as one HTML file that needs no other: pictures, style and all.

What is written is XML as well as HTML, so that a test can read it with a strict parser.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from ..measure.evaluation import words
from .findings import findings
from .notes import IN_CELL
from .parts import Part, Picture
from .report import Measurement, Row, Table, decimals, usual_dtype

STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
QUICK = (
    '<p class="mode"><strong>Quick.</strong> Few pictures, in fewer steps than the report takes; '
    "figures as they were measured and stored before.</p>\n"
)
AUTHORS = "Antunovic, Belai, Czekalla and Takacs, Technical University of Denmark"


def page(made: Sequence[Part], folder: Path, told: Mapping) -> str:
    """The whole page.

    Args:
        made: the parts that are done.
        folder: where their pictures lie.
        told: ``quick``, ``seconds``, ``hardware`` and ``ahead``, the names of the parts still to
            be made.
    """
    links = "".join(
        f'<li><a href="#{part.name}">{escape(part.title.partition(":")[0])}</a></li>\n'
        for part in made
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8" />\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1" />\n'
        f"<title>Learning the Noise, made again</title>\n<style>\n{STYLE}</style>\n</head>\n"
        '<body class="again">\n<header>\n<h1>Learning the Noise, made again</h1>\n'
        "<p>The tables and figures of the report <cite>Learning the Noise: Decoding Diffusion "
        f"Models</cite> ({AUTHORS}), by the models of this project. Its numbers are quoted and its "
        "figures described; every picture is ours. Figure 1, the network, is drawn in the app.</p>"
        f"\n{QUICK if told['quick'] else ''}"
        f'<nav aria-label="Parts"><ul>\n{links}</ul></nav>\n</header>\n<main>\n'
        + "".join(section(part, folder) for part in made)
        + f"</main>\n<footer><p>{_made(told)}</p></footer>\n</body>\n</html>\n"
    )


def fragment(part: Part, folder: Path) -> str:
    """A part by itself, with its style: for a notebook."""
    return f'<style>\n{STYLE}</style>\n<div class="again part">\n{section(part, folder)}</div>\n'


def section(part: Part, folder: Path) -> str:
    """A part as it stands on the page."""
    name, _, title = part.title.partition(": ")
    title = title[:1].upper() + title[1:]
    ours = f"<div><h3>Here</h3><p>{escape(part.caption)}</p></div>\n" if part.caption else ""
    return (
        f'<section id="{part.name}">\n<h2><span>{escape(name)}</span> {escape(title)}</h2>\n'
        f'<div class="beside">\n<div><h3>The report</h3><p>{escape(part.report)}</p></div>\n'
        f"{ours}</div>\n"
        + "".join(f'<div class="chart">\n{chart}</div>\n' for chart in part.charts)
        + _pictures(part.pictures, folder)
        + "".join(_table(table, part.missing) for table in part.tables)
        + _finding(part.name)
        + "".join(f'<p class="lacking">{escape(note)}</p>\n' for note in part.notes)
        + _protocols(part)
        + "</section>\n"
    )


def _made(told: Mapping) -> str:
    ahead = f" Still to be made: {', '.join(told['ahead'])}." if told["ahead"] else ""
    minutes, seconds = divmod(round(told["seconds"]), 60)
    made = f"Made in {minutes} min {seconds} s on {told['hardware']}, without what lay ready."
    return escape(f"{made}{ahead}")


def _pictures(pictures: Sequence[Picture], folder: Path) -> str:
    if not pictures:
        return ""
    shown = "".join(_picture(picture, folder) for picture in pictures)
    return f'<div class="pictures">\n{shown}</div>\n'


def _picture(it: Picture, folder: Path) -> str:
    data = base64.b64encode((folder / it.file).read_bytes()).decode()
    wide, high = it.size
    text = escape(it.words)
    return (
        f'<figure style="width: {wide}px">\n'
        f'<img src="data:image/png;base64,{data}" width="{wide}" height="{high}" '
        f'alt="{text}" />\n<figcaption>{text}</figcaption></figure>\n'
    )


def _table(table: Table, missing: Mapping[str, str]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    usual = usual_dtype(cell for row in table.rows for cell in row.measured)
    rows = "".join(_row(row, missing, usual) for row in table.rows)
    about = f'<p class="about">{escape(table.about)}</p>\n' if table.name == "fresh" else ""
    title = escape(table.title)
    return (
        f'<div class="wide figures" role="region" tabindex="0" aria-label="{title}">\n'
        f'<table>\n<thead><tr><th scope="col">{title}</th>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table>\n</div>\n{about}"
    )


def _row(row: Row, missing: Mapping[str, str], usual: str | None) -> str:
    kind = ' class="reported"' if row.reported else ""
    cells = "".join(f"<td>{figure:.3f}</td>" for figure in row.reported)
    cells += "".join(_cell(wanted, missing, usual) for wanted in row.measured)
    return f'<tr{kind}><th scope="row">{escape(row.title)}</th>{cells}</tr>\n'


def _cell(wanted: Measurement | None, missing: Mapping[str, str], usual: str | None) -> str:
    if wanted is None:
        return "<td></td>"
    result = wanted.result
    if result is None:
        why = missing.get(wanted.command, "")
        brief = why if why in IN_CELL else "–"  # the note below tells
        return f'<td class="lacking" title="{escape(why)}">{escape(brief)}</td>'
    digits = f".{decimals(result['fid'], result['spread'])}f"
    spread = "" if result["spread"] is None else f" <span>± {result['spread']:{digits}}</span>"
    lowest = "" if result["floor"] is None else f"<small>floor {result['floor']:{digits}}</small>"
    dtype = result["protocol"]["dtype"]
    other = "" if dtype == usual else f"<small>in {dtype}</small>"
    return f"<td><b>{result['fid']:{digits}}</b>{spread}{lowest}{other}</td>"


def _finding(name: str) -> str:
    if name not in findings():
        return ""
    question, paragraphs = findings()[name]
    text = "".join(f"<p>{escape(paragraph)}</p>\n" for paragraph in paragraphs)
    return f'<div class="finding">\n<h3>{escape(question)}</h3>\n{text}</div>\n'


def _protocols(part: Part) -> str:
    cells = [c for table in part.tables for row in table.rows for c in row.measured if c]
    lines = "".join(
        f"<li><b>{escape(c.model)}</b>: {escape(words(c.result))}</li>\n"
        for c in cells
        if c.result is not None
    )
    commands = "\n".join(escape(c.command) for c in cells if c.result is None)
    text = f"<ul>\n{lines}</ul>\n" if lines else ""
    text += f"<p>To measure what is missing:</p>\n<pre>{commands}</pre>\n" if commands else ""
    if not text:
        return ""
    return f"<details>\n<summary>Protocols and commands</summary>\n{text}</details>\n"

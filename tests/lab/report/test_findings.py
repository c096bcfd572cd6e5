"""docs/findings.md quotes what is stored.

Where a test here fails, something was trained or measured anew: write the sentence that has the old
figure again.
"""

import json
import re
from itertools import combinations

import pytest

from ddpm_core.checkpoints import HOME
from lab.report import tables
from lab.report.measurements import Figure, difference, written
from lab.report.page import findings
from lab.report.tables import COST_MODELS, TABLES

# The tables that a section quotes besides its own.
QUOTED = {"few-steps": ["table-2"]}
FIGURE = re.compile(r"\d+\.\d+(?: %)?(?: ± \d+\.\d+)?")


def shown(figure: Figure) -> str:
    """As the Results tab writes it, but for the space before %."""
    value, error = written(figure)
    return value.replace("\u00a0", " ") + (f" ± {error}" if error else "")


def stored(name: str) -> set[str]:
    """Every figure of a table, and every difference of two of its distances."""
    table = TABLES[name](None)
    fids = [cell.result for cell in table.cells if cell.kind == "fid"]
    figures = [cell.figure for cell in table.cells]
    gaps = filter(None, (difference(*pair) for pair in combinations(fids, 2)))
    return {
        *(f"{figure:.3f}" for row in table.rows for figure in row.reported),
        *map(shown, figures),
        *(shown(Figure(*gap)) for gap in gaps),
    }


def others(name: str) -> set[str]:
    """Figures that no cell shows: floors, and how many times one figure is another."""
    if name == "table-1":
        return {"0.0005", "0.0001"}  # learning rates: see below
    rows = {row.title: row.measured for row in TABLES[name](None).rows}
    floors = {cell.result.get("floor", 0) for cell in TABLES[name](None).cells}
    if name != "own-way":
        return {f"{floor:.4f}" for floor in floors}
    both = dict(zip(COST_MODELS, rows[tables.IN_ITS_WAY[-1]], strict=True))
    linear, *cosine = (both[model].result["fid"] for model in COST_MODELS[2:])
    return {f"{x:.1f}" for x in (*floors, *(x / linear for x in cosine))}


@pytest.mark.parametrize("name", TABLES)
def test_every_figure_is_stored(name):
    question, paragraphs = findings()[name]
    known = set.union(others(name), *(stored(table) for table in [name, *QUOTED.get(name, [])]))
    quoted = FIGURE.findall(" ".join(" ".join(paragraphs).split()))
    assert question.endswith("?") and len(quoted) > 4
    old = [figure for figure in quoted if figure not in known]
    assert not old, f"write anew in docs/findings.md, {question!r}: {', '.join(old)}"


@pytest.mark.parametrize(("dataset", "passes"), [("mnist", 30), ("cifar10", 60)])
def test_the_models_were_trained_as_it_says(dataset, passes):
    for ablation in tables.ABLATIONS:
        record = json.loads((HOME / f"{dataset}-{ablation}" / "training.json").read_text("utf-8"))
        assert round(record["images"] / record["training_set"]) == passes
        assert record["recipe"]["lr"] == 0.0005 and record["recipe"]["decay"] != "none"
        assert record["precision"] == "bfloat16 autocast"


def test_every_section_belongs_to_a_table():
    assert list(findings()) == list(TABLES)

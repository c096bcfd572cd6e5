"""Figures as they are stored beside the checkpoints, and made up."""

from lab.measure import results
from lab.report import tables
from tests.support.toys import result_of


def cell_at(name: str, row: str, column: str):
    """A shipped cell of a table."""
    table = tables.TABLES[name]()
    (table_row,) = [r for r in table.rows if r.title == row]
    return table_row.measured[table.columns.index(column)]


def store(home, measurement, *figures, **more):
    """Store a result of the weights in ``home``, if there are any."""
    mark = results.mark_of(home / measurement.model) or "0" * 16
    result = result_of(measurement, *figures, **{"mark": mark} | more)
    return results.save(home / measurement.model, result)

"""What was measured, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from .timing import Spread

Value = str | float | int | Spread | None


@dataclass(frozen=True)
class Table:
    """Attributes:
    title: what its rows have in common.
    rows: each a value by column; a column that a row lacks stays empty there.
    notes: lines below it: what was left out, and why.
    """

    title: str
    rows: list[dict[str, Value]]
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Aligned columns; of a spread the median and the quartiles."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        lines = [columns] + [[_text(row.get(name)) for name in columns] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self.title, *_indented(body), *_indented(self.notes, "! ")])

    def json(self) -> dict:
        return asdict(self)


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Spread):
        return f"{_number(value.median)} ({_number(value.low)}-{_number(value.high)})"
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def _indented(lines: Iterable[str], mark: str = "") -> list[str]:
    return [f"  {mark}{line}".rstrip() for line in lines]

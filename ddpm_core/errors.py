"""The one family of errors that the command line, the API and the page show as they are."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence


class InvalidInput(ValueError):
    """A request that cannot be met; its message is written for the person who made it."""


class CheckpointError(InvalidInput):
    """A checkpoint folder that is missing, damaged or does not fit."""


class DataError(InvalidInput):
    """A dataset that is missing or damaged."""


def check_int(name: str, value, low: int, high: int) -> int:
    """Return ``value`` as an int in ``[low, high]``, or say what is wrong with it."""
    _check_number(name, value)
    number = int(value)  # not by way of a float, which would round large seeds
    if number != value:
        raise InvalidInput(f"{name} must be a whole number, not {_brief(value)}")
    if not low <= number <= high:
        raise InvalidInput(f"{name} must be between {low:,} and {high:,}, not {_brief(number)}")
    return number


def check_float(name: str, value, low: float, high: float) -> float:
    """Return ``value`` as a finite float in ``[low, high]``, or say what is wrong with it."""
    _check_number(name, value)
    if not low <= value <= high:
        raise InvalidInput(f"{name} must be between {low:g} and {high:g}, not {_brief(value)}")
    return float(value)


def check_choice(name: str, value, choices) -> str:
    """Return ``value`` if it is one of ``choices``, or list them."""
    if value not in tuple(choices):
        raise InvalidInput(f"unknown {name} {_brief(value)}; known: {', '.join(map(str, choices))}")
    return value


def check_class_names(names: Sequence[str]) -> None:
    """Refuse a class that is called by another one's number: a request names it either way."""
    for number, name in enumerate(names):
        if name.isdecimal() and int(name) != number:
            raise InvalidInput(
                f"class {number} would be called {_brief(name)}: call classes by words, or by the "
                "numbers from 0 on, without a gap"
            )


def _check_number(name: str, value) -> None:
    if value is None:
        raise InvalidInput(f"{name} is missing: it must be a number")
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or value != value or value in (math.inf, -math.inf):
        raise InvalidInput(f"{name} must be a finite number, not {_brief(value)}")


def _brief(value) -> str:
    """Repeat what was given, but not a page of it."""
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

"""Fields of a dataclass that say of themselves, once, what they are: default, bounds and words.

The checks, the docstring and the options of the command line derive from them.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Collection

from .errors import InvalidInput, check_choice, check_float, check_int


def value(default, kind: type, about: str, check: Callable | None = None, known=()):
    """A field.

    Args:
        kind: what a text stands for, on the command line and in a link.
        about: what it is, in words, with ``{names}`` for what may be chosen, ``known``.
        check: ``(name, value) -> value``, or raises InvalidInput.
    """
    spec = {"kind": kind, "about": about, "check": check, "known": known}
    return dataclasses.field(default=default, metadata=spec)


def whole(default, low: int, high: int, about: str):
    """A whole number between two; None is left alone where it is the default."""
    return value(default, int, about, lambda name, given: check_int(name, given, low, high))


def number(default, low: float, high: float, about: str):
    """A number between two; None is left alone where it is the default."""
    return value(default, float, about, lambda name, given: check_float(name, given, low, high))


def choice(default, known: Collection[str], about: str, called: str = ""):
    """One of some names; ``called`` is what the error calls it."""
    return value(
        default, str, about, lambda name, given: check_choice(called or name, given, known), known
    )


def flag(default: bool, about: str):
    """True or False."""

    def check(name, given):
        if not isinstance(given, bool):
            raise InvalidInput(f"{name} must be true or false, not {given!r:.60}")
        return given

    return value(default, bool, about, check)


def again(cls: type, name: str, default):
    """A field of a base class with another default."""
    return dataclasses.field(default=default, metadata=cls.__dataclass_fields__[name].metadata)


def check(instance) -> None:
    """Check every field of a frozen dataclass, and keep what the checks return."""
    for spec in dataclasses.fields(instance):
        given, test = getattr(instance, spec.name), spec.metadata.get("check")
        if test and (given is not None or spec.default is not None):
            object.__setattr__(instance, spec.name, test(spec.name, given))


def about(cls: type, name: str) -> str:
    """What a field is, in words."""
    spec = cls.__dataclass_fields__[name].metadata
    *others, last = spec["known"] or [""]
    return spec["about"].format(names=f"{', '.join(others)} or {last}" if others else last)


def documented(cls: type) -> type:
    """A class decorator: the fields as the attributes in its docstring."""
    names = [spec.name for spec in dataclasses.fields(cls) if spec.metadata]
    lines = "".join(f"\n        {name}: {about(cls, name)}." for name in names)
    cls.__doc__ = f"{(cls.__doc__ or '').rstrip()}\n\n    Attributes:{lines}\n    "
    return cls


def add_options(
    p: argparse.ArgumentParser, default, left_open: Collection[str] = (), skip: Collection[str] = ()
) -> None:
    """Add an option for every field.

    Args:
        default: an instance, whose values are the defaults; or a class: then an option that is
            not given is None.
        left_open: fields whose option is None where it is not given.
        skip: fields without an option.
    """
    cls = default if isinstance(default, type) else type(default)
    for spec in dataclasses.fields(cls):
        if not spec.metadata or spec.name in skip:
            continue
        kind, usual = spec.metadata["kind"], getattr(default, spec.name)
        # On the command line nobody types None.
        words = about(cls, spec.name).replace("None:", "not given:")
        option = {"default": usual, "help": words}
        if default is cls or spec.name in left_open:
            option["default"] = None
        elif usual is not None:
            option["help"] += " (default: %(default)s)"
        option |= {"action": argparse.BooleanOptionalAction} if kind is bool else {"type": kind}
        p.add_argument(f"--{spec.name.replace('_', '-')}", **option)

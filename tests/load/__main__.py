"""``python -m tests.load``: let them loose, tell what they got, judge."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence

from playwright.sync_api import Error

from . import __doc__ as about
from .alone import Alone, Off
from .page import PATIENCE, Server, Slider
from .visitors import KINDS, Visitor

GATHERING = 5  # seconds, until all of them are at it
# After their time is over, for what they still wait for: one film of each, all in turn.
LONGEST = 1200
SOON = 1.0


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, default=7971)
    a = parser.parse_args(argv)
    server = Server(a.port)
    slider = Slider(server.url)
    visitors = [Visitor(server.url, number, a.seconds) for number in range(a.visitors - 1)]
    try:
        visit(slider, visitors, a.seconds)
        memory = server.memory()
    finally:
        server.end()
    return report(visitors, slider, memory, Alone())


def visit(slider: Slider, visitors: Sequence[Visitor], seconds: float) -> None:
    """The browser alone, then all of them at once, until everybody's time is over."""
    try:
        with slider:
            print(f"nobody else: {summary(slider.move_for(PATIENCE, most=10))}", flush=True)
            for visitor in visitors:
                visitor.start()
            time.sleep(GATHERING)
            slider.moved = slider.move_for(max(1, seconds - GATHERING))
            slider.rest()
    except Error as error:  # no browser: what the others got is told all the same
        slider.note(error)
    end = time.monotonic() + LONGEST
    for visitor in visitors:
        if visitor.ident:  # it was started
            visitor.join(max(0, end - time.monotonic()))


def report(visitors: Sequence[Visitor], slider: Slider, memory: int | None, alone: Alone) -> int:
    """Print what they got; returns the exit status."""
    tell(visitors, slider, memory)
    compare(visitors, slider, alone)
    found = verdicts(visitors, slider)
    if memory is None:
        found.append("the page's process ended by itself")
    for words in found:
        print(f"FAILED: {words}")
    return 1 if found else 0


def tell(visitors: Sequence[Visitor], slider: Slider, memory: int | None) -> None:
    late = sum(seconds >= PATIENCE for seconds in slider.moved)
    print(f"among {len(visitors) + 1}: {summary(slider.moved)}; {late} not within {PATIENCE} s")
    for kind in KINDS:
        some = [visitor for visitor in visitors if visitor.kind == kind]
        took = [seconds for visitor in some for seconds in visitor.took]
        outcome = sum((visitor.outcome for visitor in some), Counter())
        least = min((len(visitor.took) for visitor in some), default=0)
        print(
            f"{len(some)} visitors, {kind.words}: {summary(took)}; {dict(outcome)}; at least "
            f"{least} for each"
        )
    told = [visitor.outcome["full"] for visitor in visitors]
    never = sum(not visitor.took for visitor in visitors if visitor.outcome["full"])
    print(
        f"told that the page is full: {sum(told)} times, {sum(map(bool, told))} visitors, {never} "
        f"of whom got nothing; the browser: {'yes' if slider.full else 'no'}"
    )
    others = [words for visitor in visitors for words in visitor.errors] + slider.errors
    print(f"other errors: {len(others)}: {others[:3]}" if others else "other errors: none")
    print(f"server: at most {memory / 2**20:,.0f} MiB" if memory else "server: gone", flush=True)


def compare(visitors: Sequence[Visitor], slider: Slider, alone: Alone) -> None:
    """Make again alone what each got first; what is not the same is noted with the visitor."""
    by_kind: dict[str, list[Off]] = {}
    for one in (*visitors, slider):
        if one.first is None:
            continue
        off = alone.off(one.first)
        by_kind.setdefault("the slider" if one is slider else one.kind.words, []).append(off)
        if off.wrong:
            one.wrong.append(f"not the picture of seed {one.first.asked['seed']}: {off}")
    compared = sum(map(len, by_kind.values()))
    print(f"of {compared} of {len(visitors) + 1} a picture or film was made again alone, of 255")
    for words, found in by_kind.items():
        most, mean = max(off.most for off in found), max(off.mean for off in found)
        print(f"  {words}: off by {most} at most, no image by more than {mean:.2f} on average")


def verdicts(visitors: Sequence[Visitor], slider: Slider) -> list[str]:
    """What is not as it should be, in words."""
    found = []
    for visitor in visitors:
        who = f"visitor {visitor.number} ({visitor.kind.words})"
        found += [f"{who}: {words}" for words in visitor.wrong]
        if not visitor.outcome["came"] and not visitor.outcome["full"]:
            last = visitor.errors[-1] if visitor.errors else "no answer"
            found.append(f"{who} got neither a result nor was told that the page is full: {last}")
    found += [f"the browser: {words}" for words in slider.wrong]
    if slider.first is None and not slider.full:
        found.append("the browser got neither a finished film nor was told that the page is full")
    if all(seconds >= PATIENCE for seconds in slider.moved):
        found.append("no preview came at all")
    elif statistics.median(slider.moved) >= SOON:
        found.append(f"previews: a median of {statistics.median(slider.moved):.2f} s")
    return found


def summary(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none came"
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"{len(seconds)}, median {statistics.median(seconds):.2f} s, 95 % within {late:.2f} s"


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # whoever still waits for an answer would be waited for

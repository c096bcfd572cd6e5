"""What is measured, and the goals: each section yields its tables as they are ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import torch

from ddpm_core.checkpoints import load
from ddpm_core.errors import InvalidInput, check_choice

from . import (
    endtoend,
    growth,
    identical,
    ours,
    with_diffusers,
    with_lucidrains,
)
from .growth import Case
from .machine import DTYPES, LIKE_OURS, SQUARE, Rates, gemm_rate, steadily
from .shapes import GREY, SHAPES, WITHIN, Shape, Size, layout, measure
from .table import Table
from .timing import Spread, interleaved, ratio

PEERS = (with_diffusers, with_lucidrains)
# Of ours, and of the other: the defaults of both, and the same dtype in both.
COMPARISONS = (("default", "fp32"), ("fp32", "fp32"), ("bf16", "bf16"))
# What the median is to reach: by peer, comparison of dtypes, and batch where it depends on it.
SAMPLING_GOALS = {
    ("diffusers", "default"): {1: 1.5, 16: 1.8, 64: 2.0},
    ("diffusers", "fp32"): dict.fromkeys((1, 16, 64), 1.2),
    ("diffusers", "bf16"): dict.fromkeys((1, 16, 64), 1.2),
    ("lucidrains", "default"): {1: 2.5, 16: 3.5, 64: 4.0},
}
TRAINING_GOALS = {("diffusers", "fp32"): 1.4, ("diffusers", "bf16"): 1.4}
SAMPLED_IN_BF16 = (
    "bf16: weights, ours with the state in fp32, diffusers' with its state in bf16, lucidrains' in "
    "fp32 under autocast"
)
TRAINED_IN_BF16 = "bf16: autocast over weights in fp32, everywhere"
IDENTICAL_GOALS = {"fp32": {1: 1.1, 16: 1.1}, "bf16": {1: 1.1, 16: 1.1}, "default": {16: 1.9}}


@dataclass(frozen=True)
class Budget:
    """How much is measured.

    Attributes:
        shapes: of images, for sampling and training.
        walks: steps of a timed walk, by batch.
        identical: the same for the published shape, which costs eighty times as much a step.
        training: images in a training step.
        rounds: turns of each; at batch 1, where a turn is short, twice as many.
        tries: of a table, while the machine is not steady.
        waits: (n, steps) of the pictures waited for.
        film: (n, steps) of the long film.
        starts: of the application.
        growth: the cases of cost over size.
    """

    shapes: tuple[Shape, ...] = SHAPES
    walks: tuple[tuple[int, int], ...] = ((1, 20), (16, 20), (64, 20))
    identical: tuple[tuple[int, int], ...] = ((1, 20), (16, 20))
    training: int = 128
    rounds: int = 6
    tries: int = 2
    waits: tuple[tuple[int, int], ...] = tuple((n, s) for n in (1, 16) for s in (10, 20, 50))
    film: tuple[int, int] = (16, 1000)
    starts: int = 3
    growth: tuple[Case, ...] = (
        *(Case(n=n) for n in (1, 16, 64, 256, 1024)),
        *(Case(steps=steps) for steps in (10, 50, 250)),
        *(Case(size=size) for size in (14, 56, 112)),
        Case(n=10_000),
    )


FULL = Budget()
QUICK = Budget(
    shapes=(GREY,),
    walks=((1, 20), (16, 10)),
    identical=((1, 5),),
    training=32,
    rounds=5,
    tries=1,
    waits=((1, 20), (16, 20)),
    film=(16, 100),
    starts=1,
    growth=(Case(n=16), Case(n=64), Case(n=256), Case(steps=5), Case(size=56), Case(10_000, 1)),
)


def bench(budget: Budget = FULL, only: tuple[str, ...] = ()) -> Iterator[Table]:
    """Measure, table by table.

    Args:
        only: keys of ``SECTIONS``; all of them unless given.

    Raises:
        InvalidInput: for a section that is unknown; before anything is measured.
    """
    chosen = [check_choice("section", name, SECTIONS) for name in only] or list(SECTIONS)
    return (table for name in chosen for table in SECTIONS[name](budget))


def match(budget: Budget) -> Iterator[Table]:
    """Parameters and operations of ours and of the peers.

    Raises:
        InvalidInput: if a peer is not within 15 % of ours: nothing may be compared then.
    """
    peers, notes = _installed()
    for shape in budget.shapes:
        reference = ours.size(shape)
        rows = [_size_row(side, shape, reference) for side in (ours, *peers)]
        matched = "matched by the operations of the function, whoever saves some of them"
        yield Table(f"Match at {shape}", rows, [matched, *notes])


def gemm(budget: Budget) -> Iterator[Table]:
    """The ceiling, and the products that our convolutions amount to."""
    rows = []
    for size in (SQUARE, *LIKE_OURS):
        found = {f"GFLOP/s, {name}": gemm_rate(dtype, size) for name, dtype in DTYPES.items()}
        rows.append({"m x k x n": " x ".join(map(str, size))} | found)
    yield Table("Matrix products: the ceiling, and sizes like ours at batch 16", rows)


def sampling(budget: Budget) -> Iterator[Table]:
    """Denoising steps of whole walks, sampler included."""
    peers, notes = _installed()
    for shape in budget.shapes:
        reference = _matched(peers, shape)
        for batch, steps in budget.walks:
            model = ours.model(shape)
            subjects = {
                ("ours", dtype): ours.walk(model, shape.noise(batch), steps, dtype)
                for dtype in ("default", "fp32", "bf16")
            } | {
                (peer.NAME, dtype): peer.sampling(shape, batch, steps, dtype)
                for peer in peers
                for dtype in ("fp32", "bf16")
            }
            goals = {key: by_batch.get(batch) for key, by_batch in SAMPLING_GOALS.items()}
            title = f"Sampling at {shape}, batch {batch}: ms a step, over walks of {steps}"
            work = reference.executed * batch
            full = ours.steps_in_full(model, steps)
            told = [_in_full(full, steps), SAMPLED_IN_BF16, *notes]
            yield _compared(title, subjects, goals, budget, batch, work, steps, told, full / steps)


def training(budget: Budget) -> Iterator[Table]:
    """A step of training: noise, forward, backward, clipping, optimizer, averaged weights."""
    peers, notes = _installed()
    batch = budget.training
    for shape in budget.shapes:
        reference = _matched(peers, shape)
        with ExitStack() as stack:
            subjects = {
                (side.NAME, dtype): stack.enter_context(side.training(shape, batch, dtype))
                for side in (ours, *peers)
                for dtype in ("fp32", "bf16")
            }
            title = f"Training at {shape}, batch {batch}: ms a step"
            work = 3 * reference.executed * batch
            told = [TRAINED_IN_BF16, *notes]
            yield _compared(title, subjects, TRAINING_GOALS, budget, batch, work, 1, told)


def same_weights(budget: Budget) -> Iterator[Table]:
    """google/ddpm-cifar10-32's shape on identical weights; equal answers come first.

    Raises:
        InvalidInput: if the two do not agree.
    """
    title = "Identical weights, shape of google/ddpm-cifar10-32"
    try:
        reference, model = identical.both()
    except ImportError:
        yield Table(title, [], [_missing(with_diffusers)])
        return
    x = torch.randn(2, *model.shape, generator=torch.Generator().manual_seed(0))
    difference = identical.disagreement(reference, model, x)
    if difference > identical.AGREEMENT:
        raise InvalidInput(f"the same weights answer differently here, by {difference:.1e}")
    size = measure(model.prepared.network(), x[:1], torch.zeros(1).long())
    for batch, steps in budget.identical:
        x = torch.randn(batch, *model.shape, generator=torch.Generator().manual_seed(0))
        subjects = {
            ("ours", dtype): ours.walk(model, x, steps, dtype)
            for dtype in ("default", "fp32", "bf16")
        } | {
            ("diffusers", dtype): with_diffusers.walk(reference, x, None, steps, dtype)
            for dtype in ("fp32", "bf16")
        }
        goals = {("diffusers", d): by_batch.get(batch) for d, by_batch in IDENTICAL_GOALS.items()}
        full = ours.steps_in_full(model, steps)
        agreed = f"weights at random; answers differ by {difference:.1e} of the largest"
        yield _compared(
            f"{title}, batch {batch}: ms a step, over walks of {steps}",
            subjects,
            goals,
            budget,
            batch,
            size.executed * batch,
            steps,
            [agreed, _in_full(full, steps), SAMPLED_IN_BF16],
            full / steps,
        )


def end_to_end(budget: Budget) -> Iterator[Table]:
    """Seconds that a visitor waits."""
    model = load("mnist-conditional")
    n, steps = budget.film
    walk, gif, size = endtoend.long_film(model, n, steps)
    rows = [
        {"what": f"film of {n} over {steps} steps of DDPM, once", "s": walk},
        {"what": f"its GIF, {size / 2**20:.1f} MiB, once", "s": gif},
    ]
    yield Table(f"A long film, {model.name}, the core alone", rows)
    alone = {(n, steps): endtoend.pictures(model, n, steps) for n, steps in budget.waits}
    title = f"Pictures, {model.name}, by the application's defaults: seconds"
    started, notes, asked = [], [], {}
    try:
        for _ in range(budget.starts - 1):
            with endtoend.served() as application:
                started.append(application)
        with endtoend.served() as application:
            started.append(application)
            asked = {wait: application.pictures(*wait) for wait in budget.waits}
            yield _waits(title, alone, asked, budget)
    except InvalidInput as error:
        notes.append(f"the application is left out: {error}")
        yield _waits(title, alone, {}, budget)
    rows = [
        {"what": f"start to {what}", "s": Spread.of([getattr(one, name) for one in started])}
        for what, name in (("answer", "answered"), ("a first grid of pictures", "first"))
        if started
    ]
    yield Table(f"The application, {len(started)} start(s), by its API", rows, notes)


def _waits(title: str, alone: dict, asked: dict, budget: Budget) -> Table:
    """Time what is waited for, by the core alone and by asking the application, in turns."""
    subjects = {("core alone", *wait): run for wait, run in alone.items()}
    subjects |= {("application", *wait): run for wait, run in asked.items()}
    times, _, unsteady = steadily(lambda: interleaved(subjects, budget.rounds), budget.tries)
    rows = []
    for n, steps in budget.waits:
        row = {"images": n, "steps": steps}
        for side in ("core alone", "application"):
            if (side, n, steps) in times:
                row[side] = Spread.of(times[side, n, steps])
        rows.append(row)
    return Table(title, rows, [unsteady] if unsteady else [])


def over_size(budget: Budget) -> Iterator[Table]:
    """Seconds and peak memory, each case in a process of its own."""
    rows, notes = [], []

    def measure_all() -> None:
        for case in budget.growth:
            try:
                found = growth.cost(case, torch.get_num_threads())
            except InvalidInput as error:
                notes.append(str(error))
                continue
            seconds = Spread.of(found.seconds)
            rows.append(
                {
                    "n": case.n,
                    "steps": case.steps,
                    "size": case.size,
                    "s": seconds,
                    "turns": len(found.seconds),
                    "ms per image and step": seconds.median / case.n / case.steps * 1e3,
                    "peak MiB": found.peak,
                    "above the model's": found.above,
                }
            )

    _, _, unsteady = steadily(measure_all, 1)
    notes += [unsteady] if unsteady else []
    yield Table("Cost over size: the shipped shape, batches of 64", rows, notes)


SECTIONS: dict[str, Callable[[Budget], Iterator[Table]]] = {
    "match": match,
    "gemm": gemm,
    "sampling": sampling,
    "training": training,
    "identical": same_weights,
    "end-to-end": end_to_end,
    "size": over_size,
}


def _compared(title, subjects, goals, budget, batch, work, steps, notes, full=None) -> Table:
    """Time all in turn; a row for every comparison of ours with a peer.

    Args:
        subjects: by (side, dtype); one call is ``steps`` steps.
        goals: by (peer, ours of the comparison).
        work: operations of one of our steps.
        full: the share of our default that is in float32; all or nothing of it unless given.
    """
    rounds = budget.rounds * (2 if batch == 1 else 1)
    layouts = {key: layout(run) for key, run in subjects.items()}  # and all are warm
    times, ceiling, unsteady = steadily(lambda: interleaved(subjects, rounds, 0), budget.tries)
    # The trainer's default is one of the two dtypes, and not measured once more.
    times.setdefault(("ours", "default"), times["ours", ours.default_dtype()])
    per_step = {key: Spread.of(values).times(1e3 / steps) for key, values in times.items()}
    rows = []
    for mine, its in COMPARISONS:
        rate = work / per_step["ours", mine].median / 1e6
        row = {
            "ours": mine,
            "ms": per_step["ours", mine],
            "GFLOP/s": rate,
            "of GEMM": f"{rate / _ceiling(mine, ceiling, full):.0%}",
        }
        others = [side for side, dtype in times if side != "ours" and dtype == its]
        for other in others:
            goal = goals.get((other, mine))
            found = ratio(times, (other, its), ("ours", mine))
            verdict = None if goal is None or unsteady else _yes(found.median >= goal)
            rows.append(
                row
                | {"against": f"{other} {its}", "its ms": per_step[other, its]}
                | {"ratio": found, "goal": goal, "met": verdict}
            )
            row = {}  # what is ours is said once
        if not others:
            rows.append(row)
    told = (
        f"medians and quartiles of {rounds} rounds; GEMM {ceiling.fp32:.0f} GFLOP/s in fp32, "
        f"{ceiling.bf16:.0f} in bf16, of it the operations that are executed"
    )
    return Table(
        title, rows, [told, *([unsteady] if unsteady else []), *_laid_out(layouts), *notes]
    )


def _ceiling(dtype: str, ceiling: Rates, full: float | None) -> float:
    """What the machine could do at most, of our default where a share of it is in float32."""
    if dtype != "default":
        return getattr(ceiling, dtype)
    if full is None:
        return getattr(ceiling, ours.default_dtype())
    return 1 / (full / ceiling.fp32 + (1 - full) / ceiling.bf16)


def _laid_out(layouts: dict[tuple[str, str], str]) -> list[str]:
    """A note of how everyone's maps lie in memory, by dtype where that makes a difference."""
    sides: dict[str, dict[str, str]] = {}
    for (side, dtype), found in layouts.items():
        if found:
            sides.setdefault(side, {})[dtype] = found
    told = []
    for side, by_dtype in sides.items():
        alike = len(set(by_dtype.values())) == 1
        words = [found if alike else f"{found} in {dtype}" for dtype, found in by_dtype.items()]
        told.append(f"{side} {', '.join(dict.fromkeys(words))}")
    return [f"maps in memory: {'; '.join(told)}"] if told else []


def _yes(met: bool) -> str:
    return "yes" if met else "no"


def _in_full(count: int, steps: int) -> str:
    return f"our default: {count} of {steps} steps in fp32, where bf16 would show"


def _installed() -> tuple[list, list[str]]:
    """The peers that are installed, and a note for each that is not."""
    found, notes = [], []
    for peer in PEERS:
        try:
            peer.load()
            found.append(peer)
        except ImportError:
            notes.append(_missing(peer))
    return found, notes


def _missing(peer) -> str:
    return f"{peer.NAME} is left out: pip install {peer.PACKAGE}"


def _size_row(side, shape: Shape, reference: Size) -> dict:
    size = side.size(shape)
    _check_match(side, size, reference)
    return {
        "": side.NAME,
        "parameters": f"{size.parameters:,}",
        "MFLOP": size.operations / 1e6,
        "executed": size.executed / 1e6,
        "off by": f"{size.beyond(reference):.1%}",
        "attention": side.attention(shape),
    }


def _matched(peers: list, shape: Shape) -> Size:
    """Our size, from which that of no peer differs by more than may be compared."""
    reference = ours.size(shape)
    for peer in peers:
        _check_match(peer, peer.size(shape), reference)
    return reference


def _check_match(side, size: Size, reference: Size) -> None:
    if size.beyond(reference) > WITHIN:
        raise InvalidInput(
            f"{side.NAME} is not comparable: {size.parameters:,} parameters and "
            f"{size.operations / 1e6:.0f} MFLOP, ours {reference.parameters:,} and "
            f"{reference.operations / 1e6:.0f}"
        )

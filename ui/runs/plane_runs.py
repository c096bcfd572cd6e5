"""Points in the plane, for visitors: trained in front of them, sampled, taken as files."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import numpy as np

from ddpm_core import InvalidInput
from ddpm_core.samplers import SAMPLERS
from ddpm_core.schedules import SCHEDULES
from lab.process.engine import Account
from lab.process.plane import (
    DRAWN,
    EDGE,
    GRID,
    MAX_SCALE,
    MOST_DRAWN,
    MOST_STEPS,
    SAMPLED,
    SHAPES,
    Flow,
    Task,
    Training,
    Walk,
    packed,
    unpacked,
)

from ..widgets.component import raw
from .runs import Studio, new_id
from .ticket import Ticket

PIECE = 20  # training steps in one turn on the engine, about a twentieth of a second
PAUSE = 0.2  # seconds between two looks at a training
LOOKS = 20  # how often in a training points are sampled
KEPT = 64  # flows with their networks, a megabyte each
POINT, ARROW = 8192, 127 / 3  # sent for a length of 1: points reach 4, arrows 3
_kept: OrderedDict[str, Kept] = OrderedDict()
_guard = Lock()


@dataclass(frozen=True)
class Kept:
    """The training and the flow on a visitor's stage, to be sampled again or taken as a file."""

    training: Training
    flow: Flow


def read(asked: Mapping[str, Any]) -> tuple[Task, Walk]:
    """The task and the walk that a visitor's controls ask for.

    Raises:
        InvalidInput: naming what is wrong.
    """
    drawn = unpacked(asked.get("drawn")) if asked.get("data") == DRAWN else ()
    task = Task(asked.get("data"), asked.get("schedule"), asked.get("seed"), drawn)
    return task, Walk(*(asked.get(name) for name in ("sampler", "steps", "label", "scale")))


def stream(studio: Studio, ticket: Ticket, asked: Mapping[str, Any]) -> Iterator[dict]:
    """Values for the stage: a training, and then the points on their way. There is no training if
    the network on the stage is to be sampled again.

    Raises:
        InvalidInput: naming what is wrong.
    """
    task, walk = read(asked)
    studio.engine.do(lambda: Flow.check(task, walk))  # before anything is trained
    stored = find(asked.get("run")) if asked.get("do") == "sample" else None
    if stored is not None and stored.training.task == task:
        training = stored.training
    else:
        training = studio.engine.do(Training, task)
        yield from _trained(studio, ticket, training)
    if ticket.superseded:
        return
    flow, account = Flow(training.network, task, walk, studio.engine.evaluate), Account()
    parts, turn = flow.making(), 0.0

    def enough() -> bool:
        return ticket.superseded or time.monotonic() - turn > PAUSE

    while not ticket.superseded:
        turn = time.monotonic()
        if not studio.engine.advance(parts, enough, account):
            name = new_id()
            with _guard:
                _kept[name] = Kept(training, flow)
                while len(_kept) > KEPT:
                    _kept.popitem(last=False)
            yield film(name, training, flow)
            return


def _trained(studio: Studio, ticket: Ticket, training: Training) -> Iterator[dict]:
    """Train in turn with other runs, until the end or until the visitor stops it."""
    account, sent_at, last_look, points = Account(), 0.0, -1, None
    while training.done < training.steps and not ticket.asked:
        studio.engine.do(training.advance, PIECE, account=account)
        look = LOOKS * training.done // training.steps
        if look > last_look:
            points, last_look = studio.engine.do(training.sample, account=account), look
        if time.monotonic() - sent_at > PAUSE:
            sent_at = time.monotonic()
            yield _about(training) | {"kind": "live", "points": _points([points])}


def _about(training: Training) -> dict:
    """The progress of a training, and its data."""
    task = training.task
    return {
        "done": training.done,
        "training": training.steps,
        "losses": [round(loss, 4) for loss in training.curve(PIECE)],
        "data": _points([task.points]),
        "labels": task.labels.tolist(),
    }


def film(name: str, training: Training, flow: Flow) -> dict:
    """The stage's value for a flow that is complete."""
    return _about(training) | {
        "kind": "film",
        "run": name,
        "total": flow.walk.steps,
        "indices": flow.indices,
        "t": flow.t,
        "points": {name: _points(points) for name, points in flow.points.items()},
        "fields": {name: _arrows(fields) for name, fields in flow.fields.items()},
        "distance": [float(f"{distance:.3g}") for distance in flow.distance],
        "copies": flow.copies(),
        "calls": flow.calls,
        "guided": flow.walk.label != "none" and flow.walk.scale != 1,
        "words": f"{SAMPLERS[flow.walk.sampler].label}, {flow.walk.steps} steps",
        "python": python(flow),
    }


def _points(points: Sequence) -> str:
    """Frames of points, (P, 2) each, as int16."""
    return raw(np.clip(np.stack(points) * POINT, -32768, 32767).astype("<i2"))


def _arrows(fields: Sequence) -> str:
    """Arrows against the noise, the way points are pulled: int8, and no longer than 3."""
    eps = np.stack(fields)
    length = np.linalg.norm(eps, axis=2, keepdims=True)
    return raw(np.rint(-eps * ARROW / np.maximum(1, length / 3)).astype(np.int8))


def find(name: object) -> Kept | None:
    """The training and the flow under a name; None if newer ones took their place."""
    with _guard:
        return _kept.get(str(name))


def kept_flow(name: str) -> Flow:
    """The flow of this name.

    Raises:
        InvalidInput: if it is no longer kept.
    """
    stored = find(name)
    if stored is None:
        raise InvalidInput("The server no longer keeps this training. Train again to save it")
    return stored.flow


def query(flow: Flow) -> str:
    """The query of a link that brings the flow back by the same training."""
    task, walk = flow.task, flow.walk
    parts = {"tab": "plane", "data": task.data, "schedule": task.schedule, "seed": task.seed}
    parts |= {"sampler": walk.sampler, "steps": walk.steps, "label": walk.label}
    parts["scale"] = f"{walk.scale:g}"
    return urlencode(parts | ({"drawn": packed(task.drawn)} if task.drawn else {}))


def python(flow: Flow) -> str:
    """Python that trains the same network and makes the same film."""
    task, walk = flow.task, flow.walk
    task_code = f"Task({task.data!r}, {task.schedule!r}, seed={task.seed}"
    task_code += f", drawn=unpacked({packed(task.drawn)!r}))" if task.drawn else ")"
    walk_code = f"Walk({walk.sampler!r}, steps={walk.steps}, label={walk.label!r}, "
    walk_code += f"scale={walk.scale:g})"
    names = "Flow, Task, Training, Walk, picture" + (", unpacked" if task.drawn else "")
    return f"""\
from ddpm_core import save_animation
from lab.process.plane import {names}

training = Training({task_code})
training.advance(training.steps)
flow = Flow(training.network, training.task, {walk_code})
list(flow.making())  # flow.points, by the learned and the exact prediction
frames = [picture(flow, i) for i in range(len(flow.t))]
save_animation(frames, "{task.data}.gif", frame_ms=80)
"""


def offered() -> dict[str, Any]:
    """The choices of the stage's controls, as (label, value), and its bounds."""
    first = asdict(Task()) | asdict(Walk())
    del first["drawn"]  # no control: the sheet is empty at first
    return {
        "most": {"steps": MOST_STEPS, "scale": MAX_SCALE, "drawn": MOST_DRAWN},
        "plane": {
            "edge": EDGE,
            "grid": GRID,
            "points": SAMPLED,
            "point": POINT,
            "arrow": ARROW * 3,
        },
        "first": first,
        "label": [("any", "none"), ("● first", "0"), ("○ second", "1")],
        "data": [*((shape.label, name) for name, shape in SHAPES.items()), ("Drawn", DRAWN)],
        "schedule": [(name.replace("_", " "), name) for name in SCHEDULES],
        "sampler": [(sampler.label, name) for name, sampler in SAMPLERS.items()],
    }

"""``race``: several runs side by side on one timeline, as an animation or a picture."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from ddpm_core import load, save_animation, save_png
from ddpm_core.animation import FILMS, check_size
from ddpm_core.commands import options
from ddpm_core.errors import InvalidInput, check_choice, check_int
from ddpm_core.request import Request

from ..process import race as races
from ..process.race import ERRORS, FEW_STEPS, LANE_PANES

ENDINGS = (*FILMS, ".png")
DEFAULT = Request(n=1, sampler="ddpm", steps=1000, label="none")


def add(commands) -> None:
    p = commands.add_parser(
        "race",
        help="schedules, samplers, or a run with and without an error, side by side",
        description="Run several requests from the same noise on one timeline: 'schedules' sets "
        "two models side by side, 'samplers' all of T beside few steps of every other sampler, "
        "'break' a run beside the same with an error of the report in it. 'samplers' sets sampler, "
        "steps and eta itself, 'break' fault and clip.",
    )
    p.add_argument("view", choices=("schedules", "samplers", "break"))
    p.add_argument("--against", metavar="NAME", help="the other model (default: mnist-cosine)")
    p.add_argument("--error", choices=ERRORS, help="of 'break' (default: no-clip)")
    p.add_argument(
        "--few",
        nargs="+",
        type=int,
        metavar="STEPS",
        help="of 'samplers': the steps of every sampler but DDPM, a lane each (default: "
        f"{' '.join(map(str, FEW_STEPS))})",
    )
    options.add_request(p, DEFAULT)
    p.set_defaults(model="mnist-linear")
    p.add_argument(
        "--panes", nargs="+", choices=LANE_PANES, default=["x", "x0"], help="of each lane"
    )
    p.add_argument("--stride", type=int, default=1, help="every how many steps a frame is kept")
    p.add_argument("--scale", type=int, default=2, help="enlargement (default: %(default)s)")
    options.add_threads(p)
    p.add_argument("--out", type=Path, required=True, help=".gif, .webp, .mp4 or .png")
    p.set_defaults(run=run)


def run(a: argparse.Namespace) -> None:
    """Run the race that the arguments spell and write it."""
    _check(a)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    model = options.load_model(a)
    request = options.request(a, model)
    if a.view == "schedules":
        against = load(a.against or "mnist-cosine", device=a.device)
        if a.variance is None and not against.learned_variance:
            request = replace(request, variance=Request.variance)  # what both can serve
        race = races.schedules(model, against, request)
    elif a.view == "samplers":
        for steps in a.few or ():  # else ``samplers`` would leave it out
            check_int("--few", steps, 1, model.schedule.num_timesteps)
        race = races.samplers(model, request, a.few or FEW_STEPS)
    else:
        race = races.broken(model, request, a.error or "no-clip")
    kind = a.out.suffix.lower()[1:]
    if kind != "png":  # not after all steps
        first = race.pictures(a.panes, a.stride, a.scale)[0]
        check_size(first, kind, frames=max(lane.steps for lane in race.lanes) // a.stride)
    total = sum(lane.steps for lane in race.lanes)
    for _ in tqdm(race.steps(), total=total, unit="step"):
        pass
    for lane in race.lanes:
        norm = f"|x_0| / sqrt(d) {lane.numbers['norm'][-1]:.3f}"
        end = f"then {lane.failed}" if lane.failed else norm
        print(f"{lane.name}: {lane.calls} calls, {lane.seconds:.2f} s, {end}")
    note = race.describe()
    pictures = race.pictures(a.panes, a.stride, a.scale)
    if kind == "png":
        save_png(pictures[-1], a.out, 1, note)
        return
    save_animation(pictures, a.out, frame_ms=20, hold_ms=2000, note=note)


def _check(a: argparse.Namespace) -> None:
    """Refuse now what would fail only after sampling, and options that would do nothing."""
    views = {"few": "samplers", "error": "break", "against": "schedules"}
    for name, view in views.items():
        if getattr(a, name) is not None and a.view != view:
            raise InvalidInput(f"--{name} is that of the view {view!r}")
    for name in options.changed(a, DEFAULT):
        if name in races.OWN[a.view]:
            raise InvalidInput(f"--{name}: the view {a.view!r} sets it itself")
    check_choice("ending of --out", a.out.suffix.lower(), ENDINGS)
    check_int("stride", a.stride, 1, 10_000)
    check_int("scale", a.scale, 1, 64)

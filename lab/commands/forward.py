"""``python -m lab forward``: noise a picture, bring it back, invert it, fill it in."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ddpm_core import save_film, save_png
from ddpm_core.animation import FILMS
from ddpm_core.commands import options
from ddpm_core.errors import InvalidInput, check_choice, check_int
from ddpm_core.fields import about
from ddpm_core.recorder import contact_sheet, grid
from ddpm_core.request import Request

from ..process import filling, forward
from ..process.packed import open_picture, pack, unpack

# The options that only some modes read: type, default, these modes, and what the option is.
OPTIONS = {
    "t": (int, None, ("noising alone", "--back"), "times of a strip (default: ten, 50 to 1000)"),
    "seed": (int, 0, ("noising alone", "--back", "--fill"), "of the noise"),
    "label": (str, "none", ("--back", "--invert", "--fill"), "the class it is brought back as"),
    "steps": (
        int,
        None,
        ("--back", "--invert", "--fill"),
        "from every time, or each way (default: 50; of --invert 100)",
    ),
    "sampler": (str, None, ("--back", "--fill"), f"{about(Request, 'sampler')} (default: ddim)"),
    "eta": (float, None, ("--back", "--fill"), "noise added by ddim, 0 to 1 (default: 1)"),
    "resample": (int, 1, ("--fill",), "how often each stretch of five steps is walked"),
    "top": (int, None, ("--invert",), "where it turns round (default: 0.9 T)"),
}


def add(commands) -> None:
    p = commands.add_parser(
        "forward",
        help="noise a picture; bring it back; invert it; fill a hole in it",
        description="Noise a picture at once (eq. 4) and step by step (eq. 3); with --back, let "
        "the model denoise it from several times; with --invert, find the noise that DDIM makes "
        "it from, and tell the error of what comes back; with --fill, let the model fill a hole. "
        "Times are counted as in the report: 0 is the picture, T is noise.",
    )
    p.add_argument(
        "--model",
        default="mnist-conditional",
        metavar="NAME",
        help="a shipped checkpoint, a folder, or a repository on the Hub; of noising alone only "
        "its schedule counts (default: %(default)s)",
    )
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="its middle square is taken, as small as the model needs it; digits of MNIST are "
        "white on black",
    )
    source.add_argument(
        "--packed", metavar="TEXT", help="a picture as it stands in the page's links"
    )
    what = p.add_mutually_exclusive_group()
    what.add_argument("--back", action="store_true", help="bring it back from every time --t")
    what.add_argument("--invert", action="store_true", help="there and back by DDIM alone")
    what.add_argument(
        "--fill",
        type=Path,
        metavar="FILE",
        help="fill the hole that a picture of the same kind has white, eight times",
    )
    for name, (kind, default, modes, words) in OPTIONS.items():
        help_text = f"of {', '.join(modes)}: {words}"
        several = {"nargs": "+"} if name == "t" else {}
        p.add_argument(f"--{name}", type=kind, default=default, help=help_text, **several)
    p.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=".png: a strip; .gif, .webp or .mp4: from the picture to noise, a frame for every "
        "time (default: forward.png; of --invert: no file)",
    )
    p.add_argument(
        "--scale", type=int, default=4, help="enlargement of the pictures (default: %(default)s)"
    )
    options.add_threads(p)
    options.add_device(p)
    p.set_defaults(run=run)


def run(a) -> None:
    """Make what the options ask for, and say what was made."""
    given = {"--invert": a.invert, "--back": a.back, "--fill": a.fill}
    mode = next((name for name in given if given[name]), "noising alone")
    for name, (_, default, modes, _) in OPTIONS.items():  # an option without a meaning is a mistake
        if mode not in modes and getattr(a, name) != default:
            raise InvalidInput(f"--{name} has no meaning for {mode}")
    if a.label == "all" and mode in ("--back", "--invert"):
        raise InvalidInput(f"{mode} is of one picture: --label is one class, or none")
    options.check_eta(a)
    if a.out is None and not a.invert:
        a.out = Path("forward.png")
    if a.out is not None:
        films = () if a.back or a.invert else FILMS
        check_choice("ending of --out", a.out.suffix.lower(), (".png", *films))
    check_int("scale", a.scale, 1, 64)
    model = options.load_model(a)
    picture = unpack(a.packed, model.shape) if a.packed else open_picture(a.picture, model.shape)
    if a.out is not None:
        a.out.parent.mkdir(parents=True, exist_ok=True)
    make = {"noising alone": _noise, "--back": _bring_back, "--invert": _invert, "--fill": _fill}
    make[mode](a, model, picture)
    if a.out is not None:
        print(a.out)


def _noise(a, model, picture) -> None:
    strip, note = a.out.suffix.lower() == ".png", _note(a, model, picture)
    if a.t is not None and not strip:
        raise InvalidInput("--t chooses the times of a .png; a film shows every time")
    result = forward.forward_film(model, picture, a.seed)
    if strip:
        save_png(result.sheet(a.t, a.scale), a.out, 1, note)
        return
    panes = ("x", "x0")
    save_film(result.film.reversed(), a.out, panes=panes, scale=a.scale, frame_ms=20, note=note)


def _bring_back(a, model, picture) -> None:
    chosen = {name: getattr(a, name) for name in ("sampler", "eta") if getattr(a, name) is not None}
    request = forward.return_request(model, a.label, a.seed, a.steps, **chosen)
    times = forward.return_times(model.schedule) if a.t is None else a.t
    walk = forward.returns(model, picture, times, request)
    work = forward.return_work(times, request.steps)
    arrived = [item for item in tqdm(walk, total=work, unit="step", leave=False) if item.arrived]
    tiles = np.stack([item.noised for item in arrived] + [item.state for item in arrived])
    sheet = contact_sheet(tiles, times, ("noised", "back"), scale=a.scale)
    save_png(sheet, a.out, 1, _note(a, model, picture, **vars(request)))


def _invert(a, model, picture) -> None:
    steps, top = forward.inversion_plan(model.schedule, a.steps, a.top)
    walk = forward.inverting(model, picture, a.label, steps, top)
    *_, inversion = tqdm(walk, total=2 * steps + 1, unit="step", leave=False)
    print(
        f"{steps} steps each way, up to t = {top}: RMSE {inversion.rmse:.4f} (pixels in [-1, 1]), "
        f"PSNR {inversion.psnr:.1f} dB"
    )
    if a.out is not None:
        words = ("picture", f"t = {top}", "back", "error x 4")
        sheet = contact_sheet(inversion.pictures, words, scale=a.scale)
        measured = {"top": top, "steps": steps, "rmse": inversion.rmse, "psnr": inversion.psnr}
        save_png(sheet, a.out, 1, _note(a, model, picture, label=a.label, **measured))


def _fill(a, model, picture) -> None:
    chosen = {name: getattr(a, name) for name in ("sampler", "eta") if getattr(a, name) is not None}
    request = filling.fill_request(model, a.label, a.seed, a.steps, **chosen)
    hole = open_picture(a.fill, (1, *model.shape[1:]))[..., 0] > 127
    run = filling.fill_run(model, picture, hole, request)
    film, steps = run.film(), filling.filling(run, a.resample)
    for step, is_kept in tqdm(steps, total=request.steps * a.resample, unit="step", leave=False):
        if is_kept:
            film.add(step)
    note = _note(a, model, picture, **vars(request), resample=a.resample)
    if a.out.suffix.lower() == ".png":
        save_png(grid(film.images(), request.n), a.out, a.scale, note)
    else:
        save_film(film, a.out, scale=a.scale, columns=request.n, note=note)


def _note(a, model, picture, **extra) -> str:
    """What made the file, with the picture itself where it is short enough."""
    about = {"model": model.name, "process": "forward", "seed": a.seed} | extra
    with suppress(InvalidInput):
        about["packed"] = pack(picture)
    return json.dumps(about)

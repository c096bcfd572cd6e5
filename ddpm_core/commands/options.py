"""Options that several commands share, and the request that they spell."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable

from ..errors import InvalidInput, check_choice
from ..faults import FAULTS
from ..guidance import GUIDANCE
from ..request import OF_GUIDANCE, Request, unused
from ..samplers import SAMPLERS
from ..schedules import SPACINGS

LEFT_OPEN = ("variance", "clip")


def one_of(names: Iterable[str]) -> str:
    """Names as a help text lists them: a, b or c."""
    *others, last = names
    return f"{', '.join(others)} or {last}"


def add_request(p: argparse.ArgumentParser, default: Request) -> None:
    """Add an option for every field of ``Request``, and ``--model``."""
    _add_walk(p, default)
    _add_guidance(p, default)


def add_running(p: argparse.ArgumentParser) -> None:
    """Add what changes the speed only; ``apply`` obeys it."""
    p.add_argument("--batch", type=int, default=64, help="images at a time (default: %(default)s)")
    add_threads(p)


def add_threads(p: argparse.ArgumentParser) -> None:
    """Add ``--threads``; ``use_threads`` obeys it."""
    p.add_argument("--threads", type=int, help="processor threads (default: all)")


def add_data_root(p: argparse.ArgumentParser) -> None:
    """Add ``--data-root``."""
    p.add_argument(
        "--data-root",
        help="where the data lives (default: $DDPM_DATA, else ./data); downloaded there if missing",
    )


def apply(a: argparse.Namespace) -> None:
    """Check ``--batch`` and set ``--threads``."""
    from ..errors import check_int

    check_int("batch", a.batch, 1, 4096)
    use_threads(a)


def use_threads(a: argparse.Namespace) -> None:
    """Set ``--threads``, if given."""
    import torch

    from ..errors import check_int

    if a.threads is not None:
        torch.set_num_threads(check_int("threads", a.threads, 1, 1024))


def request(a: argparse.Namespace, model) -> Request:
    """The request that the options spell; what they leave open is as the model is meant to be
    sampled.

    Raises:
        InvalidInput: for a value out of range.
    """
    if a.guidance == "none" and a.guidance_scale is not None:
        raise InvalidInput("--guidance-scale is that of a guidance: choose one with --guidance")
    values = {f.name: getattr(a, f.name) for f in dataclasses.fields(Request)}
    for name in LEFT_OPEN:
        if values[name] is None:
            values[name] = model.config.sampling.get(name, getattr(Request, name))
    request = Request(**values)
    _check_used(a, [request, *beside(a, request)])
    return request


def _check_used(a: argparse.Namespace, requests: list[Request]) -> None:
    """Refuse an option of a guidance, or of a second class, that no row has."""
    idle = unused(requests)
    for name in [name for name in changed(a, Request()) if name in idle]:
        option = f"--{name.replace('_', '-')}"
        if name == "share":
            raise InvalidInput(f"{option} is that of a second class: choose one with --mix")
        ways = " or ".join(OF_GUIDANCE[name])
        raise InvalidInput(f"{option} is an option of guidance: add --guidance {ways}")


def changed(a: argparse.Namespace, default: Request) -> list[str]:
    """The fields of a request whose options were given something else than their default."""
    usual = dataclasses.asdict(default) | dict.fromkeys(LEFT_OPEN)
    # An option is read as it is spelt, a default may be of another type.
    return [k for k, v in usual.items() if getattr(a, k) is not v and str(getattr(a, k)) != str(v)]


def add_beside(p: argparse.ArgumentParser) -> None:
    """Add the options that set a second request beside the first."""
    p.add_argument(
        "--beside",
        nargs="*",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="for pictures and films: a further row of images, made like the first but for these; "
        "e.g. --beside guidance=classifier-noisy guidance_scale=5",
    )
    p.add_argument(
        "--branch-at",
        type=int,
        metavar="STEP",
        help="the row --beside shares the first so many steps, and goes its own way from there",
    )


def load_model(a: argparse.Namespace):
    """The model that ``--model`` names, with a bar while it is downloaded."""
    from tqdm import tqdm

    from .. import checkpoints

    with tqdm(unit="B", unit_scale=True, desc=a.model, leave=False, delay=0.5) as bar:

        def progress(arrived: int, total: int) -> None:
            bar.total = total
            bar.update(arrived - bar.n)

        return checkpoints.load(a.model, progress=progress)


def beside(a: argparse.Namespace, base: Request) -> list[Request]:
    """The requests beside the first.

    Raises:
        InvalidInput: for a field that is unknown or out of range.
    """
    found = []
    for words in getattr(a, "beside", ()):
        texts = dict(word.partition("=")[::2] for word in words)
        known = [f.name for f in dataclasses.fields(Request)]
        for name in texts:
            check_choice("field in --beside", name, known)
        found.append(base.with_texts(texts))
    return found


def _add_walk(p, default) -> None:
    p.add_argument(
        "--model",
        default="mnist-conditional",
        metavar="NAME",
        help="a shipped checkpoint, a folder, or a repository on the Hub, owner/name[@revision] "
        "(default: %(default)s)",
    )
    p.add_argument(
        "--n", type=int, default=default.n, help="how many images (default: %(default)s)"
    )
    p.add_argument(
        "--first",
        type=int,
        default=default.first,
        help="number of the first image (default: %(default)s)",
    )
    p.add_argument(
        "--label",
        default=default.label,
        help="class number, 'all' (one after another) or 'none' (default: %(default)s)",
    )
    p.add_argument(
        "--sampler",
        default=default.sampler,
        help=f"{one_of(SAMPLERS)} (default: %(default)s)",
    )
    p.add_argument(
        "--steps",
        type=int,
        default=default.steps,
        help="denoising steps, at most T (default: %(default)s)",
    )
    p.add_argument("--seed", type=int, default=default.seed, help="default: %(default)s")
    p.add_argument(
        "--spacing",
        default=default.spacing,
        help=f"of the timesteps: {one_of(SPACINGS)} (default: %(default)s)",
    )
    p.add_argument("--eta", type=float, default=default.eta, help="noise added by ddim, 0 to 1")
    p.add_argument(
        "--variance",
        help="of ddpm: beta or posterior (default: what the model is meant for, or beta)",
    )
    p.add_argument(
        "--clip",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="clamp the predicted image to [-1, 1] at every step (default: what the model is meant "
        "for, or yes)",
    )
    p.add_argument("--dtype", default=default.dtype, help="auto, float32 or bfloat16")
    p.add_argument(
        "--fault",
        default=default.fault,
        help=f"an error of the report to reinsert: {', '.join(list(FAULTS)[1:])}"
        if len(FAULTS) > 1
        else argparse.SUPPRESS,
    )


def _add_guidance(p, default) -> None:
    p.add_argument(
        "--guidance",
        default=default.guidance,
        help=one_of(f"{name} ({it.label})" for name, it in GUIDANCE.items())
        + " (default: %(default)s)",
    )
    p.add_argument(
        "--guidance-scale",
        type=float,
        help="s of cfg (1: the conditional model), λ per image of a classifier; default: the "
        "method's own",
    )
    p.add_argument(
        "--form",
        default=default.form,
        help="of classifier guidance: plain (report eq. 11) or scaled by sqrt(1 - alphas_cumprod) "
        "(default: %(default)s)",
    )
    p.add_argument(
        "--at",
        default=default.at,
        help="where a clean classifier looks: x, x0 (eps held constant) or x0-through (the network "
        "differentiated) (default: %(default)s)",
    )
    p.add_argument("--rescale", type=float, default=default.rescale, help="of cfg, 0 to 1")
    p.add_argument(
        "--t-low", type=int, default=default.t_low, help="guidance acts from this t, 0 the last ..."
    )
    p.add_argument("--t-high", type=int, help="... up to this one (default: T - 1)")
    p.add_argument(
        "--profile",
        default=default.profile,
        help="of the strength over t: constant, early or late (default: %(default)s)",
    )
    p.add_argument("--mix", type=int, metavar="CLASS", help="a second class to mix in")
    p.add_argument(
        "--share",
        type=float,
        default=default.share,
        help="of the second class (default: %(default)s)",
    )

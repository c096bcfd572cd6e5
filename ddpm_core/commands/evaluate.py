"""``python -m ddpm_core evaluate``."""

from __future__ import annotations

import argparse

from ..errors import InvalidInput
from . import options

SPREAD = {"linear": "even in t", "quadratic": "quadratic in t", "logsnr": "even in log-SNR"}


def add(commands) -> None:
    from ..request import Request

    p = commands.add_parser(
        "evaluate",
        help="measure how well samples meet their class, and how much they vary",
        description="Sample, and print what share an independent classifier (the judge, which "
        "takes part in no guidance) takes for the wanted class, and the mean pairwise distance "
        "between images of a class. Several scales make a table.",
    )
    options.add_request(p, Request(n=1000))
    p.add_argument(
        "--scale",
        dest="measured_scales",
        type=float,
        nargs="+",
        metavar="SCALE",
        help="guidance scale; several are measured one after another",
    )
    options.add_running(p)
    p.set_defaults(run=run)


def run(a: argparse.Namespace) -> None:
    from dataclasses import replace

    from tqdm import tqdm

    from ..guides import classifier_for
    from ..metrics import measure

    options.apply(a)
    model = options.load_model(a)
    base = options.request(a, model)
    if a.measured_scales and base.guidance == "none":
        raise InvalidInput("--scale is that of a guidance: choose one with --guidance")
    scales = a.measured_scales or [base.guidance_scale]
    requests = [replace(base, guidance_scale=scale).for_model(model) for scale in scales]
    judge = classifier_for(model, "judge")
    print(_settings(model, requests[0], judge.name))
    print("| scale | wanted class | mean pairwise distance |\n| --- | --- | --- |")
    for request in requests:
        batches = -(-request.n // a.batch)
        with tqdm(total=batches * request.steps, unit="step", leave=False) as bar:
            found = measure(model, request, a.batch, bar.update)
        scale = "-" if request.guidance_scale is None else f"{request.guidance_scale:g}"
        print(f"| {scale} | {found.accuracy:.1%} | {found.distance:.2f} |", flush=True)


def _settings(model, request, judge: str) -> str:
    """What the figures depend on, in words."""
    told = bool(model.classes) and request.label != "none"
    guidance = {
        "none": "no guidance" + (", told the class" if told else ""),
        "cfg": "classifier-free guidance",
        "classifier": f"classifier guidance, clean classifier at {request.at}, {request.form}",
        "classifier-noisy": f"classifier guidance, noise-aware classifier, {request.form}",
    }[request.guidance]
    extras = [f"rescale {request.rescale:g}"] if request.rescale else []
    if request.t_low or request.t_high is not None:
        high = "T - 1" if request.t_high is None else request.t_high
        extras.append(f"for {request.t_low} <= t <= {high}")
    if request.profile != "constant":
        extras.append(f"profile {request.profile}")
    if request.mix is not None:
        extras.append(f"class {request.mix} mixed in, share {request.share:g}")
    if request.sampler == "ddim":
        extras.append(f"eta {request.eta:g}")
    if request.sampler == "ddpm":
        extras.append(f"variance {request.variance}")
    if request.first:
        extras.append(f"from image {request.first} on")
    walk = f"{request.sampler}, {request.steps} steps ({SPREAD[request.spacing]})"
    clip = "x̂0 clipped" if request.clip else "x̂0 not clipped"
    return (
        f"{model.name} (EMA), {guidance}; {walk}, {clip}"
        + "".join(f", {e}" for e in extras)
        + f"; n = {request.n:,}, label {request.label}, seed {request.seed}, dtype "
        f"{model.resolve_dtype(request.dtype)}; judged by {judge}"
    )

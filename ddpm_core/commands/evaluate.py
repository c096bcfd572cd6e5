"""``python -m ddpm_core evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path

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
        "between images of a class. Several scales make a table. With --fid, the Fréchet distance "
        "to real images instead, with its spread and floor; --bound and --neighbours measure "
        "those. Samples are kept in --cache: the same command goes on where it was stopped.",
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
    _add_fid(p)
    p.set_defaults(run=run, mode=None)


def _add_fid(p) -> None:
    mode = p.add_mutually_exclusive_group()
    mode.add_argument(
        "--fid",
        dest="mode",
        action="store_const",
        const="fid",
        help="measure the FID; --n 10000 or more is usual",
    )
    mode.add_argument(
        "--bound",
        dest="mode",
        action="store_const",
        const="bound",
        help="measure the variational bound in bits per dimension, and the loss per quarter of t, "
        "on the first --n test images",
    )
    mode.add_argument(
        "--neighbours",
        dest="mode",
        action="store_const",
        const="neighbours",
        help="compare the samples with their nearest training images: are they memorised?",
    )
    p.add_argument(
        "--reference",
        default="test",
        choices=("test", "train"),
        help="for --fid: the real images (default: %(default)s)",
    )
    p.add_argument(
        "--features",
        metavar="NET",
        help="for --fid: a shipped classifier, torchvision:NAME, or a TorchScript file (default: "
        "the judge of the model's dataset)",
    )
    p.add_argument(
        "--timesteps",
        type=int,
        default=100,
        metavar="COUNT",
        help="for --bound: evaluations of each image (default: %(default)s)",
    )
    p.add_argument("--pixels", action="store_true", help="for --neighbours: not by features")
    p.add_argument(
        "--out", type=Path, help="for --neighbours: a PNG of the closest pairs, sample first"
    )
    p.add_argument(
        "--data-root",
        help="where the data lives (default: $DDPM_DATA, else ./data); downloaded there if missing",
    )
    p.add_argument(
        "--cache",
        type=Path,
        default=Path("runs") / "samples",
        metavar="FOLDER",
        help="where samples and results are kept (default: %(default)s)",
    )
    p.add_argument("--save", action="store_true", help="keep the result in the checkpoint's folder")


def run(a: argparse.Namespace) -> None:
    from dataclasses import replace

    from tqdm import tqdm

    from ..guides import classifier_for
    from ..metrics import measure
    from . import evaluate_modes

    options.apply(a)
    model = options.load_model(a)
    base = options.request(a, model)
    if a.measured_scales and base.guidance == "none":
        raise InvalidInput("--scale is that of a guidance: choose one with --guidance")
    scales = a.measured_scales or [base.guidance_scale]
    requests = [replace(base, guidance_scale=scale).for_model(model) for scale in scales]
    if a.mode:
        return evaluate_modes.MODES[a.mode](a, model, requests)
    judge = classifier_for(model, "judge")
    print(f"{settings(model, requests[0])}; judged by {judge.name}")
    print("| scale | wanted class | mean pairwise distance |\n| --- | --- | --- |")
    for request in requests:
        batches = -(-request.n // a.batch)
        with tqdm(total=batches * request.steps, unit="step", leave=False) as bar:
            found = measure(model, request, a.batch, bar.update)
        scale = "-" if request.guidance_scale is None else f"{request.guidance_scale:g}"
        print(f"| {scale} | {found.accuracy:.1%} | {found.distance:.2f} |", flush=True)


def settings(model, request) -> str:
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
    if request.fault != "none":
        extras.append(f"with the report's error {request.fault}")
    if request.first:
        extras.append(f"from image {request.first} on")
    walk = f"{request.sampler}, {request.steps} steps ({SPREAD[request.spacing]})"
    clip = "x̂0 clipped" if request.clip else "x̂0 not clipped"
    return (
        f"{model.name} (EMA), {guidance}; {walk}, {clip}"
        + "".join(f", {e}" for e in extras)
        + f"; n = {request.n:,}, label {request.label}, seed {request.seed}, dtype "
        f"{model.resolve_dtype(request.dtype)}"
    )

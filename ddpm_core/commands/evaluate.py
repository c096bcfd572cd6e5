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
        "to real images instead, with its spread and floor; the samples are kept in --cache, so "
        "that the same command goes on where it was stopped.",
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
    p.set_defaults(run=run)


def _add_fid(p) -> None:
    p.add_argument("--fid", action="store_true", help="measure the FID; --n 10000 or more is usual")
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
        "--data-root",
        help="for --fid: where the data lives (default: $DDPM_DATA, else ./data); downloaded there "
        "if missing",
    )
    p.add_argument(
        "--cache",
        type=Path,
        default=Path("runs") / "samples",
        metavar="FOLDER",
        help="for --fid: where samples and results are kept (default: %(default)s)",
    )
    p.add_argument(
        "--save", action="store_true", help="for --fid: keep the result in the checkpoint's folder"
    )


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
    if a.fid:
        return _run_fid(a, model, requests)
    judge = classifier_for(model, "judge")
    print(f"{_settings(model, requests[0])}; judged by {judge.name}")
    print("| scale | wanted class | mean pairwise distance |\n| --- | --- | --- |")
    for request in requests:
        batches = -(-request.n // a.batch)
        with tqdm(total=batches * request.steps, unit="step", leave=False) as bar:
            found = measure(model, request, a.batch, bar.update)
        scale = "-" if request.guidance_scale is None else f"{request.guidance_scale:g}"
        print(f"| {scale} | {found.accuracy:.1%} | {found.distance:.2f} |", flush=True)


def _run_fid(a, model, requests) -> None:
    from tqdm import tqdm

    from ..experiments import Progress, results
    from ..experiments.evaluation import evaluate_fid
    from ..experiments.features import feature_net
    from ..experiments.shards import Shards

    net = None if a.features is None else feature_net(a.features)
    folder = _own_folder(a.model) if a.save else None
    options = {"reference": a.reference, "net": net, "root": a.data_root, "batch": a.batch}
    for request in requests:
        found, part = None, None
        with tqdm(leave=False, delay=0.5) as bar:
            for found in evaluate_fid(model, request, home=a.cache, **options):
                if isinstance(found, Progress):
                    if found.what != part:
                        part = found.what
                        bar.set_description(part)
                        bar.reset(found.total)
                    bar.update(found.done - bar.n)
        print(_settings(model, request))
        scale = request.guidance_scale
        print(("" if scale is None else f"scale {scale:g}: ") + found.words(), flush=True)
        own = Shards(model, request, a.cache).folder
        for kept in [own] if folder is None else [own, folder]:
            print(results.save(kept, found.result()), flush=True)


def _own_folder(name: str) -> Path:
    """The folder of a checkpoint that is one's own to write into.

    Raises:
        InvalidInput: if it comes from the Hub.
    """
    from ..checkpoints import HOME

    for folder in (HOME / name, Path(name)):
        if folder.is_dir():
            return folder
    raise InvalidInput("--save keeps a result in a checkpoint's folder; this one is on the Hub")


def _settings(model, request) -> str:
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

"""Options that several commands share, and the request that they spell."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Collection

from tqdm import tqdm

from .. import checkpoints, fields
from ..errors import InvalidInput, check_choice
from ..faults import FAULTS
from ..request import OF_GUIDANCE, OF_SAMPLERS, Request, unused
from ..samplers import SAMPLERS

MODEL = "mnist-conditional"
LEFT_OPEN = ("variance", "clip")
OF_SECOND = {
    "share": "a second class: choose one with --mix",
    "along": "a second seed: choose one with --toward",
}


def add_request(p: argparse.ArgumentParser, default: Request) -> None:
    """Add an option for every field of ``Request``, ``--model`` and ``--device``."""
    p.add_argument(
        "--model",
        default=MODEL,
        metavar="NAME",
        help="a shipped checkpoint, the folder of a run or a checkpoint, or a repository on the "
        "Hub, owner/name[@revision] (default: %(default)s)",
    )
    fields.add_options(p, default, LEFT_OPEN, skip=["fault"] if len(FAULTS) == 1 else [])
    p.set_defaults(fault=default.fault)
    add_device(p)


def add_batch(p: argparse.ArgumentParser, but: str = "") -> None:
    """Add ``--batch``, which ``__main__.answer`` checks; ``but`` says where it is not obeyed."""
    about = f"images at a time{but} (default: %(default)s)"
    p.add_argument("--batch", type=int, default=64, help=about)


def add_threads(p: argparse.ArgumentParser) -> None:
    """Add ``--threads``, which ``__main__.answer`` obeys."""
    p.add_argument("--threads", type=int, help="processor threads (default: all)")


def add_device(p: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    p.add_argument(
        "--device",
        default="auto",
        help="where to compute: cuda, mps or cpu (default: the first of them that is there)",
    )


def add_data_root(p: argparse.ArgumentParser) -> None:
    """Add ``--data-root``."""
    p.add_argument(
        "--data-root",
        help="where the data lives (default: $DDPM_DATA, else ./data); downloaded there if missing",
    )


def request(a: argparse.Namespace, model, also: Collection[str] = ()) -> Request:
    """The request that the options spell; what they leave open is as the model is meant to be
    sampled.

    Args:
        also: fields that may be given where no row reads them.

    Raises:
        InvalidInput: also for an option of a guidance, or of a second class, that no row has, and
            for a row whose options change nothing.
    """
    if a.guidance == "none" and a.guidance_scale is not None:
        raise InvalidInput("--guidance-scale is that of a guidance: choose one with --guidance")
    values = {f.name: getattr(a, f.name) for f in dataclasses.fields(Request)}
    _note_other_name(values["label"], model)
    for name in LEFT_OPEN:
        if values[name] is None:
            values[name] = model.config.sampling.get(name, getattr(Request, name))
    request = Request(**values)
    others = beside(a, request)
    idle = unused([request, *others])
    for words, row in zip(getattr(a, "beside", ()), others, strict=True):
        differs = any(getattr(row, k) != getattr(request, k) for k in values.keys() - idle)
        if words and not differs:
            raise InvalidInput("a row --beside makes the same images: say what differs in it")
    for name in [name for name in changed(a, Request()) if name in idle.difference(also)]:
        option = f"--{name.replace('_', '-')}"
        if name == "share" and request.mix is not None:
            raise InvalidInput("--share goes without --toward, which leads from class to class")
        if name in OF_SECOND:
            raise InvalidInput(f"{option} is that of {OF_SECOND[name]}")
        if name in OF_SAMPLERS:
            raise InvalidInput(_of_sampler(name, a.sampler))
        ways = " or ".join(OF_GUIDANCE[name])
        raise InvalidInput(f"{option} is an option of guidance: add --guidance {ways}")
    return request


def check_eta(a: argparse.Namespace) -> None:
    """Refuse ``--eta``, None unless given, of a sampler that reads none."""
    sampler = check_choice("sampler", a.sampler or Request.sampler, SAMPLERS)
    if a.eta is not None and "eta" not in SAMPLERS[sampler].options:
        raise InvalidInput(_of_sampler("eta", sampler))


def _of_sampler(name: str, sampler: str) -> str:
    ways = " or ".join(k for k, entry in SAMPLERS.items() if name in entry.options)
    return f"--{name} is an option of --sampler {ways}, not of {sampler}"


def changed(a: argparse.Namespace, default: Request) -> list[str]:
    """The fields of a request whose options were given something else than their default."""
    usual = dataclasses.asdict(default) | dict.fromkeys(LEFT_OPEN)
    # An option is read as it is spelt, a default may be of another type.
    return [k for k, v in usual.items() if getattr(a, k) is not v and str(getattr(a, k)) != str(v)]


def load_model(a: argparse.Namespace):
    """The model that ``--model`` names, with a bar while it is downloaded."""
    with tqdm(unit="B", unit_scale=True, desc=a.model, leave=False, delay=0.5) as bar:

        def progress(arrived: int, total: int) -> None:
            bar.total = total
            bar.update(arrived - bar.n)

        return checkpoints.load(a.model, progress=progress, device=a.device)


def beside(a: argparse.Namespace, base: Request) -> list[Request]:
    """The requests that ``--beside`` adds to the first."""
    requests, named, known = [], set(), [f.name for f in dataclasses.fields(Request)]
    for words in getattr(a, "beside", ()):
        texts = dict(word.partition("=")[::2] for word in words)
        for name in texts:
            check_choice("field in --beside", name, known)
        if len(texts) < len(words):
            raise InvalidInput("a row --beside says something twice")
        requests.append(base.with_texts(texts))
        named |= {name for name, text in texts.items() if text}
    idle = unused([base, *requests])
    if all(request.guidance == "none" for request in (base, *requests)):
        idle |= {"guidance_scale"}
    for name in sorted(named & idle):
        raise InvalidInput(f"{name} in --beside changes nothing here")
    return requests


def _note_other_name(label, model) -> None:
    """Where folders are called by numbers, a class need not have the number that it is called by:
    say so."""
    if label in model.classes and label.isdecimal() and model.classes.index(label) != int(label):
        number = model.classes.index(label)
        words = f"note: numbers count from 0; the class called {label} is --label {number}"
        print(words, file=sys.stderr)

"""What was sampled for a figure, in words: all of a request that acts on the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from ddpm_core.guidance import GUIDANCE
from ddpm_core.request import Request
from ddpm_core.samplers import SAMPLERS
from ddpm_core.schedules import SPACINGS


def distance(net: str) -> str:
    """What the Fréchet distance by the features of a network is called; FID is Inception's."""
    return "judge distance" if net.endswith("-judge") else "Fréchet distance"


def sampled(about: Mapping) -> str:
    """All of it.

    Args:
        about: ``request``, as ``asdict`` or a stored protocol has it, ``n``, ``first`` and
            ``dtype``. A guidance scale of None is not told.
    """
    asked = asdict(Request()) | about["request"]
    guidance = _guidance(asked)
    if not guidance:
        guidance = ["no guidance", *(["told the class"] if asked["label"] != "none" else [])]
    walk = [f"{asked['sampler']}, {asked['steps']:,} steps ({SPACINGS[asked['spacing']]})"]
    walk += [text for text, _ in _walk(asked)]
    which = [f"n = {about['n']:,}", *_first(about), f"label {asked['label']}", *_mixed(asked)]
    which += [f"seed {asked['seed']}", f"dtype {about['dtype']}"]
    return "; ".join(", ".join(words) for words in (guidance, walk, which))


def unusual(about: Mapping, label: str = "all") -> list[str]:
    """What tells a request from the usual one of the same n, sampler and steps, in bfloat16.

    Args:
        about: as of ``sampled``.
        label: the model's usual one.
    """
    asked = asdict(Request()) | about["request"]
    found = [*_guidance(asked), *(text for text, usual in _walk(asked) if not usual)]
    if asked["spacing"] != "linear":
        found.append(SPACINGS[asked["spacing"]])
    if str(asked["label"]) != label:
        found.append(f"label {asked['label']}")
    found += [*_mixed(asked), *_first(about)]
    found += [f"seed {asked['seed']}"] if asked["seed"] else []
    return found + ([] if about["dtype"] == "bfloat16" else [f"dtype {about['dtype']}"])


def _guidance(asked: Mapping) -> list[str]:
    method, scale = asked["guidance"], asked["guidance_scale"]
    if method == "none":
        return []
    guidance = GUIDANCE[method]
    told = [f"{guidance.label} guidance"]
    if guidance.classifier:
        where = f" at {asked['at']}" if "at" in guidance.options else ""
        told = [f"classifier guidance, {guidance.label}{where}", asked["form"]]
    if scale is not None:
        told.append(f"{guidance.symbol} = {scale:g}")
    if asked["rescale"]:
        told.append(f"rescale {asked['rescale']:g}")
    if asked["t_low"] or asked["t_high"] is not None:
        high = "T - 1" if asked["t_high"] is None else asked["t_high"]
        told.append(f"for {asked['t_low']} <= t <= {high}")
    if asked["profile"] != "constant":
        told.append(f"profile {asked['profile']}")
    return told


def _walk(asked: Mapping) -> list[tuple[str, bool]]:
    """What more there is to tell of the sampler, and whether that is as usual."""
    told = [("x̂0 clipped" if asked["clip"] else "x̂0 not clipped", asked["clip"])]
    for name in SAMPLERS[asked["sampler"]].options:
        value = asked[name]
        words = f"{value:g}" if isinstance(value, float) else value
        told.append((f"{name} {words}", value == getattr(Request, name)))
    if asked["fault"] != "none":
        told.append((f"with the report's error {asked['fault']}", False))
    return told


def _mixed(asked: Mapping) -> list[str]:
    if asked["mix"] is None:
        return []
    return [f"class {asked['mix']} mixed in, share {asked['share']:g}"]


def _first(about: Mapping) -> list[str]:
    return [f"from image {about['first']:,} on"] if about["first"] else []

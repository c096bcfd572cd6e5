"""Stored results in words: the figures, and all that they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from ddpm_core.guidance import GUIDANCE
from ddpm_core.request import Request
from ddpm_core.samplers import SAMPLERS
from ddpm_core.schedules import SPACINGS

from .neighbours import memorised_error


def words(result: Mapping) -> str:
    """A result with its protocol, in one line."""
    kinds = {
        "fid": _fid,
        "classes": _classes,
        "bound": _bound,
        "recognition": _recognition,
        "neighbours": _neighbours,
    }
    return kinds[result["kind"]](result, result["protocol"])


def distance(net: str) -> str:
    """What the Fréchet distance by the features of a network is called; FID is Inception's."""
    return "judge distance" if net.endswith("-judge") else "Fréchet distance"


def sampled(about: Mapping) -> str:
    """What was sampled: all of a request that acts on the pictures.

    Args:
        about: ``request``, as ``asdict`` or a stored protocol has it, ``n``, ``first``,
            ``dtype`` and, of a ``DeviceNoise``, ``noise``.
    """
    asked = asdict(Request()) | about["request"]
    walk = [f"{asked['sampler']}, {asked['steps']:,} steps ({SPACINGS[asked['spacing']]})"]
    walk.append("x̂0 clipped" if asked["clip"] else "x̂0 not clipped")
    walk += [f"{name} {_plain(asked[name])}" for name in SAMPLERS[asked["sampler"]].options]
    if asked["fault"] != "none":
        walk.append(f"with the report's error {asked['fault']}")
    which = [f"n = {about['n']:,}"]
    if about["first"]:
        which.append(f"from image {about['first']:,} on")
    which.append(f"label {asked['label']}")
    if asked["mix"] is not None:
        which.append(f"class {asked['mix']} mixed in, share {asked['share']:g}")
    which += [f"seed {asked['seed']}", f"dtype {about['dtype']}"]
    which += [f"noise by {about['noise']}"] if "noise" in about else []
    return "; ".join(", ".join(words) for words in (_guidance(asked), walk, which))


def _fid(result: Mapping, about: Mapping) -> str:
    net, spread = about["features"], result["spread"]
    figure = f"{distance(net['name'])} {result['fid']:.4f}"
    if spread is None:
        figure += " (spread not known: too few samples for the jackknife)"
    else:
        figure += f" ± {spread:.4f} (standard error by the jackknife)"
    floor = "floor not measured (too few real images)"
    if result["floor"] is not None:
        draws, between = about["floor"]["draws"], result["floor_spread"]
        told = "1 draw" if draws == 1 else f"{draws} draws"
        told += ", standard error between minibatches" * (between is not None and draws == 1)
        floor = (
            f"floor {result['floor']:.4f}{'' if between is None else f' ± {between:.4f}'} "
            f"({about['n']:,} real images of the {about['floor']['split']} split, {told})"
        )
    return (
        f"{figure}; {floor}; {sampled(about)}; reference: {_reference(about)}; features: "
        f"{net['name']} ({net['mark'][:8]}), {net['layer']}, {net['count']:,} numbers; "
        f"{_weights(about)}"
    )


def _classes(result: Mapping, about: Mapping) -> str:
    share, told = result["accuracy"], f"{about['n']:,} samples"
    if share is not None:
        told = f"{share:.2%} ± {result['error']:.2%} of {told} taken for the wanted class"
    told += f" by {about['space']} ({about['space_mark'][:8]})"
    if result["distance"] is not None:
        told += f"; mean distance of two of a class {result['distance']:.2f}"
    return f"{told}; {sampled(about)}; {_weights(about)}"


def _bound(result: Mapping, about: Mapping) -> str:
    spread, known = "", "of one image: no telling how far off"
    if result["error"] is not None:
        spread, known = f" ± {result['error']:.4f}", "standard error between images"
        if about["evaluations"] < about["timesteps"]:
            known += "; which timesteps were drawn is not in it"
    real = about["reference"]
    source = f" from {real['source']}" if real["source"] else ""
    return (
        f"{result['bits']:.4f}{spread} bits per dimension ({known}); prior {result['prior']:.4f}, "
        f"steps {result['steps']:.4f}, decoder {result['decoder']:.4f}; by quarter of t, least "
        f"noise first: {_listed(result['quarters'], 4)}; loss of eps by quarter: "
        f"{_listed(result['losses'], 5)}; the first {about['n']:,} images of {real['dataset']} "
        f"{real['split']}{source}, {about['evaluations']:,} of {about['timesteps']:,} timesteps of "
        f"each; variance {about['variance']}; x̂0 clipped; told {about['told']}; weights: "
        f"{about['weights']}; seed {about['seed']}; dtype float32"
    )


def _recognition(result: Mapping, about: Mapping) -> str:
    real, times = about["reference"], about["times"]
    source = f" from {real['source']}" if real["source"] else ""
    return (
        f"{result['accuracy']:.2%} ± {result['error']:.2%} of the first {about['n']:,} images of "
        f"{real['dataset']} {real['split']}{source} recognised by the guesses of noise, "
        f"{result['calls']:,} network calls for each: {len(times)} t from {times[0]} to "
        f"{times[-1]}, one noise for all classes at each; by {about['space']} "
        f"{result['judge']:.2%}; seed {about['seed']}, dtype {about['dtype']}; {_weights(about)}"
    )


def _neighbours(result: Mapping, about: Mapping) -> str:
    share, n, compared = result["memorised"], about["n"], about["compared_with"]
    error = memorised_error(share, n, compared, about["quantile"])
    return (
        f"{share:.2%}{f' ± {error:.2%}' if 0 < share < 1 else ''} of {n:,} samples lie closer to a "
        f"training image than all but {about['quantile']:.0%} of test images do; median distance "
        f"to the nearest {result['median']:.3f}, of the first {compared:,} test images "
        f"{result['median_of_test_images']:.3f}; {_reference(about)}; in {about['space']}; "
        f"weights: {about['weights']}; {sampled(about)}"
    )


def _listed(figures, decimals: int) -> str:
    return ", ".join("not evaluated" if it is None else f"{it:.{decimals}f}" for it in figures)


def _weights(about: Mapping) -> str:
    return f"weights: {about['weights']} ({about['weights_mark'][:8]})"


def _reference(about: Mapping) -> str:
    real = about["reference"]
    source = f" from {real['source']}" if real["source"] else ""
    count = f"{real['images']:,}"
    if "drawn_of" in real:
        count += f", drawn at random, of the {real['drawn_of']:,}"
    return f"{count} images of {real['dataset']} {real['split']}{source}"


def _guidance(asked: Mapping) -> list[str]:
    method = asked["guidance"]
    if method == "none":
        return ["no guidance", *(["told the class"] if asked["label"] != "none" else [])]
    guidance = GUIDANCE[method]
    words = [f"{guidance.label} guidance"]
    if guidance.classifier:
        where = f" at {asked['at']}" if "at" in guidance.options else ""
        words = [f"classifier guidance, {guidance.label}{where}", asked["form"]]
    words.append(f"{guidance.symbol} = {asked['guidance_scale']:g}")
    if asked["rescale"]:
        words.append(f"rescale {asked['rescale']:g}")
    if asked["t_low"] or asked["t_high"] is not None:
        high = "T - 1" if asked["t_high"] is None else asked["t_high"]
        words.append(f"for {asked['t_low']} <= t <= {high}")
    if asked["profile"] != "constant":
        words.append(f"profile {asked['profile']}")
    return words


def _plain(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

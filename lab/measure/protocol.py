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
    """The name of the Fréchet distance by the features of a network; FID is Inception's."""
    return "judge distance" if net.endswith("-judge") else "Fréchet distance"


def sampled(about: Mapping) -> str:
    """The samples in words: all of a request that acts on the pictures.

    Args:
        about: ``request``, as ``asdict`` or a stored protocol has it, ``n``, ``first`` and
            ``dtype``.
    """
    request = asdict(Request()) | about["request"]
    walk = [f"{request['sampler']}, {request['steps']:,} steps ({SPACINGS[request['spacing']]})"]
    walk.append("x̂0 clipped" if request["clip"] else "x̂0 not clipped")
    walk += [f"{name} {_plain(request[name])}" for name in SAMPLERS[request["sampler"]].options]
    if request["fault"] != "none":
        walk.append(f"with the report's error {request['fault']}")
    images = [f"n = {about['n']:,}"]
    if about["first"]:
        images.append(f"from image {about['first']:,} on")
    images.append(f"label {request['label']}")
    if request["mix"] is not None:
        images.append(f"class {request['mix']} mixed in, share {request['share']:g}")
    images += [f"seed {request['seed']}", f"dtype {about['dtype']}"]
    return "; ".join(", ".join(part) for part in (_guidance(request), walk, images))


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
        drawn = "1 draw" if draws == 1 else f"{draws} draws"
        spread = ""
        if between is not None and draws == 1:
            spread = f" ± {between:.4f}"
            drawn += ", standard error between minibatches"
        elif between is not None:
            drawn += f", their standard deviation {between:.4f}"
        floor = (
            f"floor {result['floor']:.4f}{spread} ({about['n']:,} real images of the "
            f"{about['floor']['split']} split, {drawn})"
        )
    return (
        f"{figure}; {floor}; {sampled(about)}; reference: {_reference(about)}; features: "
        f"{net['name']} ({net['mark'][:8]}), {net['layer']}, {net['count']:,} numbers; "
        f"{_weights(about)}"
    )


def _classes(result: Mapping, about: Mapping) -> str:
    share, text = result["accuracy"], f"{about['n']:,} samples"
    if share is not None:
        text = f"{_share(share, result['error'])} of {text} taken for the wanted class"
    text += f" by {about['space']} ({about['space_mark'][:8]})"
    if result["distance"] is not None:
        of_class = "" if share is None else " of a class"
        text += f"; mean distance of two{of_class} {result['distance']:.2f}"
    return f"{text}; {sampled(about)}; {_weights(about)}"


def _bound(result: Mapping, about: Mapping) -> str:
    spread, note = "", "of one image: no telling how far off"
    if result["error"] is not None:
        spread, note = f" ± {result['error']:.4f}", "standard error between images"
        if about["evaluations"] < about["timesteps"]:
            note += "; which timesteps were drawn is not in it"
    return (
        f"{result['bits']:.4f}{spread} bits per dimension ({note}); prior {result['prior']:.4f}, "
        f"steps {result['steps']:.4f}, decoder {result['decoder']:.4f}; by quarter of t, least "
        f"noise first: {_listed(result['quarters'], 4)}; loss of eps by quarter: "
        f"{_listed(result['losses'], 5)}; the first {about['n']:,} images of {_split(about)}, "
        f"{about['evaluations']:,} of {about['timesteps']:,} timesteps of each; variance "
        f"{about['variance']}; x̂0 clipped; told {about['told']}; weights: {about['weights']}; seed "
        f"{about['seed']}; dtype float32"
    )


def _recognition(result: Mapping, about: Mapping) -> str:
    times, judge = about["times"], ""
    if result["judge"] is not None:
        judge = f"by {about['space']} {result['judge']:.2%}; "
    return (
        f"{_share(result['accuracy'], result['error'])} of the first {about['n']:,} images of "
        f"{_split(about)} recognised by the guesses of noise, "
        f"{result['calls']:,} network calls for each: {len(times)} t from {times[0]} to "
        f"{times[-1]}, one noise for all classes at each; {judge}seed {about['seed']}, "
        f"dtype {about['dtype']}; {_weights(about)}"
    )


def _neighbours(result: Mapping, about: Mapping) -> str:
    share, n, compared = result["memorised"], about["n"], about["compared_with"]
    error = memorised_error(share, n, compared, about["quantile"])
    return (
        f"{_share(share, error)} of {n:,} samples lie closer to a training image than all but "
        f"{about['quantile']:.0%} of test images do; median distance "
        f"to the nearest {result['median']:.3f}, of the first {compared:,} test images "
        f"{result['median_of_test_images']:.3f}; {_reference(about)}; in {about['space']}; "
        f"weights: {about['weights']}; {sampled(about)}"
    )


def _share(share: float, error: float) -> str:
    """With its standard error, which all or none of a sample do not tell."""
    return f"{share:.2%}{f' ± {error:.2%}' if 0 < share < 1 else ''}"


def _listed(figures, decimals: int) -> str:
    return ", ".join("not evaluated" if x is None else f"{x:.{decimals}f}" for x in figures)


def _weights(about: Mapping) -> str:
    return f"weights: {about['weights']} ({about['weights_mark'][:8]})"


def _reference(about: Mapping) -> str:
    real = about["reference"]
    count = f"{real['images']:,}"
    if "drawn_of" in real:
        count += f", drawn at random, of the {real['drawn_of']:,}"
    return f"{count} images of {_split(about)}"


def _split(about: Mapping) -> str:
    real = about["reference"]
    source = f" from {real['source']}" if real["source"] else ""
    return f"{real['dataset']} {real['split']}{source}"


def _guidance(request: Mapping) -> list[str]:
    method = request["guidance"]
    if method == "none":
        return ["no guidance", *(["told the class"] if request["label"] != "none" else [])]
    guidance = GUIDANCE[method]
    parts = [f"{guidance.label} guidance"]
    if guidance.classifier:
        where = f" at {request['at']}" if "at" in guidance.options else ""
        parts = [f"classifier guidance, {guidance.label}{where}", request["form"]]
    parts.append(f"{guidance.symbol} = {request['guidance_scale']:g}")
    if request["rescale"]:
        parts.append(f"rescale {request['rescale']:g}")
    if request["t_low"] or request["t_high"] is not None:
        high = "T - 1" if request["t_high"] is None else request["t_high"]
        parts.append(f"for {request['t_low']} <= t <= {high}")
    if request["profile"] != "constant":
        parts.append(f"profile {request['profile']}")
    return parts


def _plain(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

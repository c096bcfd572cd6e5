"""Recordings by the shipped models, labelled as such: they play before anything has run.

``python -m ui.tabs.recordings`` makes them anew, from the same seeds.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio

from ddpm_core.media import png
from ddpm_core.sampling import scale_sheet

from ..gradio_internals import file

FOLDER = Path(__file__).parent / "recorded"
MODEL = "mnist-conditional"  # of all but the races
FRAMES = 61  # of each lane: enough to look fluid, and small
PNG = "data:image/png;base64,"


def load(name: str) -> dict | None:
    """A component's recorded value, its pictures as files; None if there is no recording.

    Serve the folder (``gradio.set_static_paths``) for the pictures to be found.
    """
    path = FOLDER / f"{name}.json"
    if not path.exists():
        return None

    def as_file(text):
        if not (isinstance(text, str) and text.startswith("file:")):
            return text
        picture = str((FOLDER / text.removeprefix("file:")).resolve())
        return file(picture)

    return _mapped(json.loads(path.read_text(encoding="utf-8")), as_file)


def save(name: str, value: dict) -> int:
    """Write a component's value and its pictures; returns their size in bytes."""
    FOLDER.mkdir(exist_ok=True)
    for lane in value.get("lanes", ()):
        lane.pop("seconds", None)  # of this machine, at that moment
    for old in FOLDER.glob(f"{name}*"):
        old.unlink()
    written: list[Path] = []

    def in_file(text):
        if not (isinstance(text, str) and text.startswith(PNG)):
            return text
        path = FOLDER / f"{name}-{len(written)}.png"
        picture = iio.imread(base64.b64decode(text.removeprefix(PNG)), plugin="pillow")
        path.write_bytes(png(picture, optimize=True))
        written.append(path)
        return f"file:{path.name}"

    text = json.dumps(_mapped(value, in_file), ensure_ascii=False, separators=(",", ":"))
    path = FOLDER / f"{name}.json"
    path.write_text(text + "\n", encoding="utf-8")
    return sum(p.stat().st_size for p in [*written, path])


def _mapped(value, change: Callable):
    if isinstance(value, dict):
        return {k: _mapped(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [_mapped(v, change) for v in value]
    return change(value)


def main() -> None:
    """Record the races of the Reverse tab, the results of the tools below the stages, and a film of
    the Plane tab."""
    from ddpm_core import film
    from ddpm_core.guidance import GUIDANCE

    from ..runs import plane_runs, races
    from ..runs.runs import Studio
    from ..runs.ticket import Ticket
    from ..widgets.image_grid import image_grid
    from ..widgets.player import player
    from .guidance import guidance_controls
    from .reverse import comparison_views

    studio = Studio()
    for view in comparison_views.VIEWS:
        for progress in races.stream(studio, Ticket(), view.opening):
            pass
        panes = player.PANES if view.name == "schedules" else ("x", "x0")
        lanes = [races.whole(lane, FRAMES, panes) for lane in progress.film.lanes]
        request = progress.key.request
        words = f"{' against '.join(progress.key.models)}, seed {request.seed}"
        print(view.name, save(view.name, player.film(view.name, lanes, recorded=words)), "bytes")
    name = MODEL
    request = guidance_controls.default_for(studio.model(name))
    request = replace(request, n=1, label=3, sampler="dpm_solver_pp")
    for sheet, labels in (("strip", None), ("atlas", range(10))):
        scales = guidance_controls.scales(request, atlas=labels is not None)
        images = film(studio.model(name), scale_sheet(request, scales, labels)).images()
        value = image_grid.contact(
            images,
            len(scales),
            scales,
            labels and [str(label) for label in labels],
            symbol=GUIDANCE[request.guidance].symbol,
            run=f"0 {request.guidance}",
            recorded=f"{name}, seed {request.seed}",
        )
        print(sheet, save(sheet, value), "bytes")
    _record_tools(studio, name, request)
    for value in plane_runs.stream(studio, Ticket(), plane_runs.offered()["first"]):
        pass
    print("plane", save("plane", value | {"run": "recorded", "recorded": True}), "bytes")


def _record_tools(studio, name: str, request) -> None:
    """Record the results of the tools below the Guidance and the Forward stage."""
    import gradio as gr

    from ..runs.runs import Key
    from ..runs.ticket import Ticket
    from ..widgets.sketch import sketch
    from .forward import picture_tools
    from .guidance import guidance_controls, guidance_tools

    first = picture_tools.FIRST
    controls = guidance_controls.spelled(Key(name, request))
    inputs = {
        guidance_tools.Plot: ("50", "cfg", *(controls[field] for field in guidance_controls.NAMES)),
        **dict.fromkeys(picture_tools.TOOLS, (sketch.digit(first), name, 0, "none")),
    }
    inputs[picture_tools.Filled] = ("", *inputs[picture_tools.Filled], "3")
    with gr.Blocks():
        for kind, values in inputs.items():
            tool = kind(studio, "recorded")
            updates: dict = {}
            for update in tool.compute(Ticket(), *values):
                updates |= update
            value = updates[tool.shows]
            if tool.note:
                value |= {"recorded": f"{name}, seed 0", "words": updates[tool.note]}
            else:
                value["message"] = f"Recorded: {name}, seed 0."
            print(tool.place, save(tool.place, value), "bytes")


if __name__ == "__main__":
    main()

"""The base of the page's own components: how they load and get their options and pictures."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr
import numpy as np

from ddpm_core import media
from ddpm_core.files import write

from ..gradio_internals import file
from .modules import loader, stored


class Component(gr.HTML):
    """One of the page's own components: an element with its options, and the script of its name.

    Its value is a dictionary; a subclass may take another, and says so. Its script and its style
    are called as the module of its class.

    Attributes:
        EVENTS: the events that its script triggers.
    """

    EVENTS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        value: Any = None,
        *,
        label: str | None = None,
        options: Mapping[str, Any] | None = None,
        **props: Any,
    ):
        """
        Parameters:
            label: the name that assistive technology reads; one of the options as well.
            options: for its script.
        """
        name = type(self).__module__.rpartition(".")[2]
        options = ({} if label is None else {"label": label}) | dict(options or {})
        super().__init__(
            {"kind": "idle"} if value is None else value,
            label=label,
            html_template=shell(name, **options),
            # If it named a property, Gradio would compile it again for every value.
            css_template="",
            js_on_load=loader(name, self.EVENTS),
            apply_default_css=False,
            **props,
        )

    def postprocess(self, value: Any) -> Any:
        return _in_files(value, self.GRADIO_CACHE)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        file_name = stored(json.dumps(_from_base(config.get("value"))))
        return config | ({"value": {"kind": "stored", "file": file_name}} if file_name else {})


def idle(message: str) -> dict[str, Any]:
    """There is nothing to show yet; `message` stands in its place."""
    return {"kind": "idle", "message": message}


def shell(name: str, **options: Any) -> str:
    """A component's html_template: one element that carries its options.

    It names no property: otherwise Gradio would compile it again for every value.
    """
    options = json.dumps(options)
    file_name = stored(options)
    # Within single quotes, since JSON has many double ones.
    text = escape(file_name or options, quote=False).replace("'", "&#39;")
    # Gradio compiles this as a Handlebars template and as a JavaScript template string.
    for mark in "\\`${}":
        text = text.replace(mark, f"&#{ord(mark)};")
    kind = "stored" if file_name else "options"
    classes = name.replace("_", "-")
    return f"<div class='widget {classes}' data-{kind}='{text}'></div>"


def _from_base(value: Any) -> Any:
    """A value whose files have addresses relative to the page, wherever that is served."""
    if isinstance(value, dict):
        return {
            k: v.lstrip("/") if k == "url" and isinstance(v, str) else _from_base(v)
            for k, v in value.items()
        }
    return [_from_base(v) for v in value] if isinstance(value, list) else value


def png(page: np.ndarray) -> str:
    """A uint8 (H, W, C) picture as a PNG data URI, C = 1 or 3."""
    # Noise repeats nothing: a search for repetitions takes three times as long and saves nothing.
    content = media.png(page, compress_type=zlib.Z_HUFFMAN_ONLY)
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def _in_files(value: Any, cache: str) -> Any:
    """A value with its sheets in files that Gradio serves and clears away, unless it is live.

    Gradio sends a generator's last value twice: half a megabyte in it would count double.
    """
    if not isinstance(value, dict) or value.get("live"):
        return value
    moved = dict(value)
    if "sheets" in value:
        moved["sheets"] = {k: _in_file(picture, k, cache) for k, picture in value["sheets"].items()}
    if "sheet" in value:
        moved["sheet"] = _in_file(value["sheet"], "sheet", cache)
    if "lanes" in value:
        moved["lanes"] = [_in_files(lane, cache) for lane in value["lanes"]]
    return moved


def _in_file(picture: str | dict[str, Any], name: str, cache: str) -> dict[str, Any]:
    """A data URI as a file; a file stays as it is."""
    if not isinstance(picture, str):
        return picture
    return file(cached(base64.b64decode(picture.partition(",")[2]), f"{name}.png", cache))


def cached(content: bytes, name: str, cache: str) -> str:
    """The path of a file with this content that Gradio serves and clears away; written once, and
    whole at once.

    Gradio's own helper writes over a file of the same content, even while a browser is fetching it.
    """
    path = Path(cache) / hashlib.sha256(content).hexdigest() / name
    try:
        os.utime(path)  # files are cleared away by their age: this one is needed anew
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)
    return str(path.resolve())


def raw(a: np.ndarray) -> str:
    """An array's bytes as text: noise does not compress, and this costs a hundredth of a PNG."""
    return base64.b64encode(np.ascontiguousarray(a)).decode("ascii")


def packed(a: Any) -> str:
    """Numbers as bytes of float32: each of a list would become an object that Gradio observes."""
    return raw(np.asarray(a, "<f4"))

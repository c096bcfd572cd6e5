"""Compresses answers: the page itself, its fonts and the stream of news.

Gradio compresses scripts, styles and JSON itself, and its pictures are small already.
"""

from __future__ import annotations

import re

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ..widgets.modules import FOLDER

__all__ = ["Compression"]

LEFT = re.compile(rf"/|/gradio_api/queue/data|/{FOLDER}/.+\.otf")


class Compression(GZipMiddleware):
    """ASGI middleware: gzip for what Gradio sends as it is."""

    def __init__(self, app: ASGIApp):
        # Frames of a run are noise in base64: a higher level takes longer and saves nothing. Each
        # piece of the stream is sent at once, so it need not be excluded.
        super().__init__(app, compresslevel=4, exclude_content_types=())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_left = scope["type"] == "http" and LEFT.fullmatch(scope["path"])
        await (super().__call__ if is_left else self.app)(scope, receive, send)

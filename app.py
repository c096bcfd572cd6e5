"""Learning the Noise: assemble the page and launch it. The same file runs on a Space."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile

# Read when the libraries are imported: the page asks nothing of anyone but its own server.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Gradio sums up its events after each of them, which takes 25 ms, and nobody reads it.
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
# Plain HTTP, whose failures end in bounded time.
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from ddpm_core import InvalidInput
from ddpm_core.commands.options import add_device
from ui.events import VISITORS
from ui.page import LOOK, build
from ui.runs.models import HUB, PUBLIC_HUB
from ui.runs.runs import CALLS, MAX_PREVIEWS, Studio
from ui.sharing.guard import Guard
from ui.tabs import results
from ui.widgets import modules

ON_A_SPACE = "SPACE_ID" in os.environ
# For what Gradio does not compress itself: the page, its fonts, the stream of news. Frames of a run
# are noise in base64: a higher level takes longer and saves nothing.
GZIP = {"compresslevel": 4, "exclude_content_types": ("image/*", "video/*", "font/woff2")}
# What a visitor may do is bounded here and in ui/runs/limits.py; of the disk, recordings alone are
# served.
SAFE = {
    "allowed_paths": [],
    "max_file_size": "2mb",
    "show_error": False,
    "strict_cors": True,
    "enable_monitoring": False,
    "run_history": False,
    "ssr_mode": False,
    # A page whose session was dropped gets a new one with its next event.
    "state_session_capacity": 256,
    # A thread for every run, for every visitor who waits for a model, for every call of the API
    # that runs or waits, for every preview, and some more.
    "max_threads": 2 * VISITORS + 2 * CALLS + MAX_PREVIEWS + 16,
    "footer_links": ["api"],
}


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Watch diffusion models work, and steer them.")
    parser.add_argument(
        "models", nargs="*", metavar="FOLDER", help="run folders, to be offered beside what ships"
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="default: 7860, or the next free one")
    parser.add_argument("--share", action="store_true", help="a public link through Gradio")
    parser.add_argument(
        "--no-browser", dest="browser", action="store_false", help="do not open a browser"
    )
    add_device(parser)
    return parser.parse_args(argv)


def launch(argv: list[str] | None = None, studio=None, **overrides):
    """Serve the page; returns it and its address once the server is up (or has ended).

    ``studio`` and ``overrides``, options of Gradio's ``launch``, are for those who embed or test
    the page.
    """
    options = arguments(argv)
    host = options.host or ("0.0.0.0" if ON_A_SPACE else "127.0.0.1")
    _check_free(host, options.port)
    own = options.host in (None, "127.0.0.1", "localhost", "::1")
    public = ON_A_SPACE or options.share or not own
    try:
        hub = PUBLIC_HUB if public else HUB
        studio = studio or Studio(hub, options.models, options.device)
        page = build(studio)
    except InvalidInput as error:
        raise SystemExit(f"error: {error}") from None
    # By default Gradio runs a handler for one visitor at a time, and most may load a model.
    page.queue(max_size=2 * VISITORS, default_concurrency_limit=VISITORS, api_open=False)
    _, address, _ = page.launch(
        **{
            "server_name": host,
            "server_port": options.port,
            "share": options.share,
            "inbrowser": options.browser and not ON_A_SPACE,
            "app_kwargs": {
                "middleware": [
                    Middleware(Guard, page=page, share=options.share),
                    Middleware(GZipMiddleware, **GZIP),
                ],
                "routes": [*modules.routes(), results.route()],
            },
        }
        | SAFE
        | LOOK
        | overrides
    )
    return page, address


def _check_free(host: str, port: int | None) -> None:
    """End with a plain line if nothing can be served there; without a port any will do."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port or 0))
        except (OSError, OverflowError) as error:
            where = f"{host}, port {port}" if port else host
            raise SystemExit(f"the page cannot be served at {where}: {error}") from None


def main() -> None:
    """Serve the page until Ctrl-C or SIGTERM; visitors' files go when it ends."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(
        prefix="learning-the-noise-", ignore_cleanup_errors=True
    ) as folder:
        os.environ.setdefault("GRADIO_TEMP_DIR", folder)
        launch()
    sys.stdout.flush()
    os._exit(0)  # a run under way computes on, and would abort an interpreter that winds down


if __name__ == "__main__":
    main()

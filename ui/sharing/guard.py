"""The requests that the server answers, and those that it refuses before Gradio sees them.

Gradio brings many routes that this page does not use: some fetch addresses, some write files, some
go around the queue. So the routes that are served are listed here; all others do not exist.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
import traceback
from typing import Any

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ddpm_core import InvalidInput
from ddpm_core.animation import MAX_NOTE

from .. import gradio_internals
from ..gradio_internals import ComponentProcessingError
from ..widgets.modules import FOLDER

log = logging.getLogger(__name__)

API = "/gradio_api"
# Gradio would fetch a file that is named by an address instead of its path.
READ = re.compile(
    r"/(?:config|measurements|theme\.css|robots\.txt|manifest\.json|favicon\.ico)?"
    r"|/(?:assets|static)/.+"
    r"|/pwa_icon/(?:192|512)"
    rf"|{API}/(?:info|openapi\.json|app_id|startup-events|theme\.css|queue/data)"
    rf"|{API}/heartbeat/[^/]+"
    rf"|{API}/call/(?:v2/)?[^/]+/[^/]+"
    rf"|{API}/file=(?!\w[\w+.-]*://).+"
    rf"|/{FOLDER}/.+",
    re.DOTALL,
)
# The page calls by number and those who use the API by name; `run` alone goes around the queue.
BY_NUMBER = {f"{API}/queue/join", f"{API}/run/predict"}
# Functions of a component that its script calls: for the frames of a long film.
BY_COMPONENT = f"{API}/component_server/"
BY_NAME = re.compile(rf"{API}/call/(v2/)?([^/]+)")
OTHER_CALLS = {f"{API}/cancel", f"{API}/reset"}
# Room for a note that is dropped onto the page, with every character escaped.
MAX_BODY = 2 * MAX_NOTE
MAX_DEPTH = 50
MAX_LISTS = 20_000  # while they are read, all other visitors wait
# The browser sends these for Gradio's components, or null; Gradio takes anything.
KINDS = {
    (gr.Number, gr.Slider): "a number",
    (gr.Dropdown, gr.Radio, gr.Textbox): "text",
    (gr.Checkbox,): "true or false",
}

# With a public link through Gradio, its scripts come from there.
GRADIO_CDN = "https://gradio.s3-us-west-2.amazonaws.com"
# Gradio compiles templates and our scripts in the browser, and writes both into the page.
POLICY = (
    "default-src 'self'{cdn}; script-src 'self' 'unsafe-inline' 'unsafe-eval'{cdn}; "
    "style-src 'self' 'unsafe-inline'{cdn}; img-src 'self' data: blob:{cdn}; "
    "media-src 'self' data: blob:; font-src 'self' data:{cdn}; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'"
)

UNREADABLE = "One of the values is not of the kind that is expected there."
FAILED = "That failed on the server, which has made a note of it."


class Page(gr.Blocks):
    """Blocks whose refused calls are a clear answer to the caller and one line in the log.

    Gradio itself would print a traceback for each.
    """

    async def process_api(self, block_fn, *args, **kwargs):
        try:
            return await super().process_api(block_fn, *args, **kwargs)
        except Exception as error:
            raise _refusal(getattr(block_fn, "api_name", block_fn), error) from None


def _refusal(where: object, error: Exception) -> gr.Error:
    """Note an error; returns what the caller is told of it."""
    words = FAILED
    if isinstance(error, ComponentProcessingError) and error.__cause__ is not None:
        words, error = UNREADABLE, error.__cause__
    _note(where, error)
    if isinstance(error, gr.Error):
        error.print_exception = False
        return error
    return gr.Error(str(error) if isinstance(error, InvalidInput) else words, print_exception=False)


def _note(where: object, error: Exception) -> None:
    """One line in the log; for a fault also its place, and with debugging on its traceback."""
    if isinstance(error, (gr.Error, InvalidInput)):
        log.warning("refused %s: %s", _short(where), _short(getattr(error, "message", error)))
        return
    last = traceback.extract_tb(error.__traceback__)[-1]
    words = f"{type(error).__name__}: {error}"
    log.warning("failed %s: %s (%s:%d)", _short(where), _short(words), last.filename, last.lineno)
    log.debug("traceback", exc_info=error)


def _short(text: object) -> str:
    return repr(str(text)[:300])[1:-1]  # in one line, whatever a stranger sent


class _Refused(Exception):
    """A request that is not handed on."""

    def __init__(self, status: int, words: str):
        super().__init__(words)
        self.status = status


class Guard:
    """ASGI middleware: refuses what is not served and sends headers of safety with every answer.

    Args:
        page: whose functions can be called.
        share: a public link through Gradio is asked for.
    """

    def __init__(self, app: ASGIApp, page: gr.Blocks, share: bool = False):
        self._app, self._page = app, page
        self._headers = {
            "Content-Security-Policy": POLICY.format(cdn=f" {GRADIO_CDN}" if share else ""),
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "X-Content-Type-Options": "nosniff",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        async def refuse(status: int, words: str) -> None:
            await JSONResponse({"detail": words}, status)(scope, receive, answer)

        if _is_heartbeat_in_frame(Request(scope)):
            await Response(status_code=204)(scope, receive, answer)
            return
        try:
            await self._app(scope, await self._let_through(scope, receive), answer)
        except ClientDisconnect:
            pass
        except _Refused as error:
            if error.status != 404 or scope["method"] == "POST":
                log.warning("refused %s: %s", _short(scope["path"]), _short(error))
            await refuse(error.status, str(error))
        except Exception as error:
            _note(scope["path"], error)
            if started:
                await send({"type": "http.response.body", "body": b""})
            else:
                await refuse(500, FAILED)

    async def _let_through(self, scope: Scope, receive: Receive) -> Receive:
        """The channel by which Gradio receives the request.

        Raises:
            _Refused: if Gradio must not receive it.
        """
        path, method = scope["path"], scope["method"]
        if method in ("GET", "HEAD") and READ.fullmatch(path):
            return receive
        by_name = BY_NAME.fullmatch(path)
        if method != "POST" or not (path in BY_NUMBER | OTHER_CALLS | {BY_COMPONENT} or by_name):
            raise _Refused(404, "Not Found")
        body = await _body(Request(scope, receive))
        values = _read(body)
        if by_name:
            self._check_named(by_name[2], values, by_keyword=by_name[1] is not None)
        elif path in BY_NUMBER:
            self._check_numbered(values)
        elif path == BY_COMPONENT:
            self._check_component(values)
        replayed = False

        async def again() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        return again

    def _check_named(self, name: str, body: dict, by_keyword: bool) -> None:
        function = gradio_internals.public_function(self._page, name)
        if function is None:
            raise _Refused(404, f"there is no function {name[:100]!r}")
        if by_keyword:
            params = inspect.signature(function.fn).parameters
            unknown = [key for key in body if key not in params and key != "oauth_token"]
            if unknown:
                raise _Refused(422, f"{name} takes {', '.join(params)}, not {unknown[0][:100]!r}")
        else:
            _check_values(function, body)

    def _check_component(self, body: dict) -> None:
        number, name = body.get("component_id"), body.get("fn_name")
        if gradio_internals.component_function(self._page, number, name) is None:
            raise _Refused(404, f"there is no function {str(name)[:100]!r} of this component")
        if not isinstance(body.get("session_hash"), str):
            raise _Refused(422, "session_hash must be text")

    def _check_numbered(self, body: dict) -> None:
        number = body.get("fn_index")
        function = gradio_internals.function(self._page, number)
        if function is None or function.fn is None:
            raise _Refused(404, f"there is no function number {str(number)[:100]}")
        _check_values(function, body)
        data = body.get("event_data")
        if function.collects_event_data and not (isinstance(data, dict) and "index" in data):
            raise _Refused(422, "event_data must tell the index of what was chosen")


def _check_values(function, body: dict) -> None:
    values, inputs = body.get("data"), function.inputs
    if not isinstance(values, list) or len(values) < len(inputs):
        raise _Refused(422, f"data must be a list of {len(inputs)} values")
    for place, (component, value) in enumerate(zip(inputs, values, strict=False), 1):
        kind = next((kind for classes, kind in KINDS.items() if isinstance(component, classes)), "")
        if kind and value is not None and not _is(kind, value):
            raise _Refused(422, f"value {place} ({component.label}) must be {kind}")


def _is(kind: str, value: Any) -> bool:
    if kind == "a number":
        return type(value) in (int, float) and -1e300 < value < 1e300
    return isinstance(value, str if kind == "text" else bool)


def _is_heartbeat_in_frame(request: Request) -> bool:
    """Whether this is the heartbeat of a page in a frame. Gradio would hold its connection as long
    as the page is open, and a browser has six: six frames would leave none to ask anything with.
    """
    in_frame = "embed=" in request.headers.get("referer", "").partition("?")[2]
    return in_frame and request.url.path.startswith(f"{API}/heartbeat/")


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise _Refused(413, f"a request may have {MAX_BODY:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _read(body: bytes) -> dict:
    """The call that a body describes, in JSON and without files."""
    if body.count(b"[") + body.count(b"{") > MAX_LISTS:
        raise _Refused(413, f"a request may have {MAX_LISTS:,} lists and objects")
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        raise _Refused(400, "the body must be JSON") from None
    if not isinstance(call, dict):
        raise _Refused(422, "the body must be an object")
    _check_plain(call)
    return call


def _check_plain(value: Any, depth: int = 0) -> None:
    """Refuse files, which no function takes: Gradio would fetch an address or look for a path."""
    if depth > MAX_DEPTH:
        raise _Refused(422, "the values are nested too deeply")
    if isinstance(value, dict):
        if gradio_internals.is_file(value):
            raise _Refused(422, "no function takes a file")
        value = value.values()
    elif not isinstance(value, list):
        return
    for part in value:
        _check_plain(part, depth + 1)

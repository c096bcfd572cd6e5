"""The scripts and styles of the page's own components, their first values, the glossary and the
fonts, each served once.

Their address names their version: a browser keeps them for good and asks again only after a change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..glossary import glossary
from ..theme import fonts

HERE = Path(__file__).parent
FILES: dict[str, str | bytes] = {
    path.relative_to(HERE).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(HERE.rglob("*.js"))
    if not path.name.endswith(".test.js")
}
# Shared sheets stand first, so that a component's own sheet can differ from them.
FILES["style.css"] = "\n".join(
    path.read_text(encoding="utf-8")
    for path in [*sorted(HERE.glob("*.css")), *sorted(HERE.glob("*/*.css"))]
)
FILES["glossary.json"] = json.dumps(glossary(), ensure_ascii=False)
FILES |= fonts.FILES
VERSION = hashlib.sha256(repr(sorted(FILES.items())).encode()).hexdigest()[:12]
FOLDER = f"page/{VERSION}"
KINDS = {
    "js": "text/javascript",
    "css": "text/css",
    "json": "application/json",
    "otf": "font/otf",
    "woff2": "font/woff2",
}
# A longer text stands in a file of its own, not in the page.
LONGEST = 1000
LOST = "This part of the page could not be loaded. Reload the page."
STORED: dict[str, str] = {}


def loader(name: str, events: Sequence[str] = ()) -> str:
    """The body of a component's js_on_load: it hands what Gradio gives it to the module's mount.

    Args:
        events: that the module triggers; Gradio looks for their names in this text.
    """
    return (
        f"// triggers {json.dumps(list(events))}\n"
        f'import(new URL("{FOLDER}/load.js", document.baseURI)).then(({{ show }}) =>\n'
        f'  show("{name}", {{ element, props, trigger, watch, server }}),\n'
        f'  () => {{ element.dataset.lost = "yes"; element.textContent = "{LOST}"; }});'
    )


def stored(text: str) -> str | None:
    """The name of a file that holds a long text of JSON, by which `load.js` fetches it; None for a
    text that is short enough to stand in the page."""
    if len(text) <= LONGEST:
        return None
    name = f"data/{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    STORED[name] = text
    return name


def routes() -> list[Route]:
    """The routes that the server has to answer, for ``launch(app_kwargs={"routes": ...})``."""
    return [Route(f"/{FOLDER}/{{name:path}}", _answer)]


async def _answer(request: Request) -> Response:
    name = request.path_params["name"]
    content = FILES.get(name) or STORED.get(name)
    if content is None:
        raise HTTPException(404)
    return Response(
        content,
        media_type=KINDS[name.rpartition(".")[2]],
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )

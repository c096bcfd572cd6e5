"""Pages served for a test, and their events called without a browser."""

import json
from contextlib import contextmanager

from ui.page import LOOK
from ui.widgets import modules

API = "/gradio_api"


@contextmanager
def serve(blocks):
    """The address of blocks that look as the page does."""
    options = {"app_kwargs": {"routes": modules.routes()}} | LOOK
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, **options)
    yield address
    blocks.close()


def event_of(client, button: str) -> int:
    """The number of the event of a button, by its name."""
    config = client.get("/config").json()
    (component,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == button]
    return next(d["id"] for d in config["dependencies"] if [component, "click"] in d["targets"])


def sample_event(client) -> tuple[int, list, int]:
    """The event that samples on the Sample tab, its values, and the seed's place among them."""
    config, number = client.get("/config").json(), event_of(client, "sample-run")
    inputs = next(d["inputs"] for d in config["dependencies"] if d["id"] == number)
    values = {c["id"]: c["props"].get("value") for c in config["components"]}
    ids = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
    values |= {ids["sample-n"]: 1, ids["sample-steps"]: 1}
    return number, [values[i] for i in inputs], inputs.index(ids["sample-seed"])


def news(client, session: str, *kinds: str) -> dict:
    """The first message of such a kind in a session."""
    with client.stream("GET", f"{API}/queue/data", params={"session_hash": session}) as response:
        for line in response.iter_lines():
            message = json.loads(line.removeprefix("data:") or "{}")
            if message.get("msg") in kinds:
                return message
    raise AssertionError("no answer")

"""What a new version of Gradio broke of the private names that the page's Python rests on; and what
the server keeps of everyone who was here."""

import re
import tracemalloc
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from pkgutil import resolve_name

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from ui import gradio_internals
from ui.page import build
from ui.widgets.component import Component

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", gradio_internals.NAMES)
def test_a_name_is_there(name):
    assert resolve_name(name) is not None


def test_nothing_else_imports_what_is_not_public():
    """The theme is made of scales that Gradio's own themes are made of."""
    known = {"ui/gradio_internals.py", "ui/theme/theme.py"}
    private = re.compile(r"^\s*(from gradio\.|import gradio\.)|gradio\.FileData|\._queue\b|\.fns\b")
    for path in [ROOT / "app.py", *(ROOT / "ui").rglob("*.py")]:
        name = path.relative_to(ROOT).as_posix()
        if name not in known and "node_modules" not in name:
            lines = path.read_text(encoding="utf-8").splitlines()
            assert [line for line in lines if private.search(line)] == [], name


FRONTEND = Path(gr.__file__).parent / "templates" / "frontend" / "assets"


@pytest.mark.parametrize(
    "word",
    ["data-tab-id", "aria-selected", "cm-editor", "event_id", "queue/join", "queue/data"]
    + ["run/predict", "close_stream", "broken_connection", "process_generating"],
)
def test_what_the_scripts_know_of_gradio_is_in_its_own(word):
    ours = (ROOT / "ui/browser/gradio.js").read_text(encoding="utf-8").replace("\\/", "/")
    assert word.rpartition("/")[2] in ours and f'seen: "{gradio_internals.SEEN}"' in ours
    theirs = (path.read_text(encoding="utf-8", errors="ignore") for path in FRONTEND.glob("*.js"))
    assert any(word.rpartition("/")[2] in text for text in theirs)


def test_a_component_can_be_made_anew_of_its_arguments_without_a_value():
    """Gradio does so whenever an event leaves it as it is."""
    ours = [part for part in build().blocks.values() if isinstance(part, Component)]
    for part in ours:
        arguments = {k: v for k, v in part.constructor_args.items() if k != "value"}
        assert type(part)(**arguments | {"render": False}).elem_id == part.elem_id
    assert len({type(part) for part in ours}) > 10


def test_a_light_session_has_all_that_gradio_gives_one():
    spec = find_spec("gradio.state_holder")
    gradios_own = module_from_spec(spec)  # whatever was made light in this process already
    spec.loader.exec_module(gradios_own)
    gradio_internals.lighten_sessions()
    page = gr.Blocks(analytics_enabled=False)
    assert set(vars(SessionState(page))) == set(vars(gradios_own.SessionState(page)))


def test_a_visitor_costs_little_memory():
    page = build()
    SessionState(page)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        sessions = [SessionState(page) for _ in range(20)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(sessions) < 100_000

"""What a new version of Gradio broke, of all that the page's Python rests on unpromised."""

from __future__ import annotations

import inspect
import re
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from pkgutil import resolve_name

import gradio as gr
import pytest
from gradio.queueing import Event, Queue
from gradio.state_holder import SessionState

from ui import gradio_internals

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


@pytest.fixture(scope="module")
def page():
    def double(number: int) -> int:
        return 2 * number

    with gr.Blocks(analytics_enabled=False) as page:
        number, text = gr.Number(), gr.HTML(server_functions=[double])
        number.change(lambda it: it, number, text, api_visibility="private")
        gr.State(1)
        gr.api(double, api_name="double")
    page.parts = number, text
    return page


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


def test_functions_are_found_by_number_and_by_name(page):
    private, public = gradio_internals.functions(page)
    assert private.inputs == [page.parts[0]] and not private.collects_event_data
    assert gradio_internals.function(page, 0) is private
    assert gradio_internals.function(page, "0") is gradio_internals.function(page, True) is None
    assert gradio_internals.public_function(page, "double") is public
    assert gradio_internals.public_function(page, private.api_name) is None


def test_of_a_component_only_its_server_functions_are_found(page):
    number = page.parts[1]._id
    assert gradio_internals.component_function(page, number, "double")(4) == 8
    for wrong in ((number, "postprocess"), (number, None), ("1", "double"), (10_000, "double")):
        assert gradio_internals.component_function(page, *wrong) is None


def test_progress_is_announced_where_it_is_said(page):
    gradio_internals.announce_progress_on(page, page.parts[0])
    events = page.get_config_file()["dependencies"]
    assert {tuple(event["show_progress_on"]) for event in events} == {(page.parts[0]._id,)}


def test_what_nobody_reads_is_left_out_and_the_public_functions_stay_described(page):
    config = gradio_internals.without_what_nobody_reads(page.get_config_file())
    described = {part["type"] for part in config["components"] if "api_info" in part}
    assert described == {"api"}
    assert "delete_callback" not in str(config)


def test_a_file_in_a_value_gets_an_address(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("here", encoding="utf-8")
    gr.set_static_paths([tmp_path])
    value = gradio_internals.file(str(path))
    assert gradio_internals.get_upload_folder() == gr.HTML().GRADIO_CACHE
    assert gradio_internals.is_file(value)
    with gr.Blocks(analytics_enabled=False) as page:
        gr.HTML(value)
    (part,) = page.get_config_file()["components"]
    assert part["props"]["value"]["url"].endswith(f"/gradio_api/file={path}")


def test_nobody_has_left_where_nobody_called_and_gradio_notes_who_did():
    assert not gradio_internals.has_left()
    assert "alive" in inspect.getsource(Event)
    assert "event_ids_to_events" in inspect.getsource(Queue)


def test_a_light_session_has_all_that_gradio_gives_one(page):
    spec = find_spec("gradio.state_holder")
    gradios_own = module_from_spec(spec)  # whatever was made light in this process already
    spec.loader.exec_module(gradios_own)
    gradio_internals.lighten_sessions()
    assert set(vars(SessionState(page))) == set(vars(gradios_own.SessionState(page)))

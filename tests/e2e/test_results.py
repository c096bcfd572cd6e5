"""The Results tab in the hands of a visitor: figures, their protocols, the plots."""

from __future__ import annotations

import math
import re

import gradio as gr
import pytest
from playwright.sync_api import expect

from lab.measure import evaluation
from lab.measure import results as stored
from lab.report import report
from lab.report.findings import findings
from tests.e2e.axe import violations
from tests.ui.test_results import result_of, store, write_training
from ui import results
from ui.page import LOOK

from .conftest import Visitor, at_rest

PHONE = {"viewport": {"width": 390, "height": 844}}
HISTORY = [
    {"images": 64_000 * k, "train": 0.3 / k, "validation": 0.25 / k}
    | ({"fid": 9 / k} if k % 2 else {})
    for k in range(1, 9)
]
# FID by sampler and steps; the third sampler has nothing at its first step.
FEW = {"ddpm": 200.0, "ddim": 20.0, "dpm_solver_pp": 9.0}


def fid_of(m: report.Measurement) -> float:
    return FEW[m.request.sampler] / m.request.steps + 0.5


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Some of it is measured."""
    home = tmp_path_factory.mktemp("checkpoints")
    first, _, third, fourth = report.table_1(home).rows[1].measured
    for m, fid in ((first, 2.3456), (third, 1.2345), (fourth, 5.0)):
        store(home, m, fid, 0.0211)
    for column in range(3):
        usual, unclipped, *_ = (row.measured[column] for row in report.costs(home).rows)
        store(home, usual, 2.0, 0.05)
        store(home, unclipped, 7.0 if usual.model == "mnist-cosine" else 3.5, 0.05)
    for row in report.few_steps(home).rows:
        for m in filter(None, row.measured):
            if (m.request.sampler, m.request.steps) != ("dpm_solver_pp", 5):
                store(home, m, fid_of(m), 0.2)
    write_training(home, "mnist-conditional", HISTORY)
    write_training(home, "mnist-cosine", HISTORY[:4])
    return home


@pytest.fixture(scope="module")
def address(home):
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Markdown("# A page")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Other"):
                gr.Markdown("Another tab")
            with gr.Tab("Results", id=results.NAME) as tab:
                results.build(tab, home)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, **LOOK)
    yield address
    page.close()


@pytest.fixture
def enter(keep, chromium, address):
    """The tab just opened, on a page that other tests use as well unless it is to be new."""
    visitors = []

    def opened(query="", new=False, **context):
        def come():
            return Visitor(chromium, address, **context).open(query)

        visitor = come() if new or query else keep(come, repr(context))[0]
        visitors.append((visitor, new or query))
        page = visitor.page
        page.keyboard.press("Escape")  # a protocol that was left open
        page.get_by_role("tab", name="Other").click()
        page.get_by_role("tab", name="Results").click()
        page.locator(".board[data-state=shown]").wait_for()
        return visitor

    yield opened
    for visitor, leaves in visitors:
        assert visitor.errors == []
        if leaves:
            visitor.leave()


def cell(page, section, row, column):
    table = page.locator(f"[data-section={section}] table")
    return (
        table.get_by_role("row", name=re.compile(f"^{re.escape(row)}"))
        .first.locator("td")
        .nth(column)
    )


def card(page):
    return page.get_by_role("dialog")


def test_a_stored_figure_stands_beside_the_reports(enter):
    page = enter().page
    assert cell(page, "table-1", "Train-FID, report", 0).inner_text().strip() == "2.286"
    shown = cell(page, "table-1", "Train distance, DDIM", 0).inner_text()
    assert shown.split() == ["2.346", "±", "0.021"]
    assert cell(page, "table-1", "Train distance, DDIM", 1).inner_text() == "not measured"
    cost = cell(page, "costs", "x̂0 not clipped", 0).inner_text().split()[-3:]
    assert cost == ["+1.500", "±", "0.071"]
    assert cell(page, "costs", "first β", 1).get_by_role("img", name="does not apply").is_visible()


def test_a_figure_of_another_precision_says_so(enter, home):
    row = next(row for row in report.table_1(home).rows if "sampled again" in row.title)
    (m,) = filter(None, row.measured)
    result = result_of(m, 2.4, 0.021)
    result["protocol"]["dtype"] = "float16"
    path = stored.save(home / m.model, result)
    try:
        line = enter(new=True).page.locator("[data-section=table-1] tr", has_text=row.title)
        shown = line.locator("td").first.inner_text()
    finally:
        path.unlink()
    assert shown.split() == ["2.400", "±", "0.021", "in", "float16"]


def test_what_people_wrote_of_a_table_stands_below_it(enter):
    page = enter().page
    for name, (question, paragraphs) in findings().items():
        answer = page.locator(f"[data-section={name}] .board-answer")
        assert answer.get_by_role("heading").inner_text() == question
        assert answer.locator("p").all_inner_texts() == paragraphs


def test_the_address_says_where_one_is(enter):
    page = enter("?__theme=dark&model=mnist-linear").page
    expect(page).to_have_url(re.compile(r"\?tab=results&__theme=dark$"))


def test_a_click_opens_the_protocol_and_the_next_closes_it(enter, home):
    page = enter().page
    m = report.table_1(home).rows[1].measured[0]
    button = cell(page, "table-1", "Train distance, DDIM", 0).locator("button")
    button.click()
    expect(card(page)).to_be_visible()
    expect(card(page)).to_be_focused()
    words = evaluation.words(result_of(m, 2.3456, 0.0211))
    assert card(page).locator(".board-words").inner_text() == words
    assert card(page).locator("code").inner_text() == m.command
    assert "1,234 s" in card(page).inner_text()
    expect(card(page)).to_have_accessible_name(
        "Train distance, DDIM, 50\u00a0steps, n\u00a0=\u00a08,192, linear, no attention · "
        "mnist-linear"
    )
    # Near its figure, and on the page.
    figure, box = button.bounding_box(), card(page).bounding_box()
    assert 0 <= box["y"] - figure["y"] - figure["height"] <= 16
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1440
    button.click()
    expect(card(page)).to_be_hidden()
    button.click()
    cell(page, "table-1", "Train distance, DDIM", 2).locator("button").click()
    assert "1.2345" in card(page).inner_text()
    assert page.locator("[aria-expanded=true][data-cell]").count() == 1
    page.locator(".board-lead").click()
    expect(card(page)).to_be_hidden()


def test_what_is_not_measured_says_so_and_by_which_command_it_would_be(enter, home):
    visitor = enter(new=True)
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.page
    m = report.table_1(home).rows[1].measured[1]
    cell(page, "table-1", "Train distance, DDIM", 1).locator("button").click()
    assert "Not measured yet" in card(page).inner_text()
    assert card(page).locator("code").inner_text() == m.command
    card(page).get_by_role("button", name="Copy").click()
    expect(card(page).get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == m.command


def test_by_keyboard_alone(enter):
    page = enter(new=True).page
    page.get_by_role("tab", name="Results").focus()
    page.keyboard.press("Tab")
    first = cell(page, "table-1", "Train distance, DDIM", 0).locator("button")
    expect(first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(cell(page, "table-1", "Train distance, DDIM", 2).locator("button")).to_be_focused()
    page.keyboard.press("ArrowDown")  # to the one figure of the row below
    for key in ("ArrowUp", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(card(page)).to_be_focused()
    assert "1.2345" in card(page).inner_text()
    page.keyboard.press("Tab")
    expect(card(page).get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(card(page)).to_be_hidden()
    expect(cell(page, "table-1", "Train distance, DDIM", 2).locator("button")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(3):  # past the last button, back to the figure
        page.keyboard.press("Tab")
    expect(card(page)).to_be_hidden()
    expect(cell(page, "table-1", "Train distance, DDIM", 2).locator("button")).to_be_focused()
    page.keyboard.press("Tab")  # each table is one stop
    expect(cell(page, "table-2", "Train distance, DDIM", 0).locator("button")).to_be_focused()


# --- the plots ---


def axis(page, plot, kind):
    """From a value to a pixel, by two ticks of a logarithmic axis."""
    side = "x" if kind == "x" else "y"
    ticks = page.locator(f"[data-plot={plot}] text.board-{kind}[data-value]").evaluate_all(
        f"all => all.map(t => [Number(t.dataset.value), Number(t.getAttribute('{side}'))])"
    )
    (v0, at0), (v1, at1) = ticks[0], ticks[-1]
    assert len(ticks) >= 3
    return lambda v: at0 + (at1 - at0) * math.log(v / v0) / math.log(v1 / v0)


@pytest.mark.parametrize("context", [{}, PHONE], ids=["wide", "phone"])
def test_every_measured_point_has_its_mark_at_its_place(enter, home, context):
    page = enter(**context).page
    to_x, to_y = axis(page, "few-steps", "x"), axis(page, "few-steps", "y")
    svg = page.locator("[data-plot=few-steps] .board-plot svg").bounding_box()
    marks = page.locator("[data-plot=few-steps] .board-plot .board-mark")
    rows = report.few_steps(home).rows
    points = [m for row in rows for m in row.measured if m and m.result is not None]
    assert marks.count() == len(points) == 18
    assert page.locator("[data-plot=few-steps] .board-error-bar").count() == 18
    for mark, m in zip(marks.all(), points, strict=True):
        box = mark.bounding_box()
        assert abs(box["x"] + box["width"] / 2 - svg["x"] - to_x(m.request.steps)) < 1.5
        middle = mark.evaluate("it => it.transform.baseVal[0].matrix.f")
        assert abs(middle - to_y(m.result["fid"])) < 1.5
    button = page.locator("[data-plot=few-steps] .board-points button").nth(8)
    assert abs(float(button.evaluate("b => parseFloat(b.style.left)")) - to_x(10)) < 1.5
    floor = page.locator("[data-plot=few-steps] .board-plot .board-floor")
    assert floor.get_attribute("data-value") == "0.11"
    low = floor.evaluate("it => it.getBBox().y")
    assert abs(low - to_y(0.11)) < 1.5


def test_a_point_tells_its_protocol_by_pointer_and_by_keyboard(enter, home):
    page = enter().page
    plot = page.locator("[data-plot=few-steps]")
    plot.scroll_into_view_if_needed()
    readout = plot.locator(".board-readout")
    ddim = report.few_steps(home).rows[1].measured
    point = plot.get_by_role("button", name="DDIM · 20 steps")
    box = at_rest(point)
    page.mouse.move(box["x"] + 14, box["y"] + 14)
    expect(readout).to_have_text("DDIM · 20 steps · judge distance 1.50 ± 0.20")
    page.mouse.click(box["x"] + 14, box["y"] + 14)
    assert card(page).locator(".board-words").inner_text() == evaluation.words(ddim[2].result)
    assert card(page).locator("code").inner_text() == ddim[2].command
    page.keyboard.press("Escape")
    expect(point).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(readout).to_contain_text("DDIM · 50 steps")
    page.keyboard.press("ArrowDown")
    expect(readout).to_contain_text("DPM-Solver++ · 50 steps")
    page.keyboard.press("Home")
    expect(readout).to_contain_text("DPM-Solver++ · 10 steps")  # at 5 it is not measured
    page.keyboard.press("Enter")
    assert "dpm_solver_pp, 10 steps" in card(page).inner_text()
    # What is missing in the plot is in the table below.
    assert cell(page, "few-steps", "DPM-Solver++", 0).inner_text() == "not measured"


def test_training_curves_of_the_model_that_is_picked(enter):
    page = enter().page
    section = page.locator("[data-section=curves]")
    plot = section.locator(".board-plot")
    names = section.get_by_role("radio")
    assert [n.get_attribute("value") for n in names.all()] == ["mnist-conditional", "mnist-cosine"]
    expect(names.first).to_be_checked()
    frame = section.locator(".board-models span").first
    inset = "e => parseFloat(getComputedStyle(e).paddingLeft)"
    assert frame.evaluate(inset) >= 8, "a name that touches its frame"
    to_y, to_fid = axis(page, "curves", "y"), axis(page, "curves", "y2")
    lines = plot.locator("polyline")
    assert lines.count() == 3
    ends = lines.evaluate_all(
        "all => all.map(l => [l.points.length, l.points[l.points.length - 1].y])"
    )
    assert [n for n, _ in ends] == [8, 8, 4]
    for (_, y), expected in zip(ends, (to_y(0.3 / 8), to_y(0.25 / 8), to_fid(9 / 7)), strict=True):
        assert abs(y - expected) < 1.5
    names.first.focus()
    page.keyboard.press("ArrowRight")
    expect(names.nth(1)).to_be_checked()
    expect(names.nth(1)).to_be_focused()
    assert lines.evaluate_all("all => all.map(l => l.points.length)") == [4, 4, 2]
    section.get_by_role("button", name="validation loss 0.125 · 128,000 images").press("Enter")
    assert card(page).locator("code").inner_text() == (
        "python -m ddpm_core train --recipe mnist-cosine"
    )
    assert "256,000 images seen" in card(page).inner_text()


def test_figures_that_are_measured_meanwhile_show_when_it_is_opened_again(enter, home):
    page = enter(new=True).page
    m = report.table_2(home).rows[1].measured[0]
    assert cell(page, "table-2", "Train distance, DDIM, 50", 0).inner_text() == "not measured"
    path = store(home, m, 33.25, 0.5)
    try:
        page.get_by_role("tab", name="Other").click()
        page.get_by_role("tab", name="Results").click()
        expect(cell(page, "table-2", "Train distance, DDIM, 50", 0)).to_contain_text("33.25")
    finally:
        path.unlink()


# --- on every screen ---


def test_on_a_phone_tables_scroll_and_the_page_does_not(enter):
    visitor = enter(**PHONE)
    page = visitor.page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    box = page.locator("[data-section=table-1] .board-scroll")
    assert box.evaluate("b => b.scrollWidth > b.clientWidth")
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "document.querySelector('[data-section=table-1] .board-scroll').scrollLeft > 0"
    )
    cell(page, "table-1", "Train distance, DDIM", 3).locator("button").click()
    shown = card(page).bounding_box()
    assert shown["x"] >= 0 and shown["x"] + shown["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("context", [{}, PHONE], ids=["wide", "phone"])
def test_it_breaks_no_rule(enter, scheme, context):
    page = enter(f"?__theme={scheme}", color_scheme=scheme, **context).page
    assert violations(page, only_colours=scheme == "dark") == []
    cell(page, "table-1", "Train distance, DDIM", 0).locator("button").click()
    assert violations(page, within="[role=dialog]") == []


# --- in the whole page ---


def test_a_link_opens_the_tab(visit):
    visitor = visit("?tab=results")
    page = visitor.page
    page.locator(".board[data-state=shown]").wait_for()
    expect(page.get_by_role("tab", name="Results")).to_have_attribute("aria-selected", "true")
    assert cell(page, "table-1", "Test-FID, report", 3).inner_text().strip() == "2.385"
    figures = page.locator("#results-board td button")
    assert figures.count() > 100
    beyond = "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)"
    assert figures.evaluate_all(beyond) == [], "figures that reach out of their columns"
    words = page.locator("#results-board p")
    assert words.evaluate_all(beyond) == [], "words that reach out of theirs"


def test_on_a_phone_every_tab_is_on_view(visit):
    page = visit("?tab=results", **PHONE).page
    page.locator(".board[data-state=shown]").wait_for()
    titles = ["Sample", "Guidance", "Reverse process", "Forward process", "Results"]
    for title in titles:
        tab = page.get_by_role("tab", name=title, exact=True)
        expect(tab).to_be_visible()
        box = tab.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert page.locator("#tabs > .tab-wrapper .overflow-menu > button").first.is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("tab", name="Guidance", exact=True).click()
    page.get_by_role("tab", name="Guidance against diversity").wait_for()
    assert page.locator("#instruments > .tab-wrapper .overflow-menu > button").first.is_hidden()

"""The Results tab in the hands of a visitor: figures, their protocols, the plots."""

from __future__ import annotations

import re
from contextlib import suppress

import gradio as gr
import pytest
from playwright.sync_api import expect

from lab.measure.protocol import words
from lab.report import tables
from lab.report.findings import findings
from tests.support.figures import store, write_training
from tests.support.pages import serve
from tests.support.toys import result_of
from tests.support.visitor import TABS, Visitor, at_rest
from ui.tabs import results

PHONE = {"viewport": {"width": 390, "height": 844}}
HISTORY = [
    {"images": 64_000 * k, "train": 0.3 / k, "validation": 0.25 / k}
    | ({"fid": 9 / k} if k % 2 else {})
    for k in range(1, 9)
]
# FID by sampler and steps; the third sampler has nothing at its first step.
FEW = {"ddpm": 200.0, "ddim": 20.0, "dpm_solver_pp": 9.0}


def fid_of(m: tables.Measurement) -> float:
    return FEW[m.request.sampler] / m.request.steps + 0.5


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Some of it is measured."""
    home = tmp_path_factory.mktemp("checkpoints")
    first, _, third, fourth = tables.table_1(home).rows[1].measured
    for m, fid in ((first, 2.3456), (third, 1.2345), (fourth, 5.0)):
        store(home, m, fid, 0.0211)
    for column in range(3):
        usual, unclipped, *_ = (row.measured[column] for row in tables.costs(home).rows)
        store(home, usual, 2.0, 0.05)
        store(home, unclipped, 7.0 if usual.model == "mnist-cosine" else 3.5, 0.05)
    for row in tables.few_steps(home).rows:
        for m in filter(None, row.measured):
            if (m.request.sampler, m.request.steps) != ("dpm_solver_pp", 5):
                store(home, m, fid_of(m), 0.2)
    write_training(home, "mnist-conditional", HISTORY)
    write_training(home, "mnist-cosine", HISTORY[:4])
    return home


@pytest.fixture(scope="module")
def address(home):
    with gr.Blocks(analytics_enabled=False) as page, gr.Tabs(elem_id="tabs"):
        with gr.Tab("Other"):
            gr.Markdown("Another tab")
        with gr.Tab("Results", id=results.NAME) as tab:
            results.build(tab, home)
    with serve(page) as address:
        yield address


@pytest.fixture
def page(keep, chromium, address):
    """The tab just opened, of a page that other tests use as well."""
    visitor, _ = keep(lambda: Visitor(chromium, address).open())
    page = visitor.page
    page.keyboard.press("Escape")  # a protocol that was left open
    reopen(page)
    page.locator(".result-tables[data-state=shown]").wait_for()
    return page


def reopen(page):
    for name in ("Other", "Results"):
        page.get_by_role("tab", name=name).click()


def cell(page, section, row, column):
    table = page.locator(f"[data-section={section}] table")
    return (
        table.get_by_role("row", name=re.compile(f"^{re.escape(row)}"))
        .first.locator("td")
        .nth(column)
    )


def card(page):
    return page.get_by_role("dialog")


def ours(page, column, table="table-1"):
    """A figure of our own in the first row of a table."""
    return cell(page, table, "Train distance, DDIM", column).locator("button")


def test_by_keyboard_alone(page):  # first of all: where it begins is where it was left
    page.get_by_role("tab", name="Results").focus()
    page.keyboard.press("Tab")
    expect(ours(page, 0)).to_be_focused()
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(ours(page, 2)).to_be_focused()
    # Down to the one figure of the row below, and back.
    for key in ("ArrowDown", "ArrowUp", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(card(page)).to_be_focused()
    expect(card(page)).to_contain_text("1.2345")
    page.keyboard.press("Tab")
    expect(card(page).get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(card(page)).to_be_hidden()
    expect(ours(page, 2)).to_be_focused()
    for key in ("Enter", "Tab", "Tab", "Tab"):  # past the last button, back to the figure
        page.keyboard.press(key)
    expect(card(page)).to_be_hidden()
    expect(ours(page, 2)).to_be_focused()
    page.keyboard.press("Tab")  # each table is one stop
    expect(ours(page, 0, "table-2")).to_be_focused()


def test_a_stored_figure_stands_beside_the_reports(page):
    assert cell(page, "table-1", "Train-FID, report", 0).inner_text().strip() == "2.286"
    shown = cell(page, "table-1", "Train distance, DDIM", 0).inner_text()
    assert shown.split() == ["2.346", "±", "0.021"]
    assert cell(page, "table-1", "Train distance, DDIM", 1).inner_text() == "not measured"
    cost = cell(page, "costs", "x̂0 not clipped", 0).inner_text().split()[-3:]
    assert cost == ["+1.500", "±", "0.071"]
    assert cell(page, "costs", "first β", 1).get_by_role("img", name="does not apply").is_visible()
    question, paragraphs = findings()["table-1"]  # what people wrote of it
    answer = page.locator("[data-section=table-1] .result-tables-answer")
    expect(answer.get_by_role("heading")).to_have_text(question)
    assert answer.locator("p").all_inner_texts() == paragraphs


def test_a_click_opens_the_protocol_and_the_next_closes_it(page, home):
    m = tables.table_1(home).rows[1].measured[0]
    button = cell(page, "table-1", "Train distance, DDIM", 0).locator("button")
    button.click()
    expect(card(page)).to_be_visible()
    expect(card(page)).to_be_focused()
    told = words(result_of(m, 2.3456, 0.0211))
    assert card(page).locator(".result-tables-words").inner_text() == told
    assert card(page).locator("code").inner_text() == m.command
    assert "1,234 s" in card(page).inner_text()
    button.click()
    expect(card(page)).to_be_hidden()
    # What is not measured says so, and by which command it would be.
    missing = tables.table_1(home).rows[1].measured[1]
    cell(page, "table-1", "Train distance, DDIM", 1).locator("button").click()
    assert "Not measured yet" in card(page).inner_text()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    card(page).get_by_role("button", name="Copy").click()
    expect(card(page).get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == missing.command
    page.locator(".result-tables-lead").click()
    expect(card(page)).to_be_hidden()


# --- the plots ---


def test_a_point_tells_its_protocol_by_pointer_and_by_keyboard(page, home):
    plot = page.locator("[data-plot=few-steps]")
    plot.scroll_into_view_if_needed()
    readout = plot.locator(".result-tables-readout")
    ddim = tables.few_steps(home).rows[1].measured
    point = plot.get_by_role("button", name="DDIM · 20 steps")
    box = at_rest(point)
    page.mouse.move(box["x"] + 14, box["y"] + 14)
    expect(readout).to_have_text("DDIM · 20 steps · judge distance 1.50 ± 0.20")
    page.mouse.click(box["x"] + 14, box["y"] + 14)
    assert card(page).locator(".result-tables-words").inner_text() == words(ddim[2].result)
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


def test_training_curves_of_the_model_that_is_picked(page):
    section = page.locator("[data-section=curves]")
    names, lines = section.get_by_role("radio"), section.locator(".plot polyline")
    assert [n.get_attribute("value") for n in names.all()] == ["mnist-conditional", "mnist-cosine"]
    expect(names.first).to_be_checked()
    assert lines.evaluate_all("all => all.map(l => l.points.length)") == [8, 8, 4]
    names.first.focus()
    page.keyboard.press("ArrowRight")
    expect(names.nth(1)).to_be_checked()
    assert lines.evaluate_all("all => all.map(l => l.points.length)") == [4, 4, 2]
    section.get_by_role("button", name="validation loss 0.125 · 128,000 images").press("Enter")
    command = "python -m ddpm_core train --recipe mnist-cosine"
    expect(card(page)).to_contain_text(command)


def test_figures_that_are_measured_meanwhile_show_when_it_is_opened_again(page, home):
    m = tables.table_2(home).rows[1].measured[0]
    assert cell(page, "table-2", "Train distance, DDIM, 50", 0).inner_text() == "not measured"
    path = store(home, m, 33.25, 0.5)
    try:
        # Opened again while it is still being read, it is not read anew: open it until it was.
        with suppress(AssertionError):
            reopen(page)
            expect(cell(page, "table-2", "Train distance, DDIM, 50", 0)).to_contain_text("33.25")
        reopen(page)
        expect(cell(page, "table-2", "Train distance, DDIM, 50", 0)).to_contain_text("33.25")
    finally:
        path.unlink()


# --- in the whole page ---


def test_on_a_phone_a_link_opens_the_tab_all_tabs_are_on_view_and_tables_scroll(visit):
    visitor = visit("?tab=results", **PHONE)
    page = visitor.page
    page.locator(".result-tables[data-state=shown]").wait_for()
    expect(visitor.tab("results")).to_have_attribute("aria-selected", "true")
    for tab in TABS:
        box = visitor.tab(tab).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert cell(page, "table-1", "Test-FID, report", 3).inner_text().strip() == "2.385"
    assert visitor.part("results-board").locator("td button").count() > 100
    table = page.locator("[data-section=table-1] .result-tables-scroll")
    assert table.evaluate("b => b.scrollWidth > b.clientWidth")
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "document.querySelector('[data-section=table-1] .result-tables-scroll').scrollLeft > 0"
    )
    cell(page, "table-1", "Train distance, DDIM", 3).locator("button").click()
    shown = card(page).bounding_box()
    assert shown["x"] >= 0 and shown["x"] + shown["width"] <= 390
    page.set_viewport_size({"width": 1440, "height": 900})
    beyond = "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)"
    for part in ("td button", "p"):
        shown = visitor.part("results-board").locator(part)
        assert shown.evaluate_all(beyond) == [], "words that reach out of their columns"

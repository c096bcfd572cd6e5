"""The Results tab in the hands of a visitor: conclusions, charts, tables, all measurements."""

import re

import pytest
from playwright.sync_api import expect

from lab.report import tables
from lab.report.measurements import written
from tests.support.figures import cell_at
from tests.support.visitor import TABS, Visitor

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def page(reuse, chromium, url):
    """The tab, on a page that other tests use as well."""
    visitor, _ = reuse(lambda: Visitor(chromium, url).open("?tab=results"))
    visitor.page.locator(".result-tables[data-state=shown]").wait_for()
    visitor.page.mouse.move(5, 5)
    return visitor.page


def value(name, row, column):
    return cell_at(name, row, column).figure.value


def distance(row, steps):
    """A point of the first chart, as it is read."""
    return f"{value('few-steps-cifar10', row, f'{steps} steps'):.3g}"


def in_table(name, row, column):
    """A figure as the tables write it, and its standard error."""
    return written(cell_at(name, row, column).figure)


def tip(page):
    return page.get_by_role("tooltip")


def figure(page, name):
    return page.locator(f"[data-figure={name}]")


def chart(page, name):
    return figure(page, name).get_by_role("slider")


def test_a_conclusion_leads_to_the_point_that_it_speaks_of(page):
    page.get_by_role("button", name="Twenty steps").click()
    expect(chart(page, "steps")).to_be_focused()
    others = [f"{row} {distance(row, 20)}" for row in ("DDPM", "DDIM", "DPM-Solver++")]
    expect(chart(page, "steps")).to_have_attribute("aria-valuetext", " · ".join(["20", *others]))
    figure(page, "steps").locator("label", has_text="digits").click()
    page.get_by_role("button", name="Ten steps").click()
    expect(chart(page, "steps")).to_have_attribute("aria-valuetext", re.compile("^10 · "))
    figure(page, "steps").locator("label", has_text="photographs").click()
    page.get_by_role("button", name="Guidance costs").click()
    share, apart = (
        value("guidance", f"mnist-conditional, {row}", "2") for row in ("wanted class", "distance")
    )
    words = f"s = 2 · {100 * share:.1f} % · {apart:.2f}"
    expect(chart(page, "scales")).to_have_attribute("aria-valuetext", words)
    expect(figure(page, "scales").locator(".chart-readout")).to_have_text(words)
    page.get_by_role("button", name="One missing line").click()
    clipped, _ = in_table("costs", "as it should be", "mnist-cosine")
    expect(tip(page)).to_contain_text(f"mnist-cosine: {clipped}")


def test_a_chart_is_asked_by_keys_and_by_pointer(page):
    slider = chart(page, "steps")
    slider.focus()
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^100 · DDPM .* DDIM "))
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^50 · DDPM .* DDIM "))
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 60)
    expect(figure(page, "steps").locator(".chart-readout")).to_contain_text(
        f"5 · DDPM {distance('DDPM', 5)}"
    )


def test_a_figure_of_a_table_says_what_it_is_by_key_and_by_pointer(page):
    table = page.get_by_role("table").nth(1)
    cell = table.get_by_role("row", name="ours, not clipped").get_by_role("cell").nth(2)
    row = "Test distance, DDPM, 1,000\u00a0steps, n\u00a0=\u00a02,048, x̂0 not clipped"
    text, error = in_table("table-2", row, "cosine, no attention")
    expect(cell).to_contain_text(text)
    cell.hover()
    about = f"cifar10-cosine: {text} ± {error}, n = 2,048, against"
    expect(tip(page)).to_contain_text(about)
    page.mouse.move(5, 5)
    expect(tip(page)).to_be_hidden()
    table.locator("[tabindex='0']").focus()
    for key in ("End", "ArrowLeft"):
        page.keyboard.press(key)
    expect(tip(page)).to_contain_text(about)
    expect(tip(page)).to_contain_text("DDPM, 1,000 steps, x̂0 not clipped")


def test_all_measurements_are_one_press_away(page):
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="All measurements").click()
    measurements = opened.value
    for name in tables.TABLES:
        expect(measurements.locator(f"section#{name} table")).not_to_have_count(0)
    measurements.close()


def test_old_links_open_it_and_it_fits_a_phone_where_a_finger_asks_a_chart_and_a_cell(visit):
    visitor = visit("?tab=results&part=table-1", has_touch=True, viewport=PHONE)
    page = visitor.page
    page.locator(".result-tables[data-state=shown]").wait_for()
    expect(visitor.tab("results")).to_have_attribute("aria-selected", "true")
    for tab in TABS:
        box = visitor.tab(tab).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    beyond = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    for part in ("h2", "p", "table", "figcaption"):
        elements = visitor.part("results-board").locator(part)
        assert elements.evaluate_all(beyond) == [], "words that reach out of their columns"
    chart(page, "steps").tap()
    chart_readout = figure(page, "steps").locator(".chart-readout")
    expect(chart_readout).to_contain_text("DDPM")
    figure(page, "clipping").locator("[data-hint]").last.tap()
    not_clipped, _ = in_table("costs", "x̂0 not clipped", "mnist-cosine")
    expect(tip(page)).to_contain_text(f"mnist-cosine: {not_clipped}")
    expect(tip(page)).to_be_in_viewport()

"""Links restore a run; what cannot be met is said, and nothing breaks."""

from __future__ import annotations

from functools import partial

import pytest
from playwright.sync_api import expect

from tests.support.visitor import check_errors


def test_a_link_restores_everything(visit):
    query = "?label=7&sampler=ddim&steps=12&seed=5&n=9&eta=0.5&spacing=quadratic&clip=0"
    visitor = visit(query + "&dtype=float32")
    visitor.wait_for_kept("13 frames")
    page = visitor.page
    assert page.locator("#sample-label input[value='7']").is_checked()
    assert page.locator("#sample-sampler input[value='ddim']").is_checked()
    assert page.locator("#sample-steps input[type=number]").input_value() == "12"
    assert page.locator("#sample-n input[type=number]").input_value() == "9"
    assert page.locator("#sample-seed input").input_value() == "5"
    visitor.set_number("sample-seed", 6)
    visitor.click("sample-run")
    page.wait_for_url("**/*seed=6*")
    assert all(part in page.url for part in ("eta=0.5", "clip=0", "spacing=quadratic"))
    page.get_by_text("Link, Python, command line").first.click()
    copies = page.locator("#sample-copies")
    for part in ("--eta 0.5", "--no-clip", "--spacing quadratic", "steps=12", "clip=False"):
        copies.filter(has_text=part).wait_for()
    link = copies.locator("textarea, input").first
    assert link.input_value() == page.url
    visitor.wait_for_kept("13 frames")
    second = visit(page.url.removeprefix(visitor.url))
    second.wait_for_kept("13 frames")
    for v in (visitor, second):
        v.stage().get_by_role("slider").press("End")
    assert visitor.picture() == second.picture()


def test_a_run_that_ends_out_of_sight_leaves_the_address_alone(visit):
    visitor = visit("?sampler=ddpm&steps=200&n=8")
    page = visitor.page
    visitor.wait("live")
    page.evaluate(
        """() => {
          window.written = [];
          for (const name of ["pushState", "replaceState"]) {
            const write = history[name].bind(history);
            history[name] = (state, title, address) => {
              const open = document.querySelector("#tabs [data-tab-id][aria-selected=true]");
              const asked = new URLSearchParams(address.split("?")[1]);
              written.push([asked.get("tab"), open.dataset.tabId]);
              write(state, title, address);
            };
          }
        }"""
    )
    page.get_by_role("tab", name="Forward process").click()
    assert visitor.stage().get_attribute("data-state") == "live"
    page.wait_for_url("**/*tab=forward*")
    # Its file comes behind its link, and its link behind its film.
    gif = page.locator("#sample-gif", has_text="201 frames")
    gif.wait_for(state="attached", timeout=60_000)
    page.get_by_role("tab", name="Sample", exact=True).click()
    page.wait_for_url("**/*steps=200*tab=sample*")
    written = page.evaluate("written")
    assert {tab for tab, _ in written} == {"forward", "sample"}
    assert all(tab == seen for tab, seen in written)


def test_back_and_forward_walk_through_the_tabs_visited(visit):
    visitor = visit("?n=1&steps=2")
    visitor.wait_for_kept("3 frames")
    page = visitor.page

    def stands(*names):
        for name in names:
            tab = page.get_by_role("tab", name=name, exact=True).first
            expect(tab).to_have_attribute("aria-selected", "true")

    page.get_by_role("tab", name="Results").click()
    page.wait_for_url("**/?tab=results")
    page.get_by_role("tab", name="Reverse process").click()
    visitor.wait_for_kept("frames", "reverse")
    page.wait_for_url("**tab=reverse*")
    page.get_by_role("tab", name="Break it").click()
    page.wait_for_url("**view=break*")
    page.go_back()
    stands("Reverse process", "One image")
    page.wait_for_url("**steps=250*tab=reverse*")  # its run, as it was left
    page.go_back()
    stands("Results")
    page.go_back()
    stands("Sample")
    page.wait_for_url("**steps=2*tab=sample*")
    for names in (("Results",), ("Reverse process", "One image"), ("Reverse process", "Break it")):
        page.go_forward()
        stands(*names)


def test_letters_and_digits_can_be_switched_off_for_good(visit):
    visitor = visit("?n=1&steps=2&label=3")
    visitor.wait_for_kept("3 frames")
    page = visitor.page

    def chosen_after(key):
        page.locator("body").press(key)
        return page.locator("#sample-label input:checked").input_value()

    def box():
        return page.get_by_role("checkbox", name="Single keys")

    assert chosen_after("5") == "5"
    box().uncheck()
    assert chosen_after("7") == "5"
    page.wait_for_url("**/*label=5*")
    visitor.wait_for_kept("3 frames")
    visitor.open()  # the next visit
    expect(box()).not_to_be_checked()
    visitor.wait("film")
    assert chosen_after("8") == "all"
    box().check()
    assert chosen_after("8") == "8"


@pytest.fixture
def early(visit):
    """Open the page and a tab of it before the server is heard; gives the visitor."""

    def enter(query, tab):
        visitor, held = visit(None), []
        visitor.page.route("**/queue/join*", lambda route: held.append(route))
        visitor.open(query).page.get_by_role("tab", name=tab).click()
        visitor.page.wait_for_function(
            "(name) => document.querySelector('#tabs [aria-selected=true]').innerText === name",
            arg=tab,
        )
        assert held
        while held:
            held.pop(0).continue_()
        visitor.page.unroute("**/queue/join*")  # lets those go that have come meanwhile
        return visitor

    return enter


def test_whoever_opens_a_tab_before_the_address_is_answered_stays_there(early):
    visitor = early("", "Guidance")
    visitor.wait("film", "guidance")  # its first run
    visitor.page.wait_for_url("**/*tab=guidance*")
    assert visitor.stage("guidance").is_visible()
    visitor.wait("film")  # and Sample's, to be found there


def test_what_a_link_asks_for_waits_for_a_visitor_who_opened_another_tab_first(early):
    visitor = early("?tab=reverse&label=2&steps=30&sampler=ddim&first=11", "Results")
    page = visitor.page
    page.wait_for_url("**/?tab=results")
    page.wait_for_timeout(1000)  # the answer comes meanwhile
    assert page.get_by_role("tab", name="Results").get_attribute("aria-selected") == "true"
    page.get_by_role("tab", name="Reverse process").click()
    visitor.wait_for_kept("31 frames", "reverse")
    assert page.locator("#reverse-first input").input_value() == "11"
    assert page.locator("#reverse-steps input[type=number]").input_value() == "30"
    page.wait_for_url("**/*first=11*tab=reverse*")


def test_a_file_dropped_meanwhile_takes_the_place_of_what_a_link_asked_for(early, tmp_path):
    visitor = early("?tab=reverse&label=2&steps=30&sampler=ddim&first=11", "Results")
    page = visitor.page
    page.wait_for_url("**/?tab=results")
    visitor.lead("?n=2&steps=3&seed=8", tmp_path)
    visitor.wait_for_kept("4 frames")
    # A run offers itself to be taken once, though its film may be told again.
    page.evaluate("document.querySelector('#sample-gif').textContent = 'looked at'")
    page.get_by_role("tab", name="Reverse process").click()
    visitor.wait_for_kept("251 frames", "reverse")  # a first look
    assert page.locator("#sample-gif").text_content() == "looked at", "the file's ran again"


def test_a_file_that_is_answered_before_the_address_goes_before_it(visit, tmp_path):
    visitor, held = visit(None), []
    hold = [True]
    visitor.page.route(
        "**/queue/join*",
        lambda route: held.append(route) if hold[0] else route.continue_(),
    )
    page = visitor.open("?tab=reverse&label=2&steps=30&sampler=ddim&first=11").page
    page.get_by_role("tab", name="Results").click()
    page.wait_for_url("**/?tab=results")
    page.wait_for_timeout(500)  # whatever the page asks for by itself is held by then
    hold[0] = False
    visitor.lead("?n=2&steps=3&seed=8", tmp_path)
    assert held
    while held:
        held.pop(0).continue_()
    visitor.wait_for_kept("4 frames")
    page.wait_for_timeout(1000)  # the answer comes meanwhile
    sample = page.get_by_role("tab", name="Sample", exact=True)
    assert sample.get_attribute("aria-selected") == "true"
    assert "seed=8" in page.url
    page.get_by_role("tab", name="Reverse process").click()
    visitor.wait_for_kept("251 frames", "reverse")  # a first look


@pytest.mark.parametrize("width", [1440, 320])  # with all tabs on view, and few
def test_whoever_goes_back_to_a_tab_or_view_finds_its_link_in_the_address(visit, width):
    query = "?tab=reverse&view=schedules&n=1&steps=6"
    page = visit(query, viewport={"width": width, "height": 800}).page
    open_tab = partial(page.get_by_role, "tab", exact=True)
    for _ in range(2):
        page.wait_for_url("**/*steps=6*view=schedules*tab=reverse")
        open_tab(name="Forward process").click()
        page.wait_for_url("**/*tab=forward*")
        open_tab(name="Reverse process").click()
    page.wait_for_url("**/*steps=6*view=schedules*tab=reverse")
    for name, view in (("Break it", "break"), ("Samplers", "samplers"), ("Break it", "break")):
        open_tab(name=name).click()  # what has not run yet
        page.wait_for_url(f"**/?tab=reverse&view={view}")
    open_tab(name="One image").click()
    page.wait_for_url("**/*steps=250*tab=reverse")
    open_tab(name="Two schedules").click()
    page.wait_for_url("**/*steps=6*view=schedules*")


@pytest.mark.parametrize(
    "query", ["?steps=900&n=9&sampler=ddpm", "?tab=reverse&view=break&steps=900"]
)
def test_a_link_stays_whole_while_its_run_is_under_way(visit, query):
    visitor = visit(query)
    page = visitor.page
    page.wait_for_selector("#tabs [data-state=live]", state="attached")
    page.wait_for_timeout(500)  # whatever opening a tab entails
    assert page.url.endswith(query)


def test_what_cannot_be_met_is_told_and_the_page_goes_on(visit):
    visitor = visit("?sampler=<script>alert(1)</script>")
    visitor.wait("error")
    assert "unknown sampler" in visitor.stage().inner_text()
    visitor.click("sample-run")
    visitor.wait_for_kept("21 frames")
    visitor.set_number("sample-n", 64)
    visitor.set_number("sample-steps", 900)  # typed by hand
    visitor.click("sample-run")
    visitor.wait("error")
    assert "57,600 denoisings" in visitor.stage().inner_text()


def test_a_link_to_lambda_over_the_batch_is_shown_by_its_control(led):
    visitor = led("?n=1&steps=2")
    visitor.wait_for_kept("3 frames")
    visitor = led(
        "?n=2&label=3&steps=4&guidance=classifier-noisy&guidance_scale=8&fault=batch-scale"
    )
    visitor.wait("film")
    visitor.page.get_by_role("button", name="Fine print").first.click()
    assert visitor.page.locator("#sample-fault input").input_value() == "λ over the batch"
    visitor.click("sample-run")  # this tab's controls guide nothing
    visitor.wait("error")
    assert "error of classifier guidance" in visitor.stage().inner_text()


def test_an_error_of_the_page_that_no_test_expects_fails_it(visit):
    visitor = visit(None)
    visitor.page.goto("about:blank")
    with visitor.page.expect_event("pageerror"):
        visitor.page.evaluate("() => { setTimeout(() => { throw new Error('uncaught') }); }")
    visitor.page.evaluate("console.error('a refusal')")
    visitor.expect_error("a refusal")
    with pytest.raises(AssertionError, match="uncaught"):
        check_errors()

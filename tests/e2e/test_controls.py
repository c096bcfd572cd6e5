"""Controls start a run: a slider let go by hand or by keys, a number entered."""

from playwright.sync_api import expect


def test_a_slider_runs_once_it_is_let_go_and_not_when_nothing_has_changed(follow):
    visitor = follow("?n=1&steps=10")
    visitor.handle("sample-steps").press("ArrowRight")
    visitor.wait_for_file("12 frames")
    number = visitor.part("sample-steps").locator("input[type=number]")
    number.fill("7")
    number.press("Enter")
    visitor.wait_for_file("8 frames")
    before = len(visitor.requests)
    number.click()
    number.press("Tab")  # leaves it as it was
    visitor.choose("sample-sampler", "Heun")
    visitor.wait_for_link(sampler="heun", steps="7")
    visitor.wait_for_file("8 frames")
    joined = [url for url in visitor.requests[before:] if "queue/join" in url]
    assert len(joined) == 2  # the run of another sampler, and its file


def test_what_is_refused_is_said_beside_a_run_that_goes_on(follow):
    visitor = follow("?n=16&steps=2")
    visitor.set_number("sample-steps", 99_999)
    expect(visitor.stage()).to_contain_text("Steps must be between 1 and 1,000, not 99,999")
    visitor.set_number("sample-steps", 150)
    visitor.wait("live")
    seed = visitor.field("sample-seed")
    seed.fill("1.5")
    seed.press("Enter")
    expect(visitor.stage()).to_contain_text("seed must be a whole number, not 1.5")
    visitor.wait_for_file("151 frames")


def test_what_is_set_while_the_page_loads_stays(visit):
    visitor = visit()
    visitor.set_number("sample-seed", 42)
    visitor.wait("film")
    assert visitor.field("sample-seed").input_value() == "42"
    visitor.click("sample-run")
    visitor.wait_for_link(seed="42")


def test_by_keys_alone(follow):
    visitor = follow("?n=4&steps=4")
    page = visitor.page
    visitor.field("sample-model").focus()
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Tab")  # past a list that has dropped down
    expect(page.get_by_role("option", name="mnist-linear", exact=True)).to_be_hidden()
    expect(page.get_by_role("radio", name="all", exact=True)).to_be_focused()
    page.keyboard.press("ArrowRight")
    visitor.wait_for_link(label="0")
    page.keyboard.press("Tab")  # the group is one stop
    expect(page.get_by_role("radio", name="DDIM")).to_be_focused()
    visitor.wait_for_file("5 frames")
    tiles = visitor.stage().get_by_role("listbox")
    tiles.press("Enter")
    expect(visitor.timeline("reverse")).to_be_focused()

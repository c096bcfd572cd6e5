"""Links restore a run; what cannot be met is said, and nothing breaks."""

from playwright.sync_api import expect


def test_a_link_restores_everything(visit):
    query = "?label=7&sampler=ddim&steps=12&seed=5&n=9&eta=0.5&spacing=quadratic&clip=0"
    visitor = visit(query + "&dtype=float32")
    visitor.wait_for_file("13 frames")
    page = visitor.page
    assert (visitor.chosen("sample-label"), visitor.chosen("sample-sampler")) == ("7", "ddim")
    for name, value in {"steps": "12", "n": "9", "seed": "5"}.items():
        expect(visitor.field(f"sample-{name}")).to_have_value(value)
    visitor.set_number("sample-seed", 6)
    visitor.click("sample-run")
    visitor.wait_for_link(seed="6", eta="0.5", clip="0", spacing="quadratic")
    page.get_by_text("Link, Python, command line").first.click()
    copies = visitor.part("sample-copies")
    for part in ("--eta 0.5", "--no-clip", "--spacing quadratic", "steps=12", "clip=False"):
        copies.filter(has_text=part).wait_for()
    assert copies.locator("textarea, input").first.input_value() == page.url
    visitor.wait_for_file("13 frames")
    visitor.press("End")
    before = visitor.picture()
    visitor.open(page.url.removeprefix(visitor.url)).wait_for_file("13 frames")
    visitor.press("End")
    assert visitor.picture() == before


def test_back_and_forward_walk_through_the_tabs_and_views_each_with_its_link(visit):
    visitor = visit("?tab=reverse&view=schedules&n=1&steps=6")
    page = visitor.page
    visitor.wait_for_link(tab="reverse", view="schedules", steps="6")
    visitor.go_to("results").wait_for_link(tab="results")
    visitor.go_to("reverse").wait_for_link(tab="reverse", view="schedules", steps="6")
    visitor.go_to("Break it").wait_for_link(tab="reverse", view="break")  # has not run yet
    visitor.go_to("One image").wait_for_link(tab="reverse", view=None, steps="250")
    back = (("Reverse", "Break it"), ("Reverse", "Two schedules"), ("Results",))
    moves = [(page.go_back, names) for names in back]
    start = ("Reverse", "One image")
    moves += [(page.go_forward, names) for names in (back[1], back[0], start)]
    for go, names in moves:
        go()
        for name in names:
            expect(visitor.tab(name)).to_have_attribute("aria-selected", "true")


def test_letters_and_digits_can_be_switched_off_for_good(visit):
    visitor = visit("?n=1&steps=2&label=3")
    visitor.wait_for_file("3 frames")
    page = visitor.page
    box = page.get_by_role("checkbox", name="Single keys")

    def chosen_after(key):
        page.locator("body").press(key)
        return visitor.chosen("sample-label")

    assert chosen_after("5") == "5"
    box.uncheck()
    assert chosen_after("7") == "5"
    visitor.wait_for_link(label="5")
    visitor.wait_for_file("3 frames")
    visitor.open("?n=1&steps=2&label=3")  # the next visit
    expect(box).not_to_be_checked()
    visitor.wait("film")
    assert chosen_after("8") == "3"
    box.check()
    assert chosen_after("8") == "8"


def test_what_a_link_asks_for_waits_for_a_visitor_who_opened_another_tab_first(visit):
    visitor, routes, are_held = visit(None), [], True

    def hold(route):
        routes.append(route) if are_held else route.continue_()

    visitor.page.route("**/queue/join*", hold)
    visitor.open("?tab=reverse&label=2&steps=12&sampler=ddim&first=11").go_to("guidance")
    are_held = False
    assert routes
    while routes:
        routes.pop(0).continue_()
    visitor.wait("film", "guidance")  # its first run
    visitor.wait_for_link(tab="guidance")
    expect(visitor.tab("guidance")).to_have_attribute("aria-selected", "true")
    visitor.go_to("reverse").wait_for_file("13 frames", "reverse")
    expect(visitor.field("reverse-first")).to_have_value("11")
    expect(visitor.field("reverse-steps")).to_have_value("12")
    visitor.wait_for_link(first="11", tab="reverse")


def test_what_cannot_be_met_is_told_and_the_page_goes_on(visit, tmp_path):
    visitor = visit("?sampler=<script>alert(1)</script>")
    visitor.wait("error")
    assert "unknown sampler" in visitor.stage().inner_text()
    query = "?n=2&label=3&steps=4&guidance=classifier-noisy&guidance_scale=8&fault=batch-scale"
    visitor.lead(query, tmp_path).wait_for_file("5 frames")
    visitor.page.get_by_role("button", name="Fine print").first.click()
    expect(visitor.field("sample-fault")).to_have_value("λ over the batch")
    visitor.click("sample-run")  # this tab's controls guide nothing
    expect(visitor.stage()).to_contain_text("error of classifier guidance")

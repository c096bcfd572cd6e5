"""The links that are offered on the Sample tab: each leads to a run, without a new page."""

from playwright.sync_api import expect

from ui.widgets.examples.examples import EXAMPLES


def test_each_puts_its_run_on_the_stage_it_leads_to(visit):
    visitor = visit("?n=1&steps=2")
    visitor.wait("film")
    visitor.page.evaluate("window.samePage = true")
    for example in EXAMPLES[::2]:  # of three tabs
        stage = example.place.replace("reverse ", "race-")
        visitor.go_to("sample")
        link = visitor.page.get_by_role("link", name=example.words)
        assert link.get_attribute("href") == f"?{example.query}"
        before = visitor.run(stage) if visitor.stage(stage).count() else None
        link.click()
        visitor.stage(stage).wait_for()
        visitor.wait_for_another(before, stage, whole=False)
        note = visitor.page.get_by_role("status").filter(has_text=example.look[-30:])
        expect(note).to_be_visible()
    assert visitor.page.evaluate("window.samePage"), "the page was loaded anew"

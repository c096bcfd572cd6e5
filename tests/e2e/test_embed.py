"""A run in a frame of another page: its stage and its timeline, and the way to the whole page."""

import re

import pytest
from playwright.sync_api import expect

RUN = "steps=2&sampler=ddim&label=3"
LINKS = {
    "sample": f"tab=sample&n=4&{RUN}",
    "race-samplers": "tab=reverse&view=samplers",
}


@pytest.fixture(scope="module")
def another_page(url, chromium):
    """A page of another origin, that shows a link of ours in a frame."""
    context = chromium.new_context(viewport={"width": 900, "height": 760})
    base = url.rstrip("/")

    def show(query, frames=1):
        page = context.new_page()
        frame = f'<iframe src="{base}/?{query}&amp;embed=1" width="860" height="640"></iframe>'
        page.set_content("<h1>Lesson</h1>" + frames * frame)
        return page

    yield show
    context.close()


@pytest.mark.parametrize("name", LINKS)
def test_a_frame_shows_one_stage_with_its_timeline_and_nothing_else(another_page, name):
    page = another_page(LINKS[name].replace("&", "&amp;"))
    frame = page.frame_locator("iframe")
    player = frame.locator(f"#{name}-stage .player:is([data-state=live], [data-state=film])")
    expect(player.locator(".player-timeline")).to_be_visible(timeout=60_000)
    expect(player.locator(".player-sentence")).not_to_be_empty()
    visible = frame.locator(":is(button, [role=tab], input, h1, summary, .caption)").filter(
        visible=True
    )
    inside = player.locator(":is(button, input)").filter(visible=True)
    assert visible.count() == inside.count() > 0
    # It fits: nothing but the frame's own height is scrolled.
    assert frame.locator("html").evaluate("(it) => it.scrollWidth <= it.clientWidth")
    if name == "sample":
        with page.context.expect_page() as opened:
            frame.get_by_role("link", name="Open in Learning the Noise").click()
        expect(opened.value.get_by_role("heading", name="Learning the Noise")).to_be_visible()
        assert "embed" not in opened.value.url
        opened.value.close()
    page.close()


def test_a_lesson_has_as_many_frames_as_it_needs(another_page):
    """A browser has six connections to a server."""
    page = another_page(LINKS["sample"].replace("&", "&amp;"), frames=7)
    for frame in page.frames[1:]:
        frame.wait_for_selector("#sample-stage [data-state=film]", state="attached", timeout=60_000)
    page.close()


def test_the_code_of_a_frame_can_be_copied(follow):
    visitor = follow(f"?{LINKS['sample']}")
    visitor.page.locator("#sample-copies > button").click()
    code = visitor.page.locator("#sample-embed :is(textarea, input)")
    expect(code).to_have_value(re.compile(r'^<iframe src="http.+&amp;embed=1".+</iframe>$'))
    frame = code.input_value()
    assert "label=3" in frame and "n=4" in frame

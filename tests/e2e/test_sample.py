"""A visitor samples, watches, scrubs, stops, and opens a tile."""

from __future__ import annotations

import re

import numpy as np
from playwright.sync_api import expect

from ddpm_core import Request, load, sample
from tests.support.visitor import tiles
from ui.runs import Studio

MODEL = "mnist-conditional"


def test_the_page_opens_with_digits_and_another_model_has_its_own_classes(visit):
    visitor = visit()
    visitor.wait("film")
    expected = sample(load(MODEL), Request(n=16, steps=20))[..., 0]
    visitor.stage().get_by_role("slider").press("End")
    # Batches elsewhere may round differently in the last grey level.
    assert np.abs(tiles(visitor.picture(), 4).astype(int) - expected).max() <= 2
    visitor.set_number("sample-n", 4)
    for model, label, side in (("mnist-linear", "none", 28), ("cifar10-conditional", "all", 32)):
        visitor.page.locator("#sample-model input").click()
        visitor.page.get_by_role("option", name=model, exact=True).click()
        visitor.page.wait_for_url(f"**model={model}*")
        visitor.wait("film")
        assert visitor.picture()[0] == 2 * (side + 1) - 1
        assert f"label={label}" in visitor.page.url


# Looked at where it happens: to ask from outside, and for all pixels, may take longer than the run.
WATCH = """() => {
  const player = document.querySelector("#sample-stage .player");
  window.seen = [];
  const look = () => requestAnimationFrame(() => {
    if (player.dataset.state !== "live") return;
    const canvas = player.querySelector('[data-pane="x"] canvas');
    seen.push([player.dataset.index, canvas.toDataURL()]);
  });
  new MutationObserver(look).observe(player, { attributeFilter: ["data-index"] });
}"""


def test_frames_arrive_while_it_samples_for_each_of_two_visitors_their_own(visit):
    query = "?label={}&sampler=ddpm&steps=60&n=4"
    visitor, other = (visit(query.format(label)) for label in (5, 7))
    other.wait_for_kept("61 frames")
    visitor.wait_for_kept("61 frames")
    visitor.set_number("sample-seed", 3)
    visitor.page.evaluate(WATCH)
    visitor.click("sample-run")
    visitor.page.wait_for_url("**/*seed=3*")
    visitor.wait("film")
    seen = visitor.page.evaluate("seen")
    assert len({index for index, _ in seen}) >= 5
    assert len({pixels for _, pixels in seen}) >= 5
    assert "60 calls" in visitor.stage().inner_text()
    for one, label, seed in ((visitor, 5, 3), (other, 7, 0)):
        one.stage().get_by_role("slider").press("End")
        wanted = Request(n=4, label=label, steps=60, sampler="ddpm", seed=seed)
        expected = sample(load(MODEL), wanted)[..., 0]
        assert np.abs(tiles(one.picture(), 2).astype(int) - expected).mean() < 1


# All that stands in the player, but for its tiles.
INSIDE = (
    ".player-play",
    "[data-do=reverse]",
    "[data-speed='3']",
    "[data-do=loop]",
    ".player-timeline",
    ".player-readout",
    "figcaption",
)


def test_presses_inside_the_player_and_scrubbing_ask_nothing_and_stay_on_the_tab(led):
    visitor = led("?n=16&steps=20")
    visitor.wait_for_kept("21 frames")
    timeline, asked = visitor.stage().get_by_role("slider"), len(visitor.requests)
    for part in INSIDE:  # to open a tile, the page asks its server
        visitor.stage().locator(part).first.click()
    timeline.press("End")
    last = visitor.picture()
    for _ in range(5):
        timeline.press("ArrowLeft")
    expect(visitor.stage()).to_have_attribute("data-index", "15")
    expect(timeline).to_have_attribute("aria-valuenow", "15")
    assert visitor.picture() != last
    timeline.press("Home")
    expect(visitor.stage()).to_have_attribute("data-t", "1000")
    for _ in range(20):
        timeline.press("ArrowRight")
    assert visitor.picture() == last
    assert visitor.requests[asked:] == []
    sample_tab = visitor.page.get_by_role("tab", name="Sample", exact=True)
    expect(sample_tab).to_have_attribute("aria-selected", "true")


def begin_long(visitor):
    visitor.set_number("sample-steps", 1000)
    visitor.click("sample-run")
    visitor.wait("live")
    visitor.page.wait_for_function(
        "() => +document.querySelector('#sample-stage .player').dataset.index > 10"
    )


def test_a_run_is_stopped_overtaken_and_taken_from_memory(led):
    visitor = led("?n=16&steps=20&sampler=ddpm")
    visitor.wait_for_kept("21 frames")
    visitor.page.locator("body").press("4")
    visitor.page.wait_for_url(re.compile("label=4"))
    assert visitor.page.locator("#sample-label input[value='4']").is_checked()
    visitor.wait_for_kept("21 frames")
    for stop in ("button", "key"):
        begin_long(visitor)
        if stop == "button":
            visitor.click("sample-stop")
        else:  # nothing is typed there
            visitor.page.locator("#sample-steps input[type=range]").press("s")
        visitor.wait("film")
        reached = int(visitor.stage().get_attribute("data-index"))
        assert 10 < reached < 1000
        visitor.wait_for_kept(f"{reached + 1:,} frames")
        visitor.page.locator("body").press("r")
        expect(visitor.stage()).to_have_attribute("data-index", "0")
    for seconds in ("s", "computed earlier"):  # the second time it is remembered
        begin_long(visitor)
        visitor.set_number("sample-steps", 10)
        visitor.click("sample-run")
        visitor.wait_for_kept("11 frames")
        expect(visitor.stage()).to_have_attribute("data-frames", "11")
        expect(visitor.stage().locator(".player-cost")).to_contain_text(seconds)
    # Whatever the long run still had to say has been said by the time another run is through.
    visitor.click("sample-roll")
    visitor.page.wait_for_url(re.compile("seed=[1-9]"))
    visitor.wait_for_kept("11 frames")
    expect(visitor.stage()).to_have_attribute("data-frames", "11")
    seed = re.search(r"seed=(\d+)", visitor.page.url).group(1)
    assert visitor.page.locator("#sample-seed input").input_value() == seed


def test_playing_a_run_under_way_catches_up_with_it_and_sees_its_end(led):
    visitor = led("?n=1&steps=20")
    visitor.wait_for_kept("21 frames")
    visitor.set_number("sample-steps", 150)
    visitor.choose("sample-sampler", "DDPM")
    visitor.wait("live")
    timeline = visitor.stage().get_by_role("slider").first
    for key in ("ArrowUp", "ArrowUp", " "):  # four times as fast
        timeline.press(key)
    visitor.page.wait_for_selector(
        "#sample-stage .player[data-state=film][data-index='150']", timeout=120_000
    )


def test_a_tile_opens_with_every_step_whichever_view_was_open_there(led):
    visitor = led("?steps=40&n=16&seed=4")
    visitor.wait_for_kept("41 frames")
    page = visitor.page
    page.get_by_role("tab", name="Reverse process").click()
    page.get_by_role("tab", name="Break it").click()
    page.get_by_role("tab", name="Sample", exact=True).click()
    visitor.stage().get_by_role("slider").press("End")
    tile = tiles(visitor.picture(), 4)[6]
    page.locator("#sample-stage [data-tile='6']").first.click()
    page.wait_for_url("**/*first=6*tab=reverse")
    visitor.wait("film", "reverse")
    visitor.wait_for_kept("41 frames", "reverse")
    reverse = visitor.stage("reverse")
    expect(reverse).to_be_visible()
    expect(reverse).to_have_attribute("data-frames", "41")
    # Its grid's seconds are not its own.
    expect(reverse.locator(".player-cost")).to_have_text("40 calls · computed earlier")
    reverse.get_by_role("slider").press("End")
    assert np.array_equal(tiles(visitor.picture(tab="reverse"), 1)[0], tile)
    assert "label=6" in page.url


# That a question is being answered the page hears first, and then all of its answer in one breath,
# as where it, or its line, was busy meanwhile.
IN_ONE_BREATH = r"""(() => {
  const plain = window.fetch;
  const bytes = new TextEncoder();
  window.fetch = async (resource, options) => {
    const reply = await plain(resource, options);
    if (!String(resource.url ?? resource).includes("/queue/data")) return reply;
    const news = (await reply.text()).split(/(?<=\n\n)/);
    const body = new ReadableStream({
      async start(onward) {
        onward.enqueue(bytes.encode(news.slice(0, 2).join("")));
        await new Promise((done) => setTimeout(done, 40));
        onward.enqueue(bytes.encode(news.slice(2).join("")));
        onward.close();
      },
    });
    return new Response(body, reply);
  };
})()"""


def test_a_tile_opens_however_its_news_arrives_and_though_the_server_has_forgotten(
    visit, served, monkeypatch
):
    sessions = served[0].app.state_holder.session_data
    others = set(sessions)
    visitor = visit(None)
    page = visitor.page
    page.add_init_script(IN_ONE_BREATH)
    visitor.open("?steps=6&n=4&seed=33")
    visitor.wait_for_kept("7 frames")

    def open_tile(number):
        page.get_by_role("tab", name="Sample", exact=True).click()
        page.locator(f"#sample-stage [data-tile='{number}']").first.click()
        page.wait_for_url(f"**/*first={number}*tab=reverse")
        visitor.wait("film", "reverse")
        visitor.wait_for_kept("7 frames", "reverse")
        for name, value in {"first": str(number), "steps": "6", "seed": "33"}.items():
            assert page.locator(f"#reverse-{name} input").first.input_value() == value

    open_tile(3)
    monkeypatch.setattr(Studio, "tile", lambda *_: None)  # its grid is no longer kept
    open_tile(1)
    monkeypatch.undo()
    mine = set(sessions) - others
    assert mine
    for session in mine:
        del sessions[session]
    open_tile(2)

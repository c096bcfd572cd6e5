"""A visitor samples, watches, scrubs and takes the result home."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from ddpm_core import Request, film, load, sample
from ui.runs import Studio

MODEL = "mnist-conditional"
TILE = 28


def tiles(picture, columns):
    """Cut a pane's canvas into its tiles, (n, 28, 28)."""
    width, height, data = picture
    grey = np.array(data, np.uint8).reshape(height, width, 4)[..., 0]
    step = TILE + 1
    return np.stack(
        [
            grey[y : y + TILE, x : x + TILE]
            for y in range(0, height, step)
            for x in range(0, columns * step, step)
        ]
    )


def test_the_page_opens_with_digits_and_asks_only_its_own_server(visit):
    visitor = visit()
    visitor.wait("film")
    expected = sample(load(MODEL), Request(n=16, steps=20))[..., 0]
    visitor.stage().get_by_role("slider").press("End")
    shown = tiles(visitor.picture(), 4)
    # Batches elsewhere may round differently in the last grey level.
    assert np.abs(shown.astype(int) - expected).max() <= 2
    strangers = [r for r in visitor.requests if not r.startswith(visitor.url) and "blob:" not in r]
    assert [r for r in strangers if not r.startswith("data:")] == []


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


def test_frames_arrive_while_it_samples(visit):
    visitor = visit("?label=5&sampler=ddpm&steps=120&n=16&seed=3")
    visitor.wait("live")
    visitor.page.evaluate(WATCH)
    visitor.wait("film")
    seen = visitor.page.evaluate("seen")
    assert len({index for index, _ in seen}) >= 5
    assert len({pixels for _, pixels in seen}) >= 5
    assert visitor.stage().get_attribute("data-index") == "120"
    assert "120 calls" in visitor.stage().inner_text()


def test_scrubbing_by_keyboard_asks_nothing_of_the_network(led):
    visitor = led("?n=16&steps=20")
    visitor.wait_for_kept("21 frames")
    timeline = visitor.stage().get_by_role("slider")
    timeline.focus()
    timeline.press("End")
    before, last = len(visitor.requests), visitor.picture()
    for _ in range(5):
        timeline.press("ArrowLeft")
    assert visitor.stage().get_attribute("data-index") == "15"
    visitor.page.wait_for_function(
        "() => document.querySelector('#sample-stage [role=slider]').ariaValueNow === '15'"
    )
    assert visitor.picture() != last
    timeline.press("Home")
    assert visitor.stage().get_attribute("data-t") == "1000"
    for _ in range(20):
        timeline.press("ArrowRight")
    assert visitor.picture() == last
    assert len(visitor.requests) == before


def test_every_step_of_a_large_grid_can_be_stepped_to(visit):
    visitor = visit("?n=64&steps=42&seed=4&sampler=ddim")
    visitor.wait_for_kept("43 frames")
    expected = film(load(MODEL), Request(n=64, steps=42, seed=4)).x[..., 0]
    timeline = visitor.stage().get_by_role("slider")
    timeline.press("Home")
    for k in range(1, 43):
        timeline.press("ArrowRight")
        there = f"#sample-stage .player[data-index='{k}']"
        visitor.page.wait_for_selector(there, state="attached")
        if k % 7 < 2:  # one transfer carries 41 of the 43
            shown = tiles(visitor.picture(), 8)
            assert np.abs(shown.astype(int) - expected[k]).max() <= 3
    assert any("component_server" in request for request in visitor.requests)


INSIDE = (
    ".player-play",
    "[data-do=reverse]",
    "[data-speed='3']",
    "[data-do=loop]",
    ".player-timeline",
    ".player-readout",
    "figcaption",
)


@pytest.mark.parametrize("part", INSIDE)
def test_a_press_inside_the_player_stays_on_its_tab(led, part):
    visitor = led("?n=16&steps=20")
    visitor.wait_for_kept("21 frames")
    asked = len(visitor.requests)
    visitor.stage().locator(part).first.click()
    visitor.page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    assert visitor.requests[asked:] == []  # to open a tile, the page asks its server
    sample = visitor.page.get_by_role("tab", name="Sample", exact=True)
    expect(sample).to_have_attribute("aria-selected", "true")


def test_the_gif_has_a_frame_for_every_step(led, tmp_path):
    visitor = led("?label=8&steps=33&n=4&seed=2")
    visitor.wait_for_kept("34 frames")
    with visitor.page.expect_download() as download:
        visitor.click("sample-gif")
    assert download.value.suggested_filename.endswith("33steps.gif")
    download.value.save_as(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as gif:
        assert gif.n_frames == 34
        assert '"steps": 33' in gif.info["comment"].decode()
    with visitor.page.expect_download() as download:
        visitor.click("sample-png")
    download.value.save_as(tmp_path / "grid.png")
    expected = sample(load(MODEL), Request(n=4, label=8, steps=33, seed=2))
    with Image.open(tmp_path / "grid.png") as png:
        scale = png.width // (2 * TILE + 1)
        tile = np.asarray(png)[::scale, ::scale][:TILE, :TILE]
    assert np.abs(tile.astype(int) - expected[0, ..., 0]).max() <= 2


def test_two_visitors_at_once_each_get_their_own(visit):
    pages = [visit(f"?label={label}&steps=60&sampler=ddpm&n=4") for label in (1, 7)]
    for visitor in pages:
        visitor.wait_for_kept("61 frames")
    for visitor, label in zip(pages, (1, 7), strict=True):
        visitor.stage().get_by_role("slider").press("End")
        wanted = Request(n=4, label=label, steps=60, sampler="ddpm")
        expected = sample(load(MODEL), wanted)[..., 0]
        shown = tiles(visitor.picture(), 2)
        assert np.abs(shown.astype(int) - expected).mean() < 1


def test_stop_keeps_what_there_is(visit):
    visitor = visit("?steps=1000&sampler=ddpm&n=16&seed=9")
    visitor.wait("live")
    visitor.page.wait_for_function(
        "() => +document.querySelector('#sample-stage .player').dataset.index > 10"
    )
    visitor.click("sample-stop")
    visitor.wait("film")
    reached = int(visitor.stage().get_attribute("data-index"))
    assert 10 < reached < 1000
    visitor.wait_for_kept(f"{reached + 1:,} frames")


def test_a_new_run_overtakes_the_old_one(visit):
    visitor = visit("?steps=1000&sampler=ddpm&n=16&seed=10")
    visitor.wait("live")
    visitor.choose("sample-sampler", "DPM-Solver++")
    visitor.set_number("sample-steps", 10)
    visitor.click("sample-run")
    visitor.wait_for_kept("11 frames")
    assert visitor.stage().get_attribute("data-frames") == "11"


def test_a_tile_opens_in_the_player_with_every_step(led):
    visitor = led("?steps=40&n=16&seed=4")
    visitor.wait_for_kept("41 frames")
    visitor.stage().get_by_role("slider").press("End")
    tile = tiles(visitor.picture(), 4)[6]
    visitor.page.locator("#sample-stage [data-tile='6']").first.click()
    visitor.wait("film", "reverse")
    visitor.wait_for_kept("41 frames", "reverse")
    assert visitor.stage("reverse").get_attribute("data-frames") == "41"
    # Its grid's seconds are not its own.
    told = visitor.stage("reverse").locator(".player-cost")
    expect(told).to_have_text("40 calls · computed earlier")
    visitor.stage("reverse").get_by_role("slider").press("End")
    width, height, data = visitor.picture(tab="reverse")
    shown = np.array(data, np.uint8).reshape(height, width, 4)[..., 0]
    assert np.array_equal(shown, tile)
    assert "first=6" in visitor.page.url and "label=6" in visitor.page.url


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


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "dropped"])
def test_a_tile_opens_however_its_news_arrives(visit, monkeypatch, kept):
    seed = 33 + kept
    if not kept:
        monkeypatch.setattr(Studio, "tile", lambda *_: None)
    visitor = visit(None)
    page = visitor.page
    page.add_init_script(IN_ONE_BREATH)
    visitor.open(f"?steps=6&n=4&seed={seed}")
    visitor.wait_for_kept("7 frames")
    page.locator("#sample-stage [data-tile='3']").first.click()
    visitor.wait("film", "reverse")
    visitor.wait_for_kept("7 frames", "reverse")
    for name, value in {"first": "3", "steps": "6", "seed": str(seed)}.items():
        assert page.locator(f"#reverse-{name} input").first.input_value() == value


def test_a_tile_opens_of_a_page_whose_session_the_server_has_forgotten(visit, served):
    sessions = served[0].app.state_holder.session_data
    others = set(sessions)
    visitor = visit("?steps=5&n=4&seed=31")
    visitor.wait_for_kept("6 frames")
    mine = set(sessions) - others
    assert mine
    for session in mine:
        del sessions[session]
    visitor.page.locator("#sample-stage [data-tile='2']").first.click()
    visitor.page.wait_for_url("**/*seed=31*tab=reverse")
    visitor.wait("film", "reverse")
    assert "first=2" in visitor.page.url and "steps=5" in visitor.page.url


def test_a_tile_is_seen_whichever_view_was_open_in_the_other_tab(led):
    visitor = led("?steps=5&n=4")
    visitor.wait_for_kept("6 frames")
    page = visitor.page
    page.get_by_role("tab", name="Reverse process").click()
    page.get_by_role("tab", name="Break it").click()
    page.get_by_role("tab", name="Sample", exact=True).click()
    page.locator("#sample-stage [data-tile='2']").first.click()
    page.wait_for_url("**/*first=2*tab=reverse")
    expect(visitor.stage("reverse")).to_be_visible()


def test_digits_pick_a_class_and_s_stops(led):
    visitor = led("?n=16&steps=20")
    visitor.wait_for_kept("21 frames")
    visitor.page.locator("body").press("4")
    visitor.page.wait_for_url(re.compile("label=4"))
    assert visitor.page.locator("#sample-label input[value='4']").is_checked()
    visitor.set_number("sample-steps", 1000)
    visitor.choose("sample-sampler", "DDPM")
    visitor.wait("live")
    visitor.page.locator("#sample-steps input[type=range]").focus()  # nothing is typed there
    visitor.page.keyboard.press("s")
    visitor.wait("film")
    assert int(visitor.stage().get_attribute("data-index")) < 1000
    visitor.page.locator("body").press("r")
    visitor.page.wait_for_selector("#sample-stage .player[data-index='0']")


def test_playing_a_run_under_way_catches_up_with_it_and_sees_its_end(led):
    visitor = led("?n=16&steps=20")
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


def test_a_remembered_run_takes_the_stage_from_a_long_one(led, visit):
    visitor = led("?n=16&steps=20")
    visitor.wait_for_kept("21 frames")
    visitor.set_number("sample-steps", 1000)
    visitor.click("sample-run")
    visitor.wait("live")
    visitor.set_number("sample-steps", 20)
    visitor.click("sample-run")
    visitor.wait_for_kept("21 frames")
    visitor.wait("film")
    # Whatever the long run still had to say has been said by the time another run is through.
    other = visit("?seed=123&steps=30")
    other.wait_for_kept("31 frames")
    assert visitor.stage().get_attribute("data-state") == "film"
    assert visitor.stage().get_attribute("data-frames") == "21"
    expect(visitor.stage().locator(".player-cost")).to_have_text("20 calls · computed earlier")


def test_roll_changes_the_seed_and_samples(led):
    visitor = led("?n=16&steps=20")
    visitor.wait_for_kept("21 frames")
    visitor.click("sample-roll")
    visitor.page.wait_for_url(re.compile("seed=[1-9]"))
    seed = re.search(r"seed=(\d+)", visitor.page.url).group(1)
    assert visitor.page.locator("#sample-seed input").input_value() == seed


def test_choosing_a_model_runs_it_with_its_own_classes(visit):
    visitor = visit()
    visitor.wait_for_kept("21 frames")
    for model, label, side in (("mnist-linear", "none", 28), ("cifar10-conditional", "all", 32)):
        visitor.page.locator("#sample-model input").click()
        visitor.page.get_by_role("option", name=model, exact=True).click()
        visitor.page.wait_for_url(f"**model={model}*")
        visitor.wait("film")
        assert visitor.picture()[0] == 4 * (side + 1) - 1
        assert f"label={label}" in visitor.page.url

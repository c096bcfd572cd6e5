"""Several visitors at once, and one whom the server has forgotten."""

import numpy as np
from playwright.sync_api import expect

from ddpm_core import Request, load, sample
from tests.support.visitor import tiles
from ui.runs.runs import Studio

# Watched inside the page: to ask from outside for all pixels may take longer than the run.
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
    query = "?label={}&sampler=ddpm&steps=100&n=1"
    visitor, other = (visit(query.format(label)) for label in (5, 7))
    other.wait_for_file("101 frames")
    visitor.wait_for_file("101 frames")
    visitor.set_number("sample-seed", 3)
    visitor.page.evaluate(WATCH)
    visitor.click("sample-run")
    visitor.wait_for_link(seed="3")
    visitor.wait("film")
    frames = visitor.page.evaluate("seen")
    assert len({index for index, _ in frames}) >= 5
    assert len({pixels for _, pixels in frames}) >= 5
    expect(visitor.stage()).to_contain_text("100 calls")
    for one, label, seed in ((visitor, 5, 3), (other, 7, 0)):
        one.press("End")
        request = Request(n=1, label=label, steps=100, sampler="ddpm", seed=seed)
        expected = sample(load("mnist-conditional"), request)[..., 0]
        assert np.abs(tiles(one.picture(), 1).astype(int) - expected).mean() < 1


def test_whom_the_server_has_forgotten_goes_on_as_they_were(visit, server, monkeypatch):
    sessions = server[0].app.state_holder.session_data
    others = set(sessions)
    visitor = visit("?steps=6&n=4&seed=33")
    visitor.wait_for_file("7 frames")

    def open_tile(number):
        visitor.go_to("sample").open_tile(number)
        visitor.wait_for_link(first=str(number), tab="reverse")
        visitor.wait_for_file("7 frames", "reverse")
        for name, value in {"first": str(number), "steps": "6", "seed": "33"}.items():
            expect(visitor.field(f"reverse-{name}")).to_have_value(value)

    monkeypatch.setattr(Studio, "tile", lambda *_: None)  # its grid is no longer kept
    open_tile(1)
    monkeypatch.undo()
    mine = set(sessions) - others
    assert mine
    for session in mine:
        del sessions[session]
    open_tile(2)
    visitor.go_to("sample").set_number("sample-seed", 77)
    visitor.click("sample-run")
    visitor.wait_for_link(seed="77", steps="6", n="4")
    visitor.wait_for_file("7 frames")

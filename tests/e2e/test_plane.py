"""A visitor trains a network on points, drags them through time, and samples them otherwise."""

import pytest
from playwright.sync_api import expect

from lab.process import plane
from tests.support.visitor import Visitor, download

TAB = "plane"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
# What was asked for is painted by the second frame.
INK = """async (canvas) => {
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return canvas.toDataURL();
}"""


@pytest.fixture(scope="module", autouse=True)
def short_training():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plane, "TRAINING_STEPS", 400)
        yield


@pytest.fixture(scope="module")
def learner(chromium, url):
    visitor = Visitor(chromium, url, reduced_motion="reduce").open("?tab=plane")
    yield visitor
    visitor.leave()


def train(visitor):
    before = visitor.run(TAB)
    visitor.click("plane-train")
    visitor.wait("live", TAB)
    return visitor.wait_for_another(before, TAB)


def ink(visitor, pane):
    """What a plane shows."""
    return visitor.stage(TAB).locator(f"[data-pane={pane}] canvas").evaluate(INK)


def set_range(visitor, name, value):
    visitor.handle(name).evaluate(
        "(range, value) => { range.value = value; range.dispatchEvent(new Event('input', "
        "{ bubbles: true })); range.dispatchEvent(new Event('change', { bubbles: true })); }",
        str(value),
    )


def test_a_recording_stands_there_and_train_learns_the_points_in_sight(learner):
    learner.wait("film", TAB)
    expect(learner.stage(TAB).get_by_text("recorded")).to_be_visible()
    recorded = ink(learner, "learned")
    assert learner.run(TAB) == "recorded" and learner.t(TAB) == 0
    train(learner)
    expect(learner.stage(TAB).get_by_text("recorded")).to_be_hidden()
    assert ink(learner, "learned") != recorded
    learner.wait_for_link(tab="plane", data="moons", sampler="ddim", steps=50)


def test_points_are_dragged_between_noise_and_data_by_hand_and_by_key(learner):
    at_data = ink(learner, "exact")
    learner.press("Home", tab=TAB)
    assert learner.t(TAB) == 1000 and ink(learner, "exact") != at_data
    learner.press("Shift+ArrowRight", tab=TAB)
    learner.stands_at(10, TAB)
    box = learner.timeline(TAB).bounding_box()
    learner.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    learner.stands_at(25, TAB)
    before = ink(learner, "learned")
    learner.stage(TAB).get_by_role("button", name="Paths").click()
    assert ink(learner, "learned") != before
    learner.press("End", tab=TAB)
    assert learner.t(TAB) == 0


def test_the_network_is_sampled_otherwise_without_learning_anew_and_its_gif_brings_that_back(
    learner, tmp_path
):
    run = learner.run(TAB)
    loss = learner.page.locator(".plane-learned").inner_text()
    learner.choose("plane-sampler", "Heun")
    run = learner.wait_for_another(run, TAB)
    set_range(learner, "plane-steps", 5)
    run = learner.wait_for_another(run, TAB)
    learner.has_frames(6, TAB)
    before = ink(learner, "learned")
    learner.page.keyboard.press("1")  # the digit of the second class
    run = learner.wait_for_another(run, TAB)
    set_range(learner, "plane-scale", 4)
    run = learner.wait_for_another(run, TAB)
    assert ink(learner, "learned") != before
    settings = {"tab": "plane", "sampler": "heun", "steps": 5, "label": 1, "scale": 4}
    learner.wait_for_link(**settings)
    assert learner.page.locator(".plane-learned").inner_text() == loss != ""
    path, _ = download(learner, tmp_path, "6 frames", TAB)
    learner.choose("plane-sampler", "DDIM")
    learner.wait_for_another(run, TAB)
    learner.drop(path)
    learner.wait_for_link(**settings)
    learner.wait_for_file("6 frames", TAB)


def test_a_link_that_asks_for_what_there_is_not_is_refused_in_words(visit):
    visitor = visit("?tab=plane&data=moons&steps=5000")
    expect(visitor.part(f"{TAB}-stage").locator(".player-error")).to_contain_text("steps")


def test_what_is_drawn_is_learned_on_a_phone_and_a_link_brings_it_back(visit, monkeypatch):
    visitor = visit("?tab=plane", reduced_motion="reduce", **PHONE)
    visitor.wait("film", TAB)
    visitor.page.locator(".plane-seed").scroll_into_view_if_needed()
    assert visitor.page.locator(".plane-panes").bounding_box()["y"] > -5, "it stays in view"
    visitor.choose("plane-data", "Drawn")
    visitor.click("plane-train")
    expect(visitor.stage(TAB).get_by_role("alert")).to_contain_text("draw something first")
    sheet = visitor.page.get_by_role("application", name="Draw points")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    visitor.page.mouse.move(box["x"] + 60, box["y"] + 60)
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + 250, box["y"] + 200, steps=20)
    visitor.page.mouse.up()
    sheet.press("Enter")
    train(visitor)
    visitor.wait_for_link(data="drawn")
    monkeypatch.setattr(plane, "TRAINING_STEPS", 10_000)  # so that there is time to stop it
    visitor.open(visitor.page.evaluate("location.search")).wait("live", TAB)
    visitor.click("plane-stop")
    visitor.wait("film", TAB)
    assert "drawn=" in visitor.page.evaluate("location.search")

"""A link leads back to the picture; the address follows what is drawn; the keyboard draws too."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

from ddpm_core import load
from lab.process.forward import forward_film
from lab.process.packed import pack
from tests.e2e import test_forward
from tests.e2e.test_forward import TAB, run_of, sample, scrub
from tests.e2e.test_sample import tiles

DRAWING = np.random.default_rng(5).integers(0, 256, (28, 28, 1), np.uint8)


def settled(visitor, than=None):
    visitor.stage(TAB).wait_for(timeout=60_000)
    test_forward.settled(visitor, than)


def address(visitor):
    return dict(parse_qsl(urlsplit(visitor.page.url).query))


def shown(visitor):
    scrub(visitor, "End")
    return tiles(visitor.picture("x", TAB), 1)[0]


def checked(visitor, group):
    return visitor.page.locator(f"#{group} input:checked").get_attribute("value")


def wait_for_address(visitor, **wanted):
    for name, value in wanted.items():
        visitor.page.wait_for_function(
            "([n, v]) => new URLSearchParams(location.search).get(n) === v", arg=[name, value]
        )


def test_a_link_restores_a_drawing_pixel_by_pixel(visit):
    visitor = visit(f"?tab=forward&model=mnist-conditional&seed=7&label=4&picture={pack(DRAWING)}")
    settled(visitor)
    assert visitor.page.get_by_role("tab", name="Forward process").get_attribute(
        "aria-selected"
    ) == ("true")
    np.testing.assert_array_equal(shown(visitor), DRAWING[..., 0])
    scrub(visitor, "Home")
    noise = tiles(visitor.picture("x", TAB), 1)[0].astype(int)
    wanted = forward_film(load("mnist-conditional"), DRAWING, 7).film.x[0, 0, ..., 0]
    assert np.abs(noise - wanted).max() <= 1, "the seed's noise"
    assert checked(visitor, "forward-label") == "4"
    wait_for_address(visitor, seed="7", label="4", picture=pack(DRAWING))
    link = visitor.page.locator("#forward-link textarea, #forward-link input").first
    visitor.page.locator("#forward-copies button").first.click()
    assert link.input_value() == visitor.page.url


def test_a_digit_by_its_number_and_another_model(visit):
    visitor = visit("?tab=forward&model=mnist-linear&digit=8")
    settled(visitor)
    np.testing.assert_array_equal(shown(visitor), sample(8)[..., 0])
    wait_for_address(visitor, model="mnist-linear", digit="8")
    assert visitor.page.locator("#forward-model input").input_value() == "mnist-linear"


def test_a_broken_link_says_what_is_wrong_and_the_tab_works_on(visit):
    visitor = visit("?tab=forward&model=mnist-conditional&digit=12")
    note = visitor.stage(TAB).get_by_text("digit must be between 0 and 9, not 12")
    note.wait_for(timeout=60_000)
    visitor.page.locator("#forward-sheet [data-sample='5']").click()
    settled(visitor)
    np.testing.assert_array_equal(shown(visitor), sample(5)[..., 0])


def test_the_address_follows_picture_seed_and_class(visit):
    visitor = visit("?n=1&steps=2")
    visitor.wait("film")
    visitor.page.get_by_role("tab", name="Forward process").click()
    settled(visitor)
    wait_for_address(visitor, tab="forward", digit="3", seed="0", label="none")
    visitor.page.locator("#forward-label input[value='6']").click()
    wait_for_address(visitor, label="6", digit="3")
    before = run_of(visitor)
    visitor.set_number("forward-seed", 12)
    settled(visitor, before)
    wait_for_address(visitor, seed="12", label="6")
    before = run_of(visitor)
    visitor.set_number("forward-seed", 13)
    visitor.page.locator("#forward-label input[value='2']").click()  # before the film is there
    settled(visitor, before)
    visitor.page.wait_for_timeout(1000)
    wait_for_address(visitor, seed="13", label="2")
    visitor.page.locator("#forward-label input[value='6']").click()
    wait_for_address(visitor, label="6")
    before = run_of(visitor)
    visitor.page.locator("#forward-sheet [data-do=clear]").click()
    settled(visitor, before)
    wait_for_address(visitor, picture=pack(np.zeros((28, 28, 1), np.uint8)))
    assert "digit" not in address(visitor)
    visitor.page.reload()
    settled(visitor)
    assert shown(visitor).max() == 0 and checked(visitor, "forward-label") == "6"
    assert visitor.page.locator("#forward-seed input").input_value() == "13"


def test_the_keyboard_sees_its_pen_and_lifting_it_tells_nothing(visit):
    visitor = visit("?tab=forward&digit=1")
    settled(visitor)
    root = visitor.page.locator("#forward-sheet .sketch")
    sheet, pen = root.locator(".sketch-sheet"), root.locator(".sketch-pen")
    assert not pen.is_visible()
    root.locator("[data-do=clear]").focus()
    visitor.page.keyboard.press("Shift+Tab")  # by the keyboard, so that the focus is shown
    assert sheet.evaluate("e => e === document.activeElement") and pen.is_visible()

    def middle(locator):
        box = locator.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    assert middle(pen) == pytest.approx(middle(sheet), abs=2)
    sent, start = root.get_attribute("data-sent"), middle(pen)
    for _ in range(10):
        visitor.page.keyboard.press("Shift+ArrowRight")
    assert middle(pen)[0] == pytest.approx(
        start[0] + 40 * sheet.bounding_box()["width"] / 280, abs=2
    )
    assert root.get_attribute("data-sent") == sent, "nothing was drawn"
    visitor.page.keyboard.press("ArrowDown")
    assert int(root.get_attribute("data-sent")) == int(sent) + 1


def test_a_second_finger_draws_no_line_to_the_first(visit):
    visitor = visit("?tab=forward&digit=1", has_touch=True)
    settled(visitor)
    visitor.page.locator("#forward-sheet [data-do=clear]").click()
    visitor.page.evaluate(
        """() => {
          const sheet = document.querySelector("#forward-sheet .sketch-sheet");
          sheet.setPointerCapture = () => {};  // made-up pointers cannot be captured
          const box = sheet.getBoundingClientRect();
          const at = (type, id, x, y) => sheet.dispatchEvent(new PointerEvent(type, {
            pointerId: id, bubbles: true, isPrimary: id === 1,
            clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
          at("pointerdown", 1, 0.1, 0.1);
          at("pointerdown", 2, 0.9, 0.9);
          at("pointermove", 2, 0.9, 0.8);
          at("pointermove", 1, 0.1, 0.2);
          at("lostpointercapture", 1, 0.1, 0.2);
        }"""
    )
    white = visitor.page.evaluate(
        """() => {
          const ink = document.querySelector("#forward-sheet .sketch-sheet").getContext("2d");
          const { data } = ink.getImageData(60, 0, 220, 280);
          return data.some((v, i) => i % 4 === 0 && v > 0);
        }"""
    )
    assert not white


def test_what_was_made_of_another_picture_is_taken_away(visit):
    visitor = visit("?tab=forward&digit=1")
    settled(visitor)
    visitor.page.get_by_role("tab", name="Inversion").click()
    visitor.click("forward-invert")
    told = visitor.page.get_by_text(re.compile(r"RMSE 0\.\d+"))
    told.wait_for(timeout=60_000)
    assert "t=900" in "".join(told.inner_text().split())
    before = run_of(visitor)
    visitor.page.locator("#forward-sheet [data-sample='2']").click()
    settled(visitor, before)
    visitor.page.wait_for_selector("#forward-inverted .contact[data-state=idle]", state="attached")
    assert told.count() == 0

"""Controls that run what they spell: a slider let go by hand or by keys, a number entered."""

from __future__ import annotations


def test_a_slider_runs_once_it_is_let_go_and_not_when_nothing_has_changed(led):
    visitor = led("?n=1&steps=10")
    visitor.wait_for_kept("11 frames")
    visitor.handle("sample-steps").press("ArrowRight")
    visitor.wait_for_kept("12 frames")
    number = visitor.part("sample-steps").locator("input[type=number]")
    number.fill("7")
    number.press("Enter")
    visitor.wait_for_kept("8 frames")
    asked = len(visitor.requests)
    number.click()
    number.press("Tab")  # leaves it as it was
    visitor.choose("sample-sampler", "Heun")
    visitor.wait_for_link(sampler="heun", steps="7")
    visitor.wait_for_kept("8 frames")
    joined = [url for url in visitor.requests[asked:] if "queue/join" in url]
    assert len(joined) == 2  # the run of another sampler, and its file

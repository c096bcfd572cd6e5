"""A visitor fetches a model from the Hub, by name, and samples from it."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel
from gradio_client import Client

from ddpm_core.hub import Hub
from tests.support.fake_hub import FakeHub, plain_client
from tests.support.visitor import Visitor
from ui.runs import Studio

# The shape of google/ddpm-cifar10-32, an eighth as wide.
SHAPE = {
    "sample_size": 32,
    "block_out_channels": (16, 32, 32, 32),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "attention_head_dim": None,
    "norm_num_groups": 8,
    "norm_eps": 1e-6,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A Hub on loopback with one model in the format of diffusers."""
    patch = pytest.MonkeyPatch()
    plain_client(patch)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("theirs")
    UNet2DModel(**SHAPE).save_pretrained(folder)
    DDPMScheduler(variance_type="fixed_large").save_pretrained(folder)
    with FakeHub() as hub:
        hub.add("google/ddpm-cifar10-32", folder)
        hub.add("user/theirs", folder)
        yield hub
    patch.undo()


@pytest.fixture(scope="module")
def address(served, tmp_path_factory):
    import app

    source = Hub(served.url, tmp_path_factory.mktemp("cache"), max_bytes=50 * 10**6, patience=2)
    page, address = app.launch(
        ["--no-browser"], Studio(source), prevent_thread_lock=True, quiet=True
    )
    yield address
    page.close()


@pytest.fixture
def visitor(keep, chromium, address):
    return keep(lambda: newcomer(chromium, address))[0]


def newcomer(chromium, address):
    visitor = Visitor(chromium, address).open("?n=4&steps=4")
    visitor.wait_for_kept("5 frames")
    visitor.page.locator("#sample-shelf button").first.click()
    return visitor


def fetch(visitor, name):
    visitor.page.get_by_role("tab", name="Sample", exact=True).click()
    visitor.page.locator("#sample-repository input").fill(name)
    visitor.page.keyboard.press("Enter")
    visitor.click("sample-fetch")


def told(visitor, text):
    visitor.page.locator("#sample-fetched", has_text=text).wait_for(timeout=15_000)


def test_a_model_is_fetched_sampled_and_offered_everywhere(visitor):
    visitor.page.locator("#sample-repository input").click()
    for name in ("google/ddpm-cifar10-32", "1aurent/ddpm-mnist"):  # known to load
        visitor.page.get_by_role("option", name=name).wait_for()
    fetch(visitor, "google/ddpm-cifar10-32")
    told(visitor, "google/ddpm-cifar10-32: 565,315 parameters, 3 × 32 × 32 pixels.")
    visitor.wait_for_kept("21 frames")
    width, height, data = visitor.picture()
    assert (width, height) == (4 * 33 - 1, 4 * 33 - 1)
    pixels = [data[i : i + 3] for i in range(0, len(data), 4 * 97)]
    assert any(len(set(pixel)) > 1 for pixel in pixels), "no colour"
    picker = visitor.page.locator("#sample-model input")
    assert picker.input_value() == "google/ddpm-cifar10-32"
    visitor.page.get_by_role("tab", name="Forward process").click()
    visitor.page.locator("#forward-model input").click()
    visitor.page.get_by_role("option", name="google/ddpm-cifar10-32").wait_for()


def test_what_goes_wrong_is_said_and_the_page_goes_on(visitor):
    before = visitor.stage().get_attribute("data-run")
    fetch(visitor, "user/nothing")
    told(visitor, "user/nothing is no folder here, and no repository on http")
    fetch(visitor, "no repository")
    told(visitor, "'no repository' names no repository: owner/name[@revision]")
    assert visitor.stage().get_attribute("data-run") == before
    visitor.set_number("sample-steps", 6)
    visitor.click("sample-run")
    visitor.wait_for_kept("7 frames")


def test_its_link_and_the_api_work_once_it_is_here(visitor, chromium, address, tmp_path):
    fetch(visitor, "user/theirs")
    told(visitor, "user/theirs: 565,315 parameters")
    visitor.page.wait_for_url("**/*model=user%2Ftheirs*")
    other = Visitor(chromium, address).open("?model=user/never-fetched&n=1&steps=3")
    other.wait("error")
    assert "fetched from the Hub first" in other.stage().inner_text()
    other.open("?model=user/theirs&n=1&steps=3").wait_for_kept("4 frames")
    other.leave()
    found = Client(address, verbose=False).predict("user/theirs", 2, "none", api_name="/sample")
    assert found["about"]["model"] == "user/theirs"

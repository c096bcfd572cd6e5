"""A visitor fetches a model from the Hub, by name, and samples from it."""

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel
from gradio_client import Client
from playwright.sync_api import expect

from ddpm_core.hub import Hub
from tests.core.test_unet import GOOGLE
from tests.support.fake_hub import FakeHub, plain_client
from tests.support.visitor import Visitor
from ui.runs.runs import Studio

# The shape of google/ddpm-cifar10-32, an eighth as wide.
SHAPE = {"sample_size": 32, "block_out_channels": (16, 32, 32, 32), "norm_num_groups": 8}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A Hub on loopback with one model in the format of diffusers."""
    patch = pytest.MonkeyPatch()
    plain_client(patch)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("theirs")
    UNet2DModel(**GOOGLE | SHAPE).save_pretrained(folder)
    DDPMScheduler(variance_type="fixed_large").save_pretrained(folder)
    with FakeHub() as server:
        server.add("google/ddpm-cifar10-32", folder)
        yield server
    patch.undo()


@pytest.fixture(scope="module")
def address(hub, tmp_path_factory):
    import app

    source = Hub(hub.url, tmp_path_factory.mktemp("cache"), max_bytes=50 * 10**6, patience=2)
    page, address = app.launch(
        ["--no-browser"], Studio(source), prevent_thread_lock=True, quiet=True
    )
    yield address
    page.close()


def wait_for_message(visitor, message):
    visitor.page.locator("#sample-fetched", has_text=message).wait_for(timeout=30_000)


def test_a_model_is_fetched_sampled_offered_everywhere_linked_to_and_served(chromium, address):
    visitor = Visitor(chromium, address).open("?n=4&steps=4")
    visitor.wait_for_file("5 frames")
    # What goes wrong is said, what was there stays, and the page goes on.
    before, picker = visitor.run(), visitor.field("sample-model")
    visitor.pick("sample-model", "1aurent/ddpm-mnist")
    wait_for_message(visitor, "1aurent/ddpm-mnist is no folder here, and no repository on http")
    expect(picker).to_have_value("mnist-conditional")
    visitor.pick("sample-model", "another …")
    name = visitor.page.get_by_label("Repository")
    expect(picker).to_have_value("mnist-conditional")
    picker.focus()  # and away again: a look at the list chooses nothing
    name.fill("no repository")
    visitor.click("sample-fetch")
    wait_for_message(visitor, "'no repository' names no repository: owner/name[@revision]")
    expect(name).to_be_visible()
    assert visitor.run() == before
    # Our model of photographs is small: another is offered.
    visitor.pick("sample-model", "cifar10-conditional")
    expect(name).to_have_value("google/ddpm-cifar10-32")
    visitor.click("sample-fetch")
    wait_for_message(visitor, "google/ddpm-cifar10-32: 565,315 parameters, 3 × 32 × 32 pixels.")
    visitor.wait_for_link(model="google/ddpm-cifar10-32")
    visitor.wait_for_file("21 frames")
    assert visitor.picture()[:2] == [4 * 33 - 1, 4 * 33 - 1]
    expect(picker).to_have_value("google/ddpm-cifar10-32")
    visitor.go_to("forward").wait("film", "forward")  # a page that is left midway complains
    visitor.field("forward-model").click()
    visitor.page.get_by_role("option", name="google/ddpm-cifar10-32").wait_for()
    # Its link and the API work once it is here.
    visitor.open("?model=user/never-fetched&n=1&steps=3").wait("error")
    expect(visitor.stage()).to_contain_text("fetched from the Hub first")
    visitor.open("?model=google/ddpm-cifar10-32&n=1&steps=3").wait_for_file("4 frames")
    before = visitor.run()
    picker.focus()
    visitor.field("sample-seed").focus()  # nothing was picked: the steps stay as they are
    visitor.page.wait_for_timeout(1000)
    expect(visitor.field("sample-steps")).to_have_value("3")
    assert visitor.run() == before
    visitor.leave()
    client = Client(address, verbose=False)
    result = client.predict("google/ddpm-cifar10-32", 2, "none", api_name="/sample")
    assert result["about"]["model"] == "google/ddpm-cifar10-32"

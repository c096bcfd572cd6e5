"""A served page and a real browser."""

import os
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.support.browser import find_browser
from tests.support.visitor import Visitor, check_errors

os.environ["NO_PROXY"] = "127.0.0.1"
# Tests ask what happens, not how soon: five seconds are too few on a busy machine.
expect.set_options(timeout=20_000)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync "
    # For every visitor Chromium prepares the popup of an address bar that nobody sees: a page of
    # its own, that takes half as long as ours.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,PaintHolding"
).split()


@pytest.fixture(scope="session")
def server():
    """The page as ``python app.py`` serves it, and its address."""
    import app

    page, address = app.launch(["--no-browser"], prevent_thread_lock=True, quiet=True)
    yield page, address
    page.close()


@pytest.fixture(scope="session")
def url(server):
    """The page's address."""
    return server[1]


@pytest.fixture(scope="session")
def chromium():
    path = find_browser()
    assert path, "the browser tests need chromium (Debian: apt install chromium), or $CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def no_errors():
    """Every test fails on an error of a page."""
    yield
    check_errors()


def reusing(session):
    """Keep a visitor for tests that begin wherever another ended. Yields a function of how to come
    in, which returns the visitor and whether they have just come. After a failed test the visitor
    is replaced."""
    visitors: list[Visitor] = []
    failed = [0]

    def get(enter):
        if session.testsfailed != failed[0]:
            failed[0] = session.testsfailed
            while visitors:
                visitors.pop().leave()
        is_new = not visitors
        if is_new:
            visitors.append(enter())
        return visitors[0], is_new

    yield get
    for visitor in visitors:
        visitor.leave()


@pytest.fixture(scope="module")
def reuse(request):
    """A visitor whom a module reuses, on a page of its own."""
    yield from reusing(request.session)


@pytest.fixture(scope="session")
def follow(request, chromium, url, tmp_path_factory):
    """A visitor at a run, with its file: by its link the first time, and then from run to run by
    ``lead``."""
    folder, reuser = tmp_path_factory.mktemp("led"), reusing(request.session)
    get = next(reuser)

    def go(query):
        visitor, is_new = get(lambda: Visitor(chromium, url).open(query))
        if not is_new:
            visitor.lead(query, folder)
        named = dict(parse_qsl(query.removeprefix("?")))
        frames = 2 * int(named["n"]) - 1 if "toward" in named else int(named["steps"]) + 1
        visitor.wait_for_file(f"{frames} frames", named.get("tab", "sample"))
        return visitor

    yield go
    next(reuser, None)


@pytest.fixture
def visit(chromium, url):
    """Open the page as a visitor, or where the query is None prepare to; any number per test."""
    visitors = []

    def enter(query="", **context):
        visitors.append(Visitor(chromium, url, **context))
        return visitors[-1] if query is None else visitors[-1].open(query)

    yield enter
    for visitor in visitors:
        visitor.leave()

"""Where what arrives at the page leads, and what a tab shows by itself."""

from types import SimpleNamespace

import pytest

from ui.arrivals import Arrival
from ui.page import build

VISITOR = SimpleNamespace(session_hash="somebody", query_params={}, headers={})
RESTORED_BY_ADDRESS = "reverse"


@pytest.fixture(scope="module")
def open_sample():
    """What is run when the Sample tab opens."""
    found = [f.fn for f in build().fns.values() if getattr(f.fn, "__name__", "") == "open_tab"]
    return found[0]


def test_a_tab_that_a_file_opens_has_no_first_look_of_its_own(open_sample):
    file = Arrival("sample", count=1)
    opened = open_sample(RESTORED_BY_ADDRESS, file, None, "mnist-conditional", VISITOR)
    first = next(opened)
    assert len(first) == 1, "it yields its silence alone"
    assert next(opened, None) is None


@pytest.mark.parametrize("file", [None, Arrival("guidance", count=1)])
def test_a_tab_that_a_visitor_opens_has_one(open_sample, file):
    opened = open_sample(RESTORED_BY_ADDRESS, file, None, "mnist-conditional", VISITOR)
    assert len(next(opened)) > 1, "its controls are set"
    opened.close()

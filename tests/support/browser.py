"""The browser of the tests."""

import os
import shutil

# The one without windows comes first, where there is one: its pages cost a tenth less.
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")


def find_browser() -> str | None:
    """The path of $CHROMIUM or of a browser that is installed; None without one."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)

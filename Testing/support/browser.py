"""A real browser without a screen: Chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class NoBrowser(RuntimeError):
    """There is no browser to be driven; the message says what is missing."""


@contextlib.contextmanager
def browser() -> Iterator:
    """A running Chromium: that of the system, else the one that Playwright has installed.

    Raises:
        NoBrowser: Playwright or Chromium is missing.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise NoBrowser("needs the package playwright") from None
    found = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        if found is None and not Path(playwright.chromium.executable_path).exists():
            raise NoBrowser("needs Chromium (apt-get install chromium, or: playwright install)")
        try:
            started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            raise NoBrowser(f"Chromium does not start ({error.message.splitlines()[0]})") from None
        try:
            yield started
        finally:
            started.close()

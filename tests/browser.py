"""A headless Chromium to open pages in, where one is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class NoBrowserError(Exception):
    """No browser is installed; the message says which was looked for."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser: Playwright's own, or the system's.

    Raises
    ------
    NoBrowserError
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_executable(playwright), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


def _executable(playwright: Playwright) -> str:
    own = playwright.chromium.executable_path
    found = own if Path(own).exists() else next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise NoBrowserError(
            f"no browser: neither Playwright's ({own}) nor {', '.join(_NAMES)} on the PATH; "
            "playwright install chromium, or the system's package"
        )
    return found

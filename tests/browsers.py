"""A headless browser for tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def launched() -> Iterator[Any]:
    """The browser of this computer, with what it does by itself turned off."""
    from playwright.sync_api import sync_playwright

    options = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update disable-sync"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=BROWSER, args=[f"--{option}" for option in options.split()]
        )
        yield chromium
        chromium.close()

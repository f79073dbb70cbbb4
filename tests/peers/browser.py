"""A real browser that looks at the status page: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.conftest import ROOT, program
from tests.peers import npm, pypi

PLAYWRIGHT = "playwright==1.65.2"
AXE = "axe-core@4.10.3"
SCREENSHOTS = ROOT / "build" / "screenshots"
"""Where a person can look at what the tests saw."""
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
NO_RESPONSE = "Failed to load resource: net::ERR_"
"""Begins what Chromium logs of a request without a response. The rest depends on when the connection was lost:
CONNECTION_REFUSED, CONNECTION_RESET, EMPTY_RESPONSE, INCOMPLETE_CHUNKED_ENCODING, SOCKET_NOT_CONNECTED."""
PATIENCE_S = 60.0
"""Longest time that a browser waits for anything. It shares a busy machine with its own processes."""
_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


@contextmanager
def open_browser() -> Iterator[Any]:
    """A browser without a screen."""
    chromium = program("chromium")
    folder = str(pypi.packages(PLAYWRIGHT, with_dependencies=True))
    if folder not in sys.path:
        # Behind all else: what Playwright needs must not take the place of what the gateway is tested with.
        sys.path.append(folder)
    playwright = importlib.import_module("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=_OPTIONS)
        yield browser
        browser.close()


class Visit:
    """One visitor of a page, who takes down what goes wrong in it."""

    def __init__(self, browser: Any, port: int, **options: Any) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.context = browser.new_context(**{"viewport": DESK, "locale": "en-GB"} | options)
        self.context.set_default_timeout(1000 * PATIENCE_S)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "request", lambda request: request.url.startswith(self.origin) or self.elsewhere.append(request.url)
        )

    def open(self, view: str = "flow") -> Any:
        """Go to a view."""
        self.page.goto(f"{self.origin}/#{view}")
        self.page.wait_for_selector(f"main[data-view={view.partition('/')[0]}]")
        return self.page

    def screenshot(self, name: str) -> None:
        """Keep what is seen as a file."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=os.fspath(SCREENSHOTS / f"{name}.png"))

    def accessibility_faults(self) -> list[str]:
        """What axe-core finds serious or worse."""
        axe = npm.packages(AXE) / "axe-core" / "axe.min.js"
        # By the driver's own way in, which the page's Content-Security-Policy does not bind.
        self.page.evaluate(axe.read_text())
        found = self.page.evaluate("async () => (await axe.run()).violations")
        return [
            f"{each['id']}: {each['help']}: {each['nodes'][0]['html']}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]

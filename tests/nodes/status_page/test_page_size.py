"""The page stays small: it has no build step, so that a browser gets what is in the repository."""

from __future__ import annotations

from gateway.nodes.status_page.files import STATIC

MOST_BYTES = 120_000
"""Largest size of the JavaScript and the style sheet together."""


def test_the_scripts_and_the_style_sheet_of_the_page_stay_small() -> None:
    sizes = {path.name: path.stat().st_size for path in STATIC.iterdir() if path.suffix in {".js", ".css"}}
    assert sum(sizes.values()) <= MOST_BYTES, sizes

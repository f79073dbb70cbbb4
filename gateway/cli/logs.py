"""Logging of the commands that run until they are stopped."""

from __future__ import annotations

import logging
import sys


def set_up_logging(*, verbose: bool) -> None:
    """Log to stderr, one line per record; with `verbose` also debug records."""
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.addLevelName(logging.INFO, "info")
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.ERROR, "error")
    # The gateway logs a client's invalid bytes itself, and once; pymodbus would log each of them again.
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

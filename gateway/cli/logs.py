"""The log of a command that runs until it is told to stop."""

from __future__ import annotations

import logging
import sys


def set_up_logging(*, verbose: bool) -> None:
    """To stderr, a line each."""
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.addLevelName(logging.INFO, "info")
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.ERROR, "error")
    # What pymodbus would say of a client's bytes, the gateway says itself, and once.
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

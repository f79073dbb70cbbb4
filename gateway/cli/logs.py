"""Logging of the commands that run until they are stopped."""

from __future__ import annotations

import logging
import os

STDERR = 2


def occupy_standard_descriptors() -> None:
    """Open /dev/null in place of stdin, stdout and stderr where they are closed.

    A socket or a file would else get one of their numbers, and what is written to stderr would go there.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= STDERR:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def set_up_logging(*, verbose: bool) -> None:
    """Log to stderr, one line per record; with `verbose` also debug records."""
    from gateway.runtime.log import CleanFormatter, QueuedHandler

    level = logging.DEBUG if verbose else logging.INFO
    root = logging.getLogger()
    if not root.handlers:
        handler = QueuedHandler(STDERR)
        handler.setFormatter(CleanFormatter("%(asctime)s %(levelname)s %(message)s"))
        root.addHandler(handler)
        root.setLevel(level)
    logging.addLevelName(logging.INFO, "info")
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.ERROR, "error")
    # The gateway logs a client's invalid bytes itself, and once; pymodbus would log each of them again.
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

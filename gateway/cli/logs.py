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


def set_up_logging(level: str | None = None, form: str | None = None) -> None:
    """Log to stderr, one line of `text` or `json` per record of `level` or above it; by default text from info on."""
    from gateway.runtime.log import QueuedHandler, make_formatter

    root = logging.getLogger()
    if not root.handlers:
        handler = QueuedHandler(STDERR)
        handler.setFormatter(make_formatter(form or "text"))
        root.addHandler(handler)
        root.setLevel((level or "info").upper())
    logging.addLevelName(logging.INFO, "info")
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.ERROR, "error")
    # The gateway logs a client's invalid bytes itself, and once; pymodbus would log each of them again.
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

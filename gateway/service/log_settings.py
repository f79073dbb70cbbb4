"""The level and the form of the log, as the command line or the configuration choose them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from gateway.config.log import LogConfig
from gateway.runtime.log import QueuedHandler, make_formatter


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The choices of the command line, which come before those of a configuration; None for those of the latter."""

    level: str | None = None
    form: str | None = None

    def apply(self, config: LogConfig) -> None:
        """Log from now on as these choices and a configuration say."""
        root = logging.getLogger()
        root.setLevel((self.level or config.level).upper())
        for handler in root.handlers:
            if isinstance(handler, QueuedHandler):
                handler.setFormatter(make_formatter(self.form or config.format))

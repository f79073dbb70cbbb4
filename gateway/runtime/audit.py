"""The audit log: who came in, who was refused, and what was changed, with time and address.

An event is a record of one logger, which has no handler unless `audit:` is configured; then `record` returns at once.
Strangers cause some of the events, as fast as they like. Such an event is written once a minute for each address, and
all of them together are bounded; the next line has the number of those that were left out.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from gateway.runtime.clock import now
from gateway.runtime.log import LineBudget, clean, shorten

MAX_VALUE_CHARACTERS: Final = 300
"""A longer value is cut and ends with an ellipsis."""
MAX_SOURCES: Final = 1000
"""Largest number of addresses for which the time of their last line is kept."""
REPEATED_AFTER_S: Final = 60.0
"""Time after which the same refusal of the same address is written again."""
SESSION_S: Final = 1800.0
"""Time without a request after which the next one of an address is a new login."""
BURST: Final = 100
"""Number of lines that strangers can cause at any time."""
SECONDS_PER_LINE: Final = 1.0
"""Seconds for each line that strangers can cause after that."""


class Event(StrEnum):
    """The kind of an event."""

    START = "start"
    STOP = "stop"
    RELOAD = "reload"
    CONFIGURATION = "configuration"
    LOGIN = "login"
    CONNECTION = "connection"
    AUDIT = "audit"
    """An event of the audit log itself: lines that could not be written."""


ACCEPTED, REFUSED = "accepted", "refused"

_log = logging.getLogger("gateway.audit")
_log.propagate = False
_log.setLevel(logging.INFO)
_log.addHandler(logging.NullHandler())


def record(event: Event, outcome: str, **values: str) -> None:
    """Write an event of the gateway or of its operator, with more values by name."""
    if len(_log.handlers) > 1:
        level = logging.WARNING if outcome == REFUSED else logging.INFO
        _log.log(level, event, extra={"fields": {"event": event, "outcome": outcome, **values}})


class Strangers:
    """The events that strangers cause: they are bounded."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], float] = {}
        self._budget = LineBudget(0.0, BURST, SECONDS_PER_LINE)

    def record(self, event: Event, outcome: str, *, address: str, node: str, detail: str = "") -> None:
        """Write an event, unless it is a repetition or there are too many."""
        if len(_log.handlers) > 1 and self._allows((event, outcome, address, node), now()):
            left_out, self._budget.left_out = self._budget.left_out, 0
            more = {"left_out": str(left_out)} if left_out else {}
            record(event, outcome, address=address, node=node, **({"detail": detail} if detail else {}), **more)

    def _allows(self, key: tuple[str, ...], moment: float) -> bool:
        is_login = key[:2] == (Event.LOGIN, ACCEPTED)
        last = self._seen.pop(key, float("-inf"))
        is_new = moment - last >= (SESSION_S if is_login else REPEATED_AFTER_S)
        # A session lasts as long as it is used; a refusal is repeated after a minute however often it comes.
        self._seen[key] = moment if is_new or is_login else last
        while len(self._seen) > MAX_SOURCES:
            del self._seen[next(iter(self._seen))]
        if is_new:
            return self._budget.allows(moment)
        self._budget.left_out += not is_login
        return False


strangers = Strangers()
"""The strangers of this process."""


def fields_of(entry: logging.LogRecord) -> Mapping[str, str]:
    """Return the cleaned and shortened values of an event by name."""
    given: Mapping[str, str] = getattr(entry, "fields", None) or {"event": Event.AUDIT, "detail": entry.getMessage()}
    return {name: shorten(clean(str(value)), MAX_VALUE_CHARACTERS) for name, value in given.items()}


class AuditFormatter(logging.Formatter):
    """Formats one line per event: the time in UTC, then `name=value` with quotes where the value needs them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return " ".join([time, *(f"{name}={_quoted(value)}" for name, value in fields_of(record).items())])


def _quoted(text: str) -> str:
    is_plain = text and not any(character in ' "=\\' for character in text)
    return text if is_plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

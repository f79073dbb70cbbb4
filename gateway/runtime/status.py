"""The status under a node: a coloured mark and a short text, as in Node-RED.

A text is kept as a code with its values, so that the page can show it in another language without reading a sentence.
`TEXTS` holds the English text of each code; `status_page/static/texts` holds the translations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.problems.problem import Problem
from gateway.protocol.p1.age.verdict import Condition

TEXTS: Mapping[str, str] = {
    "plain": "{text}",
    # Every node
    "not-started": "not started",
    "ready": "ready",
    "failed": "failed: {error}, see the log",
    # Ports that the gateway listens on
    "waiting-for-port": "waiting for the port",
    "socket-in-use": "another program uses the socket of the commands",
    "announced": "announced, port {port}",
    "no-client": "no client",
    "client": "1 client",
    "clients": "{count} clients",
    "no-reader": "no reader",
    "reader": "1 reader",
    "readers": "{count} readers",
    "no-viewer": "no viewer",
    "viewer": "1 viewer",
    "viewers": "{count} viewers",
    "password-file-unusable": "password_file cannot be used",
    "token-file-unusable": "token_file of {meter} cannot be used",
    "key-file-unusable": "the key in {file} cannot be used",
    # The line of a meter
    "connecting": "connecting {line}",
    "line-open": "{line}, no telegram yet",
    "line-encrypted": "{line}, encrypted telegrams",
    "line-quiet": "no telegram for {seconds} s, {line}",
    "line-receiving": "{interval_s} s, {line}",
    "line-per-telegram": "{line} closes after each telegram",
    "retrying": "{problem}, retry in {seconds} s",
    "demo": "demo",
    "telegrams-late": "telegrams come {seconds} s late",
    "late-or-clock-set": "{seconds} s late, or clock was set back",
    "source-repeats": "the source repeats itself",
    "source-replays": "the source sends old telegrams",
    "clock-changed": "the meter's clock has changed",
    "two-meters": "two meters send on this line",
    # Encrypted telegrams
    "telegrams-verified": "telegrams decrypted, tags verified",
    "telegrams-decrypted": "telegrams decrypted",
    "decryption-key-wrong": "the key does not fit",
    "authentication-key-wrong": "the authentication key does not fit",
    "telegram-without-tag": "a telegram without tag",
    "telegram-damaged": "a damaged telegram",
    "telegram-cut-off": "a telegram was cut off",
    "telegram-repeated": "a telegram came twice",
    "invocation-counter-fell": "an old telegram came again",
    "telegram-not-encrypted": "telegrams are not encrypted",
    # MQTT brokers
    "broker-connected": "connected",
    "no-broker": "no broker is connected",
    "publishing": "{count} meters",
    "too-many-serving-gateways": "more than {count} serving gateways: some get no fresh readings",
    "meters-online": "{count} of {total} meters online",
    # Telegrams and readings
    "no-telegram-yet": "no telegram yet",
    "none-accepted-yet": "{count} refused, none accepted yet",
    "recent-errors": "errors in the last minute",
    "no-telegram": "no telegram for {seconds} s",
    "receiving": "{variant}, {count} readings",
    "other-version": "configured {variant}, telegrams of {detected}",
    "line-unreadable": "unreadable line: {reason}",
    "refused-checksum": "wrong checksum",
    "refused-no-checksum": "no checksum",
    "refused-truncated": "truncated telegram",
    "refused-oversize": "telegram too long",
    "refused-form": "malformed telegram",
    "refused-implausible": "implausible telegram",
    "refused-other-meter": "telegram of another meter",
    "refused-unconfirmed": "waits for a second telegram",
    # Register maps
    "not-served-yet": "telegrams are not served yet",
    "no-readings-yet": "no readings yet",
    "test-pattern": "test pattern",
    "stale": "stale, {seconds} s old",
    "lacking": "not in the telegram: {readings}",
    "one-unfit": "{count} value does not fit",
    "some-unfit": "{count} values do not fit",
    "some-absent": "{count} of {total} absent",
    "all-present": "{count} registers",
}
"""Code to English text; the placeholders are the names of the values."""
CONDITION_CODES = {
    Condition.LATE: "telegrams-late",
    Condition.LATE_OR_CLOCK_SET: "late-or-clock-set",
    Condition.REPEATING: "source-repeats",
    Condition.REPLAYING: "source-replays",
    Condition.CLOCK_CHANGED: "clock-changed",
}
"""Code of a line's status for each condition of the meter's timeline that a user should know of."""


@dataclass(frozen=True, slots=True)
class Label:
    """A short text with the code and the values that it is made of."""

    code: str
    """A key of `TEXTS`, or the code of a problem."""
    values: Mapping[str, str | float | Label]
    text: str
    """In English."""

    def __str__(self) -> str:
        return self.text


def label(code: str, **values: str | float | Label) -> Label:
    """Return the label with `code`, a key of `TEXTS`, and the values that its text names."""
    return Label(code, values, TEXTS[code].format_map(values))


def label_of(problem: Problem) -> Label:
    """Return the short text of a problem as a label."""
    return Label(problem.code, dict(problem.values), problem.short)


class Colour(StrEnum):
    """The severity of a node's state."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    BLUE = "blue"
    GREY = "grey"


class Mark(StrEnum):
    """The shape of a node's mark: a dot where the node works, a ring where it waits or cannot work."""

    DOT = "dot"
    RING = "ring"


@dataclass(frozen=True, slots=True)
class Status:
    """The mark and the text under a node."""

    colour: Colour
    mark: Mark
    label: Label

    @property
    def text(self) -> str:
        """Return the text in English."""
        return self.label.text

    @property
    def is_failure(self) -> bool:
        """Return whether the node cannot work at all."""
        return self.colour is Colour.RED and self.mark is Mark.RING

    def __str__(self) -> str:
        return f"{self.colour} {self.mark}: {self.text}"

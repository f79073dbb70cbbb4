"""Topics of a fleet: their names, and the parts of a topic.

    <prefix>/<edge>/<meter>/telegram    newest telegram of a meter, from the gateway at the meter (the edge)
    <prefix>/<edge>/status              online or offline
    <prefix>/_tick/<gateway>            counter of a gateway that serves meters

The edge comes first, so that a broker can let each user write only below its own name: `<prefix>/%u/#`. A meter may
have any name. Characters that mean something in a topic are written as in a URL: `%2F` for `/`.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

TELEGRAM, STATUS, TICK = "telegram", "status", "_tick"
MAX_LEVEL_CHARACTERS = 512
"""Largest length of the name of a meter as a level of a topic."""
MAX_PREFIX_CHARACTERS = 200

_ID = re.compile(r"[A-Za-z0-9.@:-][A-Za-z0-9._@:-]{0,63}")
_PLAIN = re.compile(r"[A-Za-z0-9._~@: -]+")
"""Names that need no escapes, which most have."""
_ESCAPED = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff/+#%$]")


class TelegramTopic(NamedTuple):
    """The topic of a meter's telegrams."""

    edge: str
    meter: str


class StatusTopic(NamedTuple):
    """The topic of an edge's status."""

    edge: str


class TickTopic(NamedTuple):
    """The topic of a serving gateway's counter."""

    gateway: str


def is_valid_id(name: str) -> bool:
    """Return whether a name can be that of an edge or a gateway, which is also a user name at the brokers."""
    return _ID.fullmatch(name) is not None


def is_valid_prefix(prefix: str) -> bool:
    """Return whether a text can be the beginning of all topics."""
    levels = prefix.split("/")
    is_plain = not any(c in "+#" or not c.isprintable() for c in prefix)
    return is_plain and all(levels) and not prefix.startswith("$") and len(prefix) <= MAX_PREFIX_CHARACTERS


def level_of(name: str) -> str:
    """Return a meter's name as one level of a topic."""
    if _PLAIN.fullmatch(name):
        return name
    return _ESCAPED.sub(lambda found: quote(found[0], safe="", errors="surrogatepass"), name)


def name_of(level: str) -> str | None:
    """Return the name of the meter that a level stands for; None if `level_of` would write it in another way."""
    if _PLAIN.fullmatch(level):
        return level
    try:
        name = unquote(level, errors="surrogatepass")
    except UnicodeDecodeError:
        return None
    return name if name and level_of(name) == level else None


def telegram_topic(prefix: str, edge: str, meter: str) -> str:
    """Return the topic to which an edge publishes the telegrams of a meter."""
    return f"{prefix}/{edge}/{level_of(meter)}/{TELEGRAM}"


def telegram_filter(prefix: str, meter: str) -> str:
    """Return the subscription to a meter's telegrams, from any edge."""
    return f"{prefix}/+/{level_of(meter)}/{TELEGRAM}"


def status_topic(prefix: str, edge: str) -> str:
    """Return the topic of an edge's status."""
    return f"{prefix}/{edge}/{STATUS}"


def status_filter(prefix: str) -> str:
    """Return the subscription to the status of every edge."""
    return f"{prefix}/+/{STATUS}"


def tick_topic(prefix: str, gateway: str) -> str:
    """Return the topic of a serving gateway's counter."""
    return f"{prefix}/{TICK}/{gateway}"


def tick_filter(prefix: str) -> str:
    """Return the subscription to the counters of all serving gateways."""
    return f"{prefix}/{TICK}/+"


def parse(prefix: str, topic: str) -> TelegramTopic | StatusTopic | TickTopic | None:
    """Return the parts of a topic; None if it is none of these."""
    if not topic.startswith(prefix) or topic[len(prefix) : len(prefix) + 1] != "/":
        return None
    match topic[len(prefix) + 1 :].split("/"):
        case [first, second] if first == TICK and is_valid_id(second):
            return TickTopic(second)
        case [edge, last] if last == STATUS and is_valid_id(edge):
            return StatusTopic(edge)
        case [edge, level, last] if last == TELEGRAM and is_valid_id(edge) and len(level) <= MAX_LEVEL_CHARACTERS:
            meter = name_of(level)
            return None if meter is None else TelegramTopic(edge, meter)
    return None

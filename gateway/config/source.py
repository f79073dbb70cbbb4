"""`source:`, the URL that a meter's telegrams come from where it has no serial port and no ser2net."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from gateway.config.address import host_name
from gateway.files.validation import invalid, suggest
from gateway.problems.quoting import cut, quoted

MAX_SOURCE_CHARACTERS = 500
"""Largest number of characters of a source."""


PUSH = "push"
"""Source of a meter whose telegrams are posted to the gateway; it has no address."""
BROKERS = "brokers"
"""Scheme of the source `mqtt`: the telegrams come over the brokers of `mqtt:`, on the topic with the meter's name."""
BARE = {PUSH: PUSH, "mqtt": BROKERS}
"""Text of each source without an address to its scheme."""
HOMEWIZARD = "homewizard"
"""Scheme of a HomeWizard P1 Meter, whose paths are known."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """A kind of source."""

    title: str
    """Name of its node in the flow."""
    port: int | None
    """TCP port where the URL has none; None where the URL must have one."""
    example: str
    keys: frozenset[str] = field(default_factory=frozenset)
    """Keys of `meter:` that only some kinds of source have, and that this one has."""


_LOGIN = frozenset({"user", "password_file"})
_WITH_TOPIC = frozenset({"mqtt", "mqtts"})

SCHEMES: Mapping[str, Scheme] = {
    "http": Scheme("HTTP", 80, "http://192.168.1.21/api/v1/telegram", frozenset({"poll", "token_file"})),
    "https": Scheme("HTTP", 443, "https://p1.example.org/telegram", frozenset({"ca", "poll", "token_file"})),
    HOMEWIZARD: Scheme("HomeWizard", 443, "homewizard://192.168.1.20", frozenset({"ca", "poll", "token_file"})),
    "rfc2217": Scheme(
        "RFC 2217 port",
        None,
        "rfc2217://192.168.1.23:2001",
        frozenset({"baudrate", "bytesize", "parity", "stopbits"}),
    ),
    "ws": Scheme("WebSocket", 80, "ws://192.168.1.22/ws"),
    PUSH: Scheme("posted telegrams", 0, PUSH, frozenset({"token_file"})),
    BROKERS: Scheme("MQTT meter", 0, "mqtt"),
    "wss": Scheme("WebSocket", 443, "wss://p1.example.org/ws", frozenset({"ca"})),
    "mqtt": Scheme("MQTT topic", 1883, "mqtt://broker.local/dsmr/raw", _LOGIN),
    "mqtts": Scheme("MQTT topic", 8883, "mqtts://broker.local/dsmr/raw", _LOGIN | {"ca"}),
}
"""Scheme of the URL → the kind of source."""


class Source(NamedTuple):
    """A source, taken apart."""

    scheme: str
    host: str
    port: int
    path: str
    """Path and query, beginning with `/`."""

    @property
    def kind(self) -> Scheme:
        """Return the kind of source."""
        return SCHEMES[self.scheme]

    @property
    def topic(self) -> str:
        """Return the path as the topic of a message broker, in which `%` begins a character's code as in any URL."""
        return unquote(self.path[1:])

    @property
    def title(self) -> str:
        """Return the beginning of the text, which says the kind."""
        return str(self) if self.is_bare else f"{self.scheme}://"

    @property
    def is_bare(self) -> bool:
        """Return whether the source has no address."""
        return self.scheme in BARE.values()

    def __str__(self) -> str:
        if self.is_bare:
            return self.kind.example
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{'' if self.path == '/' else self.path}"


def split_source(text: str) -> Source:
    """Return the parts of a source, with the default port of its kind.

    Raises:
        PydanticCustomError: it is not the URL of a known kind of source.

    """
    if text in BARE:
        return Source(BARE[text], "", 0, "/")
    scheme, _, rest = text.partition("://")
    kind = None if scheme in BARE.values() else SCHEMES.get(scheme)
    if kind is None or not rest:
        known = [*[f"{each}://" for each in SCHEMES if each not in BARE.values()], *BARE]
        hint = suggest(f"{scheme}://", known) or f"It begins with one of: {', '.join(known)}"
        raise invalid("unknown-source", f"{quoted(text)} is not a source of telegrams", hint)
    example = f"Write it like {kind.example}"
    if scheme in _WITH_TOPIC and "#" in rest:
        raise _wildcard()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", kind.port if parts.port is None else parts.port
    except ValueError:
        raise invalid("not-a-source", f"{quoted(text)} does not name a host and a port", example) from None
    if not host or not port or parts.fragment or len(text) > MAX_SOURCE_CHARACTERS or not text.isprintable():
        raise invalid("not-a-source", f"{quoted(cut(text))} does not name a host and a port", example)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    source = Source(scheme, host_name(host), port, path)
    if scheme in _WITH_TOPIC:
        _check_topic(source, example)
    if scheme == HOMEWIZARD and path != "/":
        raise invalid("path-not-used", "the source of a HomeWizard device has no path", example)
    return source


def _check_topic(source: Source, example: str) -> None:
    topic = source.topic
    if not topic or not topic.isprintable():
        raise invalid("topic-missing", "the source names no topic", example)
    if "+" in topic or "#" in topic or topic.startswith("$share/"):
        raise _wildcard()


def _wildcard() -> Exception:
    what = "a source is one topic: wildcards (+ and #) and shared subscriptions would mix meters or lose telegrams"
    return invalid("topic-wildcard", what, "Write the whole topic, and one meter for each")


def has_password(text: str) -> bool:
    """Return whether a source contains a user or a password, which logs and the page would show."""
    host, _, path = text.partition("://")[2].partition("/")
    if "@" in host:
        return True
    # A password may have a slash. What is before it then looks like a host with a port that is not a number.
    return "@" in path and ":" in host and not host.rpartition(":")[2].isdigit() and not host.endswith("]")


def check_source(value: Any) -> Any:
    """Return the text of a source if it can be used, or if it has a password, which no message may quote."""
    if isinstance(value, str) and not has_password(value):
        split_source(value)
    return value

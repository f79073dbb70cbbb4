"""`mqtt:`, the brokers that telegrams and readings are published to, and that telegrams are received from."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gateway.config.address import host_name
from gateway.files.validation import invalid
from gateway.problems.quoting import cut, quoted
from gateway.protocol.fleet.topics import is_valid_id, is_valid_prefix

MAX_BROKERS = 16
MAX_USER_CHARACTERS = 256
MAX_EDGE_CHARACTERS = 64
DEFAULT_PREFIX = "dsmr/v1"
PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Scheme of a broker's URL to its usual port."""

_NOT_IN_EDGE = re.compile(r"[^A-Za-z0-9._@:-]+")
_EXAMPLE = "Write it like mqtt://broker.local or mqtts://broker.local:8883"


class BrokerAddress(NamedTuple):
    """The address of a broker."""

    scheme: str
    host: str
    port: int

    @property
    def is_tls(self) -> bool:
        """Return whether the connection uses TLS."""
        return self.scheme == "mqtts"


def split_broker(text: str) -> BrokerAddress:
    """Return the parts of a broker's URL.

    Raises:
        PydanticCustomError: it is not the URL of a broker.

    """
    scheme, _, rest = text.partition("://")
    if scheme not in PORTS or not rest or not text.isprintable():
        raise invalid("not-a-broker", f"{quoted(cut(text))} is not the address of a broker", _EXAMPLE)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", PORTS[scheme] if parts.port is None else parts.port
    except ValueError:
        host, port = "", 0
    if not host or not port:
        raise invalid("not-a-broker", f"{quoted(cut(text))} does not name a host and a port", _EXAMPLE)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        what = "the address of a broker has no topic"
        raise invalid("topic-in-broker", what, f"Write {scheme}://{host}, and prefix: for the beginning of the topics")
    return BrokerAddress(scheme, host_name(host), port)


def _has_login(text: str) -> bool:
    """Return whether the address of a broker contains a user or a password; nothing else in it has this character."""
    return "@" in text


def _broker(value: Any) -> Any:
    """Return the text if it can be used, or if it has a password, which no message may quote."""
    if isinstance(value, str) and not _has_login(value):
        split_broker(value)
    return value


def _edge(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_edge(value: str) -> str:
    if not is_valid_id(value):
        what = f"{quoted(cut(value))} cannot be a level of a topic and a user of a broker"
        hint = "Write at most 64 letters, digits and . _ - @ : and not _ at the beginning"
        raise invalid("not-an-edge", what, hint)
    return value


def _check_prefix(value: str) -> str:
    if not is_valid_prefix(value):
        what = f"{quoted(cut(value))} cannot be the beginning of a topic"
        raise invalid("not-a-prefix", what, f"Write it like {DEFAULT_PREFIX}, without + # $ and without / at its ends")
    return value


class MqttConfig(BaseModel):
    """The brokers, the login there, and what is published."""

    model_config = ConfigDict(extra="forbid")

    brokers: list[Annotated[str, BeforeValidator(_broker)]] = Field(min_length=1, max_length=MAX_BROKERS)
    edge: Annotated[str | None, BeforeValidator(_edge), AfterValidator(lambda value: value and _check_edge(value))] = (
        None
    )
    user: Annotated[str, Field(max_length=MAX_USER_CHARACTERS)] | None = None
    password_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    prefix: Annotated[str, AfterValidator(_check_prefix)] = DEFAULT_PREFIX
    publish: list[Literal["telegrams", "readings", "home_assistant"]] = []

    @model_validator(mode="after")
    def _check_brokers(self) -> MqttConfig:
        if any(map(_has_login, self.brokers)):
            what = "the address of a broker contains no user and no password"
            raise invalid("password-in-broker", what, "They would be shown in logs. Write user: and password_file:")
        addresses = self.addresses
        places = [(each.host.lower(), each.port) for each in addresses]
        if twice := next((each for index, each in enumerate(places) if each in places[:index]), None):
            raise invalid("broker-twice", f"the broker {cut(twice[0])} is named twice", "Remove one of them")
        tls_keys = [key for key in ("ca", "certificate", "key") if getattr(self, key)]
        if tls_keys and not any(each.is_tls for each in addresses):
            what = f"{', '.join(tls_keys)} cannot be used without TLS"
            raise invalid("tls-keys-without-tls", what, "Write mqtts:// in brokers, or remove it")
        if (self.certificate is None) != (self.key is None):
            missing, given = ("key", "certificate") if self.certificate else ("certificate", "key")
            raise invalid("client-key-missing", f"{given} needs {missing}", f"Add {missing}: with its PEM file")
        return self

    @property
    def addresses(self) -> list[BrokerAddress]:
        """Return the brokers in their order."""
        return [split_broker(each) for each in self.brokers]

    @property
    def edge_name(self) -> str:
        """Return the id of this gateway; the name of this machine if none is configured."""
        return self.edge or _NOT_IN_EDGE.sub("-", socket.gethostname()).lstrip("_-")[:MAX_EDGE_CHARACTERS] or "gateway"

    @property
    def login(self) -> str | None:
        """Return the user at the brokers; None to log in without one."""
        return self.user or (self.edge_name if self.password_file else None)

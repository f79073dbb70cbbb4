"""The options of a client of an MQTT broker: the broker, the way to connect, and the limits that the broker sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gateway.transport.client_tls import ClientCertificate
from gateway.transport.mqtt_message import Message

CONNECT_TIMEOUT_S = 10.0
"""Longest time until the broker has accepted the login."""
NO_LIMIT = 1 << 28
"""Size in bytes that no packet of MQTT has."""


@dataclass(frozen=True, slots=True)
class Broker:
    """An MQTT broker, and the login there."""

    host: str
    port: int
    is_tls: bool = False
    user: str | None = None
    password_file: Path | None = None
    ca: Path | None = None
    """PEM file of the only authorities that are trusted; None for those of the system."""
    certificate: ClientCertificate | None = None
    """The certificate of this client, and its key; None for none."""


@dataclass(frozen=True, slots=True)
class Options:
    """The way in which a client connects."""

    client_id: str | None = None
    """The id at the broker, which ends another connection with it; None for a random one."""
    will: Message | None = None
    """The message that the broker publishes, and stores, when this client is gone without closing."""
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    needs_new: bool = False
    """True to refuse a broker that does not speak MQTT 5."""


class Limits(NamedTuple):
    """The limits that a broker sets in its response to the login (MQTT 5.0, 3.2.2.3)."""

    window: int = 0xFFFF
    """Largest number of messages with QoS 1 that it has not acknowledged."""
    packet_bytes: int = NO_LIMIT
    """Largest size of a packet."""
    can_store: bool = True
    """False if it does not accept messages that it has to retain."""
    has_qos_1: bool = True
    """False if it only accepts messages with QoS 0."""


def limits_of(properties: Any) -> Limits:
    """Return the limits in the properties of a broker's response; what is not among them has no limit."""
    default = Limits()
    return Limits(
        getattr(properties, "ReceiveMaximum", default.window),
        getattr(properties, "MaximumPacketSize", default.packet_bytes),
        bool(getattr(properties, "RetainAvailable", True)),
        getattr(properties, "MaximumQoS", 1) > 0,
    )

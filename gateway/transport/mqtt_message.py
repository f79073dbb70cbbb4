"""A message on a topic of an MQTT broker, and the form that paho-mqtt has for its properties."""

from __future__ import annotations

from typing import Any, NamedTuple

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


class Message(NamedTuple):
    """A message on a topic."""

    topic: str
    payload: bytes
    is_retained: bool = False
    """Received: True if the broker had stored the message, which may then be of any age. Sent: True to store it."""
    properties: tuple[tuple[str, str], ...] = ()
    """The user properties in their order (MQTT 5.0, 3.3.2.3.7); empty with MQTT 3.1.1."""
    expires_s: int | None = None
    """Whole seconds after which the broker drops it; received: what was left. 0 is never sent."""
    content_type: str | None = None


def properties_of(message: Message) -> Any:
    """Return the properties of a message that is sent with MQTT 5; None for none."""
    if not message.properties and message.expires_s is None and message.content_type is None:
        return None
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if message.properties:
        properties.UserProperty = list(message.properties)
    if message.expires_s is not None:
        properties.MessageExpiryInterval = max(1, message.expires_s)
    if message.content_type is not None:
        properties.ContentType = message.content_type
    return properties

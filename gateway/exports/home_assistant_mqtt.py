"""Discovery of a meter for Home Assistant's MQTT integration: one message for the device with all its sensors.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload describes its form. A sensor is available
while the gateway is online and the meter's readings are fresh; both have a topic. `expire_after` ends it too if no
message comes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from gateway.protocol.p1.names import NAMES, ValueType

STATUS_TOPIC = "homeassistant/status"
"""Topic on which Home Assistant reports that it is online; the discovery is then published again."""

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]+")
_NOT_IN_ENTITY = re.compile(r"[^a-z0-9_]+")
_HIDDEN = re.compile(r"mbus.*|gateway_.*|energy_(import|export)_(low|normal)|demand_peak_.+|.*_(time|age|identifier)")
"""Readings without a sensor: parts and copies of another reading, times, ages and identifiers."""
_COUNTED = re.compile(r"tariff|power_failures(_long)?|voltage_(sags|swells)_l[123]|power_factor(_l[123])?")
"""Readings without unit that have a sensor."""
_DIAGNOSTIC = re.compile(r"power_failures(_long)?|voltage_(sags|swells)_l[123]|fuse_limit_l[123]|limiter_.*")


class _Quantity(NamedTuple):
    unit: str
    device_class: str | None
    is_counter: bool = False
    divisor: int = 1
    digits: int = 0


_QUANTITIES = {
    "W": _Quantity("W", "power"),
    "Wh": _Quantity("kWh", "energy", is_counter=True, divisor=1000, digits=3),
    "J": _Quantity("GJ", "energy", is_counter=True, divisor=10**9, digits=3),
    "VA": _Quantity("VA", "apparent_power"),
    "var": _Quantity("var", "reactive_power"),
    "varh": _Quantity("kvarh", None, is_counter=True, divisor=1000, digits=3),
    "V": _Quantity("V", "voltage", digits=1),
    "A": _Quantity("A", "current", digits=2),
    "Hz": _Quantity("Hz", "frequency", digits=2),
    "m3": _Quantity("m³", "volume", is_counter=True, digits=3),
    "s": _Quantity("s", "duration"),
}
"""Base unit of a reading to what Home Assistant shows."""


class Device(NamedTuple):
    """A meter, and its topics."""

    edge: str
    meter: str
    model: str
    software: str
    """Version of the gateway."""
    state_topic: str
    availability_topic: str
    status_topic: str
    """Topic with the status of the gateway."""
    expires_s: int
    """Seconds after the last message in which a sensor is unavailable."""


def sensors_of(names: Iterable[str]) -> frozenset[str]:
    """Return those of these readings that have a sensor."""
    return frozenset(name for name in names if _has_sensor(name))


def _has_sensor(name: str) -> bool:
    info = NAMES.get(name)
    if info is None or info.value_type is not ValueType.NUMBER or _HIDDEN.fullmatch(name):
        return False
    return info.unit in _QUANTITIES or _COUNTED.fullmatch(name) is not None


def discovery_topic(device: Device) -> str:
    """Return the topic of the discovery message."""
    return f"homeassistant/device/{_id_of(device)}/config"


def discovery(device: Device, names: Iterable[str]) -> bytes:
    """Return the discovery message of a device with a sensor for each of these readings."""
    identity = _id_of(device)
    config = {
        "device": {
            "identifiers": [identity],
            "name": device.meter,
            "model": device.model,
            "sw_version": device.software,
        },
        "origin": {"name": "dsmr-modbus-gateway", "sw_version": device.software},
        "state_topic": device.state_topic,
        "availability_mode": "all",
        "availability": [
            {"topic": device.status_topic, "value_template": "{{ value_json.state }}"},
            {"topic": device.availability_topic},
        ],
        "components": {name: _sensor(device, identity, name) for name in sorted(names)},
    }
    return json.dumps(config, ensure_ascii=False).encode()


def _sensor(device: Device, identity: str, name: str) -> dict[str, Any]:
    sensor: dict[str, Any] = {
        "platform": "sensor",
        "unique_id": f"{identity}_{name}",
        "default_entity_id": f"sensor.{_slug(device.meter) or 'p1'}_{name}",
        "name": _title(name),
        "expire_after": device.expires_s,
    }
    quantity = _QUANTITIES.get(NAMES[name].unit or "")
    if quantity:
        medium = next((medium for medium in ("gas", "water") if medium in name), quantity.device_class)
        sensor |= {
            "unit_of_measurement": quantity.unit,
            "state_class": "total_increasing" if quantity.is_counter else "measurement",
            "suggested_display_precision": quantity.digits,
        }
        if device_class := medium if quantity.device_class == "volume" else quantity.device_class:
            sensor["device_class"] = device_class
    if _DIAGNOSTIC.fullmatch(name):
        sensor["entity_category"] = "diagnostic"
    # A reading that is absent from a message has no state; the text None says so.
    value = f"value_json.readings.get('{name}', {{}}).get('value')"
    divisor = quantity.divisor if quantity else 1
    scaled = f"{{% set v = {value} %}}{{{{ v / {divisor} if v is number else none }}}}"
    return sensor | {"value_template": scaled if divisor > 1 else f"{{{{ {value} }}}}"}


def _title(name: str) -> str:
    """Return the name of a reading as people write it: `Power import L1`."""
    words = name.split("_")
    return " ".join([words[0].capitalize(), *(word.upper() if word[1:].isdigit() else word for word in words[1:])])


def _slug(text: str) -> str:
    return _NOT_IN_ENTITY.sub("_", text.lower()).strip("_")


def _id_of(device: Device) -> str:
    """Return the id of a device; other characters than those of an id are replaced, and a digest tells names apart.

    The first underscore is between the names, unless there is one in that of the edge.
    """
    given = f"{device.edge}_{device.meter}"
    slug = _NOT_IN_ID.sub("_", given)
    is_plain = slug == given and "_" not in device.edge
    digest = "" if is_plain else "_" + hashlib.sha256(f"{device.edge}/{device.meter}".encode()).hexdigest()[:6]
    return f"dsmr_gateway_{slug}{digest}"

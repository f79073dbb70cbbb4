"""The places that a running gateway reads, for a program of the same user that looks for meters."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config import Config
from gateway.config.meter import MeterConfig
from gateway.protocol.p1.identifiers import pseudonym
from gateway.protocol.p1.meter import MeterState


def describe_sources(config: Config, meters: Mapping[str, MeterState], now: float) -> Mapping[str, object]:
    """Return the places that the gateway reads, with the version, pseudonym and age of each meter.

    Args:
        config: the configuration in use.
        meters: its meters by name.
        now: this moment on the monotonic clock.

    """
    places = {name: _place(meter) for name, meter in config.all_meters().items() if not meter.simulate}
    return {
        "meters": [{"name": name, **place, **_state(meters[name], now)} for name, place in places.items() if place],
        "passthroughs": [each.listen.port for each in config.passthrough],
    }


def _place(meter: MeterConfig) -> Mapping[str, object]:
    """Return the device, or host and port; nothing for a meter whose telegrams are posted."""
    if meter.is_serial:
        return {"place": meter.device, "device": meter.device}
    if meter.host:
        host = f"[{meter.host}]" if ":" in meter.host else meter.host
        return {"place": f"{host}:{meter.port}", "host": meter.host, "port": int(meter.port or 0)}
    source = meter.parsed_source
    return {"place": str(source), "host": source.host, "port": source.port} if source and source.host else {}


def _state(meter: MeterState, now: float) -> Mapping[str, object]:
    newest = meter.newest
    if newest is None:
        return {}
    identifier = newest.readings.values.get("equipment_identifier")
    return {
        "title": newest.variant.title,
        "meter": "" if identifier is None else pseudonym(identifier),
        "age_s": round(now - newest.measured, 1),
    }

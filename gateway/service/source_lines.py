"""The line of each kind of source, made from its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.protocol.p1.variants import VARIANTS
from gateway.transport.addresses import place_of

if TYPE_CHECKING:
    from gateway.config.meter import MeterConfig
    from gateway.config.source import Source
    from gateway.lines.line import Line
    from gateway.protocol.p1.variants import SerialSettings

HOMEWIZARD_V1_PORT = 80
Lines = list[tuple[str, "Line"]]
"""Lines to try in turn, each with its label."""


def lines_of(source: Source, config: MeterConfig, folder: Path, settings: list[SerialSettings]) -> Lines:
    """Return the lines to open for a source.

    Args:
        source: the source.
        config: the meter with that source.
        folder: the folder where relative paths begin.
        settings: speeds and forms of a byte to try, for a source that needs them.

    """
    return _MAKERS[source.scheme](source, config, folder, settings)


def _http(source: Source, config: MeterConfig, folder: Path, _settings: list[SerialSettings]) -> Lines:
    from gateway.lines.http import HttpLine  # noqa: PLC0415 - only where there is one

    ca, token_file = config.ca and folder / config.ca, config.token_file and folder / config.token_file
    return [(str(source), HttpLine(str(source), _poll_s(config), ca, token_file))]


def _homewizard(source: Source, config: MeterConfig, folder: Path, _settings: list[SerialSettings]) -> Lines:
    from gateway.lines.homewizard import HomeWizardV1Line, HomeWizardV2Line  # noqa: PLC0415 - only where there is one

    lines: Lines = []
    v2, v1_place = None, place_of(source.host, HOMEWIZARD_V1_PORT)
    if config.token_file:
        place, ca = place_of(source.host, source.port), config.ca and folder / config.ca
        v2 = HomeWizardV2Line(place, config.poll, ca, folder / config.token_file)
        lines.append((f"{source} (API v2)", v2))
    return [*lines, (f"{source.scheme}://{v1_place} (API v1)", HomeWizardV1Line(v1_place, config.poll, v2))]


def _poll_s(config: MeterConfig) -> float | None:
    """Return the seconds between two requests, None to follow the meter if its version is not configured."""
    from gateway.lines.changes import poll_for  # noqa: PLC0415 - only where there is one

    variant = VARIANTS.get(config.dsmr_version)
    return config.poll or (poll_for(variant.cadence_s) if variant else None)


def _rfc2217(source: Source, _config: MeterConfig, _folder: Path, settings: list[SerialSettings]) -> Lines:
    from gateway.lines.rfc2217 import Rfc2217Line  # noqa: PLC0415 - only where there is one

    return [(f"{source} {each}", Rfc2217Line(source.host, source.port, each)) for each in settings]


def _websocket(source: Source, config: MeterConfig, folder: Path, _settings: list[SerialSettings]) -> Lines:
    from gateway.lines.websocket import WebSocketLine  # noqa: PLC0415 - only where there is one

    return [(str(source), WebSocketLine(str(source), config.ca and folder / config.ca))]


def _mqtt(source: Source, config: MeterConfig, folder: Path, _settings: list[SerialSettings]) -> Lines:
    from gateway.lines.mqtt import MqttLine  # noqa: PLC0415 - only where there is one
    from gateway.transport.mqtt import Broker  # noqa: PLC0415

    broker = Broker(
        source.host,
        source.port,
        is_tls=source.scheme == "mqtts",
        user=config.user,
        password_file=config.password_file and folder / config.password_file,
        ca=config.ca and folder / config.ca,
    )
    return [(str(source), MqttLine(broker, source.topic))]


def _push(source: Source, _config: MeterConfig, _folder: Path, _settings: list[SerialSettings]) -> Lines:
    from gateway.lines.push import PushLine  # noqa: PLC0415 - only where there is one

    return [(str(source), PushLine())]


_MAKERS: Mapping[str, Callable[[Source, MeterConfig, Path, list[SerialSettings]], Lines]] = {
    "http": _http,
    "https": _http,
    "homewizard": _homewizard,
    "rfc2217": _rfc2217,
    "push": _push,
    "brokers": lambda *_: [],  # the brokers have connections of their own, for all meters
    "ws": _websocket,
    "wss": _websocket,
    "mqtt": _mqtt,
    "mqtts": _mqtt,
}
"""Scheme of a source → the function that makes its lines; a test compares it with `SCHEMES`."""

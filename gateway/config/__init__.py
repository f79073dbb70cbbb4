"""The configuration: from a strict YAML file to validated settings, or to every problem with its place in the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.environment import is_overridden, override
from gateway.config.meter import MeterConfig
from gateway.config.modbus import ModbusConfig
from gateway.config.passthrough import PassthroughConfig
from gateway.config.status_page import StatusPageConfig
from gateway.config.types import Listen
from gateway.files.validation import suggest, validate
from gateway.files.yaml_file import Document, FileError, Loc, Problem, dotted, is_there, load
from gateway.maps.load import find_map, load_map
from gateway.protocol.modbus.unit import OnStale


class Config(BaseModel):
    """The whole configuration."""

    model_config = ConfigDict(extra="forbid")

    meter: MeterConfig | None = None
    meters: dict[str, MeterConfig] = {}
    modbus: list[ModbusConfig] = Field(default_factory=lambda: [ModbusConfig()], min_length=1)
    passthrough: list[PassthroughConfig] = []
    status_page: StatusPageConfig | None = None

    def all_meters(self) -> dict[str, MeterConfig]:
        """Return the meters by name; a single one under `meter:` has the name `meter`."""
        return self.meters or {"meter": self.meter or MeterConfig()}


def load_config(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration; environment variables override the file, or replace it.

    Raises:
        FileError: with every problem.

    """
    return load_with_places(path, environment)[1]


def load_with_places(path: Path, environment: Mapping[str, str] = os.environ) -> tuple[Document, Config]:
    """Read a configuration as `load_config` does, and return its document with the places of all values too."""
    is_file_needed = is_there(path) or not is_overridden(environment)
    document = load(path) if is_file_needed else Document(str(path))
    override(document, environment)
    config = validate(document, Config)
    faults = _check_references(document, config) + _check_maps(document, config, path.parent)
    if faults:
        raise FileError(faults)
    return document, config


def load_status_page(path: Path, environment: Mapping[str, str] = os.environ) -> StatusPageConfig | None:
    """Return the settings of the status page, also from an otherwise invalid configuration; None if there are none."""
    try:
        document = load(path)
    except FileError:
        document = Document(str(path))
    try:
        override(document, environment)
        section = document.data.get("status_page") if isinstance(document.data, dict) else None
        return None if section is None else validate(Document(str(path), section), StatusPageConfig)
    except FileError:
        return None


def _check_references(document: Document, config: Config) -> list[Problem]:
    """Check the names by which one part of the configuration refers to another."""
    faults: list[Problem] = []
    if config.meter is not None and config.meters:
        faults.append(document.fault(("meter",), "stands beside meters:", "Give one of them"))
    for index, server in enumerate(config.modbus):
        here = ("modbus", index)
        for unit_id, unit in server.units.items():
            faults += _check_meter(document, config, (*here, "units", str(unit_id)), unit.meter)
        if server.other is not None and server.other not in server.units:
            hint = f"Wired are: {', '.join(map(str, server.units))}"
            faults.append(document.fault((*here, "units", "other"), f"unit {server.other} is not wired", hint))
    for index, passthrough in enumerate(config.passthrough):
        here = ("passthrough", index)
        faults += _check_meter(document, config, here, passthrough.meter)
        if passthrough.writable and any(meter.host for meter in _meant(config, passthrough.meter)):
            hint = "Only a serial port of this machine can be written to"
            faults.append(document.fault((*here, "writable"), "the meter is behind a host", hint))
    return faults + _check_addresses(document, config)


def _meant(config: Config, name: str | None) -> list[MeterConfig]:
    """Return the meter with that name, or the only one."""
    meters = config.all_meters()
    if name is None:
        return list(meters.values()) if len(meters) == 1 else []
    return [meters[name]] if name in meters else []


def _check_meter(document: Document, config: Config, loc: Loc, name: str | None) -> list[Problem]:
    if _meant(config, name):
        return []
    meters = list(config.all_meters())
    if name is None:
        return [document.fault(loc, "it is not said which meter", f"Give meter: {' or '.join(meters)}")]
    hint = suggest(name, meters) or f"There are: {', '.join(meters)}"
    return [document.fault((*loc, "meter"), f"there is no meter {name!r}", hint)]


def _check_addresses(document: Document, config: Config) -> list[Problem]:
    listeners: list[tuple[Loc, str, Listen]] = [
        (("modbus", index), "udp" if server.transport == "udp" else "tcp", server.address)
        for index, server in enumerate(config.modbus)
        if server.serial is None
    ]
    listeners += [(("passthrough", index), "tcp", port.listen) for index, port in enumerate(config.passthrough)]
    if config.status_page:
        listeners.append((("status_page",), "tcp", config.status_page.listen))
    faults: list[Problem] = []
    for position, (loc, transport, address) in enumerate(listeners):
        for before, its_transport, its_address in listeners[:position]:
            if transport == its_transport and _is_one_place(address, its_address):
                what = f"{address} is taken by {dotted(before)}"
                faults.append(document.fault((*loc, "listen"), what, "Give another port"))
                break
    return faults


def _is_one_place(one: Listen, other: Listen) -> bool:
    """Return whether the system would refuse the second address; port 0 is a different free port each time."""
    is_shared = one.host == other.host or not (one.host and other.host)
    return is_shared and one.port == other.port != 0


def _check_maps(document: Document, config: Config, folder: Path) -> list[Problem]:
    faults: list[Problem] = []
    for index, server in enumerate(config.modbus):
        for unit_id, unit in server.units.items():
            here = ("modbus", index, "units", str(unit_id))
            try:
                path = find_map(unit.map, folder)
            except LookupError as error:
                what, _, hint = str(error).partition(" | ")
                faults.append(document.fault((*here, "map"), what, hint))
                continue
            if unit.on_stale is OnStale.ABSENT and _takes_codes_for_numbers(path):
                what = f"clients of {unit.map} take the codes for absent values for numbers"
                faults.append(document.fault((*here, "on_stale"), what, "Give exception or silent"))
    return faults


def _takes_codes_for_numbers(path: Path) -> bool:
    try:
        return bool(load_map(path).requires)
    except FileError:
        return False  # which is told where the map is used

"""The configuration: a strict YAML file → checked settings, or every fault with its place in the file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.meter import MeterConfig
from gateway.config.modbus import ModbusConfig
from gateway.maps import find_map
from gateway.validation import suggest, validate
from gateway.yaml_file import Document, Fault, FileError, load


class Config(BaseModel):
    """The whole configuration."""

    model_config = ConfigDict(extra="forbid")

    meter: MeterConfig | None = None
    meters: dict[str, MeterConfig] = {}
    modbus: list[ModbusConfig] = Field(default_factory=lambda: [ModbusConfig()], min_length=1)

    def all_meters(self) -> dict[str, MeterConfig]:
        """Meters by name; a single one under `meter:` is called so."""
        return self.meters or {"meter": self.meter or MeterConfig()}


def load_config(path: Path) -> Config:
    """Read a configuration.

    Raises:
        FileError: with every fault.

    """
    document = load(path)
    config = validate(document, Config)
    faults = _check_references(document, config) + _check_maps(document, config, path.parent)
    if faults:
        raise FileError(faults)
    return config


def _check_references(document: Document, config: Config) -> list[Fault]:
    """What a part of the configuration says of another."""
    faults: list[Fault] = []
    if config.meter is not None and config.meters:
        faults.append(document.fault(("meter",), "stands beside meters:", "Give one of them"))
    meters = list(config.all_meters())
    listening: dict[str, int] = {}
    for index, server in enumerate(config.modbus):
        here = ("modbus", index)
        address = f"{server.address} {'udp' if server.transport == 'udp' else 'tcp'}"
        if server.address.port and address in listening:
            faults.append(document.fault((*here, "listen"), f"{server} is taken by modbus[{listening[address]}]"))
        listening[address] = index
        for unit_id, unit in server.units.items():
            loc = (*here, "units", str(unit_id))
            if unit.meter is None and len(meters) > 1:
                faults.append(document.fault(loc, "which meter?", f"Give meter: {' or '.join(meters)}"))
            elif unit.meter is not None and unit.meter not in meters:
                hint = suggest(unit.meter, meters) or f"There are: {', '.join(meters)}"
                faults.append(document.fault((*loc, "meter"), f"there is no meter {unit.meter!r}", hint))
        if server.other is not None and server.other not in server.units:
            hint = f"Wired are: {', '.join(map(str, server.units))}"
            faults.append(document.fault((*here, "units", "other"), f"unit {server.other} is not wired", hint))
    return faults


def _check_maps(document: Document, config: Config, folder: Path) -> list[Fault]:
    faults: list[Fault] = []
    for index, server in enumerate(config.modbus):
        for unit_id, unit in server.units.items():
            try:
                find_map(unit.map, folder)
            except LookupError as error:
                what, _, hint = str(error).partition(" | ")
                faults.append(document.fault(("modbus", index, "units", str(unit_id), "map"), what, hint))
    return faults

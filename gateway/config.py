"""The configuration: a strict YAML file → checked settings, or every fault with its place in the file."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gateway.maps import find_map
from gateway.protocol.unit import OnStale
from gateway.protocol.variants import ALIASES, VARIANTS
from gateway.validation import suggest, validate
from gateway.yaml_file import Document, Fault, FileError, load

DEFAULT_DEVICE = "/dev/ttyUSB0"
DEFAULT_LISTEN = ":502"
DEFAULT_MAP = "dsmr"
AUTO = "auto"
MAX_CLIENTS = 32
MAX_CLIENTS_LIMIT = 500
"""Far under the number of open files that a system allows a process, 1024 on most."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, None: 1}
_URL = re.compile(r"(?:socket|tcp)://(\[[^\]]+\]|[^:/]+):([0-9]+)/?")
_ADDRESS = re.compile(r"(?:\[([^\]]*)\]|([^:]*)):([0-9]+)")


def _duration(value: Any) -> Any:
    match = _DURATION.fullmatch(str(value).strip()) if isinstance(value, (str, int, float)) else None
    if match is None:
        raise ValueError("is no duration | Write it like 30s, 500ms or 2m")
    return float(match[1]) * _SECONDS[match[2]]


def _version(value: Any) -> Any:
    text = str(value)
    known = {key.upper(): key for key in (*VARIANTS, *ALIASES, AUTO)}
    key = known.get(text.upper())
    if key is None:
        hint = suggest(text, list(known.values()))
        raise ValueError(f"{text!r} is no DSMR version | {hint or 'There are: ' + ', '.join(known.values())}")
    return ALIASES.get(key, key)


def _port(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Listen(BaseModel):
    """An address to listen on."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int = Field(ge=0, le=65535)

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def _listen(value: Any) -> Any:
    if isinstance(value, (Listen, dict)):
        return value
    text = f":{value}" if isinstance(value, int) else str(value)
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        raise ValueError("is no address to listen on | Write it like :502, 192.168.1.5:502 or [::1]:502")
    return {"host": match[1] or match[2] or "", "port": int(match[3])}


Duration = Annotated[float, BeforeValidator(_duration), Field(gt=0, le=86_400)]
ListenAddress = Annotated[Listen, BeforeValidator(_listen)]


class MeterConfig(BaseModel):
    """Where a meter's telegrams come from; `port`, `host` and `dsmr_version` as in Home Assistant."""

    model_config = ConfigDict(extra="forbid")

    port: Annotated[str | None, BeforeValidator(_port)] = None
    host: str | None = None
    dsmr_version: Annotated[str, BeforeValidator(_version)] = AUTO
    baudrate: int | None = Field(default=None, ge=300, le=4_000_000)
    bytesize: Literal[7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stopbits: Literal[1, 2] | None = None
    watchdog: Duration = 30.0
    stale_after: Duration | None = None
    simulate: bool = False

    @model_validator(mode="after")
    def _check_port(self) -> MeterConfig:
        url = _URL.fullmatch(self.port or "")
        if url:
            if self.host:
                raise ValueError("port is an address already | Leave host out")
            self.host, self.port = url[1].strip("[]"), url[2]
        is_number = (self.port or "").isdecimal()
        if self.host and not self.port:
            raise ValueError("host needs a port, the TCP port of the ser2net there | Such as port: 2001")
        if self.host and not (is_number and 0 < int(self.port or 0) < 65536):
            raise ValueError(f"with host, port is a TCP port (found {self.port!r}) | Such as port: 2001")
        if not self.host and is_number:
            raise ValueError(f"port {self.port} is a TCP port and needs a host | Or give a device such as /dev/ttyUSB0")
        serial_keys = {"baudrate", "bytesize", "parity", "stopbits"} & self.model_fields_set
        if self.host and serial_keys:
            raise ValueError(
                f"{', '.join(sorted(serial_keys))} cannot be set from here with host | Set it in the ser2net there"
            )
        return self

    @property
    def device(self) -> str:
        """The serial device, when there is no host."""
        return self.port or DEFAULT_DEVICE


class UnitConfig(BaseModel):
    """What a unit id serves."""

    model_config = ConfigDict(extra="forbid")

    meter: str | None = None
    map: str = DEFAULT_MAP
    on_stale: OnStale = OnStale.EXCEPTION
    stale_after: Duration | None = None


class ModbusConfig(BaseModel):
    """One Modbus server."""

    model_config = ConfigDict(extra="forbid")

    listen: ListenAddress = Listen(host="", port=502)
    allow: list[IPv4Network | IPv6Network] = []
    max_clients: int = Field(default=MAX_CLIENTS, ge=1, le=MAX_CLIENTS_LIMIT)
    units: dict[Annotated[int, Field(ge=0, le=255)], UnitConfig] = Field(
        default_factory=lambda: {1: UnitConfig()}, min_length=1
    )
    other: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_other(cls, data: Any) -> Any:
        """`other:` stands among the units, and names the one that answers for all the rest."""
        units = data.get("units") if isinstance(data, dict) else None
        if not isinstance(units, dict) or "other" not in units:
            return data
        rest = {key: value for key, value in units.items() if key != "other"}
        return {**data, "units": rest, "other": units["other"]}


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
        address = str(server.listen)
        if server.listen.port and address in listening:
            faults.append(document.fault((*here, "listen"), f"{address} is taken by modbus[{listening[address]}]"))
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

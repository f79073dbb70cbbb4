"""`modbus:`, the Modbus servers and their units."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.config.types import MAX_CLIENTS_LIMIT, MAX_NETWORKS, Duration, Listen, ListenAddress, Network, TlsConfig
from gateway.files.validation import invalid
from gateway.maps.file import Setting
from gateway.problems.listing import numbered
from gateway.problems.quoting import quoted
from gateway.protocol.modbus.repeat import Repeat
from gateway.protocol.modbus.unit import OnStale

DEFAULT_MAP = "dsmr"
MODBUS_PORT, MODBUS_TLS_PORT = 502, 802
MAX_CLIENTS = 32
MAX_OBJECT_CHARACTERS = 100
MAX_SETTINGS = 20
"""Largest number of settings of a unit."""
DEFAULT_WAIT_S = 0.9
"""Default of `wait_up_to`: less than the second between two telegrams of a fast meter and of a client's time limit."""
LONG_WAIT_S = 3.0
"""Value of `wait_up_to` that is longer than the time limits of most clients."""


MAX_PATH_CHARACTERS = 4096
"""Longest path of Linux (PATH_MAX)."""


def _is_unit_id(value: object) -> bool:
    text = value if isinstance(value, str) else repr(value)
    return text.isdecimal() and len(text) <= len("255")


class UnitKeys(BaseModel):
    """The keys of a unit that several units may have in common, each valid by itself."""

    model_config = ConfigDict(extra="forbid")

    map: str = Field(default=DEFAULT_MAP, max_length=MAX_PATH_CHARACTERS)
    settings: dict[str, Setting] = Field(default={}, max_length=MAX_SETTINGS)
    on_stale: OnStale = OnStale.EXCEPTION
    stale_after: Duration | None = None
    test_pattern: bool = False
    identifiers: bool = False
    repeat: Repeat = Repeat.SERVE
    wait_up_to: Duration | None = None


class UnitConfig(UnitKeys):
    """The register map and the behaviour of one unit id."""

    meter: str | None = None

    @model_validator(mode="after")
    def _check_repeat(self) -> UnitConfig:
        if self.wait_up_to is not None and self.repeat is not Repeat.WAIT:
            what = f"wait_up_to needs repeat: wait (found {self.repeat})"
            raise invalid("wait-without-repeat", what, "Add repeat: wait, or remove it")
        return self


class SerialConfig(BaseModel):
    """A serial line; the defaults are those of the Modbus serial line guide."""

    model_config = ConfigDict(extra="forbid")

    port: str
    baudrate: int = Field(default=19_200, ge=300, le=4_000_000)
    bytesize: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "E"
    stopbits: Literal[1, 2] = 1


class IdentificationConfig(BaseModel):
    """The texts in a server's response to function code 43."""

    model_config = ConfigDict(extra="forbid")

    vendor_name: str = Field(default="dsmr-modbus-gateway", max_length=MAX_OBJECT_CHARACTERS)
    product_code: str = Field(default="P1", max_length=MAX_OBJECT_CHARACTERS)
    revision: str | None = Field(default=None, max_length=MAX_OBJECT_CHARACTERS)
    vendor_url: str = Field(default="", max_length=MAX_OBJECT_CHARACTERS)
    product_name: str = Field(default="P1 to Modbus gateway", max_length=MAX_OBJECT_CHARACTERS)
    model_name: str = Field(default="", max_length=MAX_OBJECT_CHARACTERS)
    user_application_name: str = Field(default="", max_length=MAX_OBJECT_CHARACTERS)


class ServerKeys(BaseModel):
    """The keys of a Modbus server that several servers may have in common, each valid by itself."""

    model_config = ConfigDict(extra="forbid")

    transport: Literal["tcp", "rtu_over_tcp", "udp"] = "tcp"
    tls: TlsConfig | None = None
    allow: list[Network] = Field(default=[], max_length=MAX_NETWORKS)
    priority: list[Network] = Field(default=[], max_length=MAX_NETWORKS)
    max_clients: int = Field(default=MAX_CLIENTS, ge=1, le=MAX_CLIENTS_LIMIT)
    idle_timeout: Duration | None = None
    identification: IdentificationConfig = IdentificationConfig()


class ModbusConfig(ServerKeys):
    """A Modbus server."""

    listen: ListenAddress | None = None
    serial: SerialConfig | None = None
    units: dict[Annotated[int, Field(ge=0, le=255)], UnitConfig] = Field(
        default_factory=lambda: {1: UnitConfig()},
        min_length=1,
        max_length=256,
        json_schema_extra={"properties": {"other": {"type": "integer"}}},
    )
    other: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_other(cls, data: Any) -> Any:
        """Move `other:` out of the units; it names the unit that responds to all other unit ids."""
        units = data.get("units") if isinstance(data, dict) else None
        if not isinstance(units, dict):
            return data
        for key in UnitConfig.model_fields:
            if key in units:
                hint = "Write it below the number of the unit, indented by two spaces more"
                raise invalid("key-of-unit", f"{key} is a key of a unit, and units has unit ids", hint)
        if "other" not in units:
            return data
        if units["other"] is not None and not _is_unit_id(units["other"]):
            hint = "Write the number of a unit, such as other: 1"
            raise invalid("not-a-unit-id", f"other: {quoted(units['other'])} in units is not a unit id", hint)
        rest = {key: value for key, value in units.items() if key != "other"}
        return {**data, "units": rest, "other": units["other"]}

    @model_validator(mode="after")
    def _check_transport(self) -> ModbusConfig:
        if self.serial and self.model_fields_set & {"listen", "transport", "tls", "allow", "priority"}:
            what = "a server on a serial line has no listen, transport, tls, allow or priority"
            raise invalid("network-keys-with-serial", what, "Remove these keys, or serial")
        if self.serial and 0 in self.units:
            what = "on a serial line, unit id 0 is the broadcast address"
            raise invalid("broadcast-unit", what, "Use unit ids from 1 to 247")
        if self.serial and any(unit.repeat is Repeat.WAIT for unit in self.units.values()):
            what = "on a serial line a request that waits keeps all other devices waiting"
            raise invalid("wait-on-serial-line", what, "Configure repeat: busy, or serve over TCP")
        if self.tls and self.transport != "tcp":
            what = f"tls needs transport: tcp (found {self.transport})"
            raise invalid("tls-without-tcp", what, "Remove tls, or write transport: tcp")
        if self.transport == "udp" and not self.allow:
            what = "UDP without allow: anybody can make the gateway send to others, with a false sender's address"
            hint = "Add allow: [192.168.1.0/24] to this server, with the network of its clients"
            raise invalid("udp-without-allow", what, hint)
        if self.transport == "udp" and self.model_fields_set & {"max_clients", "idle_timeout", "priority"}:
            raise invalid(
                "udp-without-connections", "UDP has no connections", "Remove max_clients, idle_timeout and priority"
            )
        return self

    @property
    def address(self) -> Listen:
        """Return the address to listen on."""
        return self.listen or Listen(host="", port=MODBUS_TLS_PORT if self.tls else MODBUS_PORT)

    def __str__(self) -> str:
        transport = "" if self.transport == "tcp" else f" {self.transport}"
        return self.serial.port if self.serial else f"{self.address}{transport}"


def long_waits(servers: list[ModbusConfig]) -> list[str]:
    """Return a remark for the units whose clients may take a request that waits for one without response."""
    units: dict[tuple[str, float], list[int]] = {}
    for server in servers:
        for unit_id, unit in server.units.items():
            if unit.wait_up_to and unit.wait_up_to > LONG_WAIT_S:
                units.setdefault((str(server), unit.wait_up_to), []).append(unit_id)
    return [
        f"{numbered('unit', ids)} of {where}: wait_up_to is {wait_s:g} s; many clients wait 1 to 3 s for a response"
        for (where, wait_s), ids in units.items()
    ]

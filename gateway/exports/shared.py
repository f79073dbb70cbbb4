"""Code that all exports share: the unit to read, the registers to export, and numbers as text formats write them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from gateway.protocol.p1.variants import SerialSettings
from gateway.protocol.registers.data_type import TYPES
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap

PROGRAM_PORT = "/dev/ttyUSB0"
"""Serial port of the machine that runs the program. Only its user knows it, so a remark says to replace it."""


class ExportError(Exception):
    """A unit that cannot be exported in this format; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class Target:
    """A unit of a gateway, as a client reaches it."""

    host: str
    """Name or address; the gateway's device for a serial line."""
    port: int
    unit_id: int
    transport: str = "tcp"
    """`tcp`, `tls`, `rtu_over_tcp`, `udp` or `serial`."""
    line: SerialSettings | None = None
    """Settings of a serial line; None for a network."""

    @property
    def bare_host(self) -> str:
        """Return the host, an IPv6 address without the brackets of a URL."""
        return self.host.removeprefix("[").removesuffix("]")

    @property
    def address(self) -> str:
        """Return host and port, an IPv6 address in brackets, or the device of a serial line."""
        if self.transport == "serial":
            return self.host
        host = self.bare_host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def url_address(self) -> str:
        """Return host and port for a URL, where the zone of an address has %25 before it (RFC 6874)."""
        return self.address.replace("%25", "%").replace("%", "%25")

    @property
    def server_name(self) -> str:
        """Return a name for the server that no other server has, of lower case letters, digits and `_`."""
        return f"dsmr_gateway_{_word(self.address)}"


@dataclass(frozen=True, slots=True)
class ExportedUnit:
    """A unit with its register map, and the registers of it to export."""

    register_map: RegisterMap
    target: Target
    present: Collection[str] | None = None
    """Names of the registers that have a value; None to export all."""

    @property
    def name(self) -> str:
        """Return a name that no other unit has, of lower case letters, digits and `_`: host, port, unit id and map."""
        return f"{self.target.server_name}_{self.target.unit_id}_{_word(self.register_map.name)}"

    @property
    def label(self) -> str:
        """Return the same for people, such as `dsmr, unit 1, 192.168.1.5:502`."""
        return f"{self.register_map.name}, unit {self.target.unit_id}, {self.target.address}"

    def numbers(self) -> list[Register]:
        """Return the registers that hold a number from a reading, in order of address."""
        return [
            register
            for register in self.register_map.registers
            if register.type_name in TYPES
            and register.uses
            and not register.is_alone
            and (self.present is None or register.name in self.present)
        ]


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def serial_remarks(units: Sequence[ExportedUnit]) -> str:
    """Return a comment for each serial line of the units, as YAML and TOML write it."""
    lines = {unit.target.host: unit.target.line for unit in units if unit.target.line}
    return "".join(
        f"# RTU, {line.baudrate} baud, {line.format}, to {device!r} of the gateway.\n"
        f"# Replace {PROGRAM_PORT} by the serial port of the machine that runs this program.\n"
        for device, line in lines.items()
    )


def by_server(units: Sequence[ExportedUnit]) -> list[list[ExportedUnit]]:
    """Return the units in groups, one for each server, so that a client needs one connection for each."""
    groups: dict[tuple[str, str], list[ExportedUnit]] = {}
    for unit in units:
        groups.setdefault((unit.target.address, unit.target.transport), []).append(unit)
    return list(groups.values())


def input_type(register_map: RegisterMap, register: Register) -> str:
    """Return `holding` if function code 3 reads a register, else `input`."""
    return "holding" if register_map.function_code_of(register) == 3 else "input"


def factor_and_summand(register: Register) -> tuple[Decimal, Decimal]:
    """Return factor and summand: value = number in the register x factor + summand."""
    return register.scale, -register.offset * register.scale


def plain(number: Decimal) -> int | float:
    """Return the number as YAML, TOML and JSON write it."""
    return int(number) if number == number.to_integral_value() else float(number)

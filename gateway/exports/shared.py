"""Code that all exports share: the target, the registers to export, and numbers as text formats write them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap

NUMBER_TYPES = ("uint16", "uint32", "uint64", "int16", "int32", "int64", "float32", "float64")


class ExportError(Exception):
    """A map that cannot be exported in this format; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class Target:
    """The gateway, as its clients reach it."""

    host: str
    port: int
    unit_id: int

    @property
    def bare_host(self) -> str:
        """Return the host, an IPv6 address without the brackets of a URL."""
        return self.host.removeprefix("[").removesuffix("]")

    @property
    def address(self) -> str:
        """Return host and port, an IPv6 address in brackets."""
        host = self.bare_host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def url_address(self) -> str:
        """Return host and port for a URL, where the zone of an address has %25 before it (RFC 6874)."""
        return self.address.replace("%25", "%").replace("%", "%25")

    @property
    def name(self) -> str:
        """Return the name of the gateway in the exported configuration."""
        return "dsmr_gateway"


def numbers(register_map: RegisterMap) -> list[Register]:
    """Return the registers that hold a number from a reading."""
    numeric = (register for register in register_map.registers if register.type_name in NUMBER_TYPES)
    return [register for register in numeric if register.uses and not register.is_alone]


def input_type(register_map: RegisterMap, register: Register) -> str:
    """Return `holding` if function code 3 reads a register, else `input`."""
    return "holding" if register_map.function_code_of(register) == 3 else "input"


def factor_and_summand(register: Register) -> tuple[Decimal, Decimal]:
    """Return factor and summand: value = number in the register x factor + summand."""
    return register.scale, -register.offset * register.scale


def plain(number: Decimal) -> int | float:
    """Return the number as YAML, TOML and JSON write it."""
    return int(number) if number == number.to_integral_value() else float(number)

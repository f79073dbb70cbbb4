"""What every export needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap

NUMBER_TYPES = ("uint16", "uint32", "uint64", "int16", "int32", "int64", "float32", "float64")


class ExportError(Exception):
    """A map cannot be exported in this form; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the gateway is."""

    host: str
    port: int
    unit_id: int

    @property
    def name(self) -> str:
        """What the gateway is called there."""
        return "dsmr_gateway"


def numbers(register_map: RegisterMap) -> list[Register]:
    """Registers that hold a number which a meter can change."""
    return [register for register in register_map.registers if register.type_name in NUMBER_TYPES and register.uses]


def input_type(register_map: RegisterMap) -> str:
    """`holding` where function code 3 reads the map, else `input`."""
    return "holding" if 3 in register_map.function_codes else "input"


def factor_and_summand(register: Register) -> tuple[Decimal, Decimal]:
    """Value = number in the register x factor + summand."""
    return register.scale, -register.offset * register.scale


def plain(number: Decimal) -> int | float:
    """The number as YAML, TOML and JSON write it."""
    return int(number) if number == number.to_integral_value() else float(number)

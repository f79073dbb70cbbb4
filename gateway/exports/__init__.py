"""Write the configuration of a program that reads the gateway's units over Modbus; one module per program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from gateway.exports.shared import ExportedUnit, ExportError, Target


class Format(NamedTuple):
    """The configuration of a program."""

    title: str
    """Name of the program."""
    render: str
    """Module of this package, and the function in it that writes the format."""
    transports: tuple[str, ...] = ("tcp",)
    """Transports over which the program can read; see `Target.transport`."""


FORMATS = {
    "home-assistant": Format("Home Assistant", "home_assistant:as_yaml", ("tcp", "rtu_over_tcp", "udp", "serial")),
    "evcc": Format("evcc", "evcc:as_yaml", ("tcp", "rtu_over_tcp", "udp", "serial")),
    "telegraf": Format("Telegraf", "telegraf:as_toml", ("tcp", "rtu_over_tcp", "serial")),
    "node-red": Format("Node-RED", "node_red:as_flow", ("tcp", "rtu_over_tcp", "serial")),
    "tia": Format("TIA Portal", "variables:as_tia"),
    "codesys": Format("CODESYS", "variables:as_codesys"),
    "twincat": Format("TwinCAT", "variables:as_twincat"),
}
"""Formats by name."""


def export(form: str, units: Sequence[ExportedUnit]) -> str:
    """Return the configuration in `form`, one of `FORMATS`, for reading `units`.

    Raises:
        ExportError: the program cannot reach a unit, or the units lack a register that it needs.

    """
    chosen = FORMATS[form]
    for unit in units:
        if unit.target.transport not in chosen.transports:
            raise ExportError(f"{chosen.title} cannot read {unit.label} over {unit.target.transport}")
    module, _, name = chosen.render.partition(":")
    render: Callable[[Sequence[ExportedUnit]], str] = getattr(import_module(f"gateway.exports.{module}"), name)
    return render(units)


__all__ = ["FORMATS", "ExportError", "ExportedUnit", "Target", "export"]

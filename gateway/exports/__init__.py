"""Write the configuration of a program that reads a register map over Modbus; one module per program."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from gateway.exports.shared import ExportError, Target
from gateway.protocol.registers.register_map import RegisterMap

FORMATS = {
    "home-assistant": "home_assistant:as_yaml",
    "evcc": "evcc:as_yaml",
    "telegraf": "telegraf:as_toml",
    "node-red": "node_red:as_flow",
    "tia": "variables:as_tia",
    "codesys": "variables:as_codesys",
    "twincat": "variables:as_twincat",
}
"""Format → the module of this package, and the function in it, that writes the format."""


def export(form: str, register_map: RegisterMap, target: Target) -> str:
    """Return the configuration in `form`, one of `FORMATS`, for reading `register_map` from `target`.

    Raises:
        ExportError: the map lacks a register that the program needs.

    """
    module, _, name = FORMATS[form].partition(":")
    render: Callable[[RegisterMap, Target], str] = getattr(import_module(f"gateway.exports.{module}"), name)
    return render(register_map, target)


__all__ = ["FORMATS", "ExportError", "Target", "export"]

"""A register map → the configuration of a program that reads it over Modbus; a module for each program."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from gateway.exports.target import ExportError, Target
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
"""Format → where in this package it is written."""


def export(form: str, register_map: RegisterMap, target: Target) -> str:
    """The configuration of `form`, one of `FORMATS`, for reading `register_map` from `target`.

    Raises:
        ExportError: the map lacks what the program needs.

    """
    module, _, name = FORMATS[form].partition(":")
    render: Callable[[RegisterMap, Target], str] = getattr(import_module(f"gateway.exports.{module}"), name)
    return render(register_map, target)


__all__ = ["FORMATS", "ExportError", "Target", "export"]

"""`dsmr-gateway check`."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli import DEFAULT_CONFIG
from gateway.config import Config, load_config
from gateway.wiring import load_maps


@click.command("check")
@click.argument("config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG)
def check_command(config: Path) -> None:
    """Say what is wrong with CONFIG, by default gateway.yaml, and the register maps it names."""
    settings = load_config(config)
    load_maps(settings, config.parent)
    units = sum(len(server.units) for server in settings.modbus)
    meters = len(settings.all_meters())
    click.echo(f"{config} is right: {_count(meters, 'meter')}, {_count(units, 'unit')} on {_listening(settings)}.")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _listening(settings: Config) -> str:
    servers = ", ".join(str(server) for server in settings.modbus)
    ports = ", ".join(str(passthrough) for passthrough in settings.passthrough)
    return f"{servers}, passthrough on {ports}" if ports else servers

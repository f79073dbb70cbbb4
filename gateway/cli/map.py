"""`dsmr-gateway map`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.output import echo
from gateway.cli.parameters import MapName, form_option, json_option, named_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.protocol.p1.obis import Value

MAX_CAPTURE_BYTES = 10_000_000
"""Largest size of a file with telegrams."""


@click.command("map")
@click.argument("name", type=MapName())
@form_option
@json_option
@click.option(
    "--telegram",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Show the values of the registers after this telegram.",
)
def map_command(name: str, form: str, telegram: Path | None, *, as_json: bool) -> None:
    """Show the registers of the map NAME: the name of a built-in map or the path of a file."""
    from gateway.maps.table import FORMATS, encode_registers, heading, rows

    register_map = named_map(name)
    table = rows(register_map, encode_registers(register_map, _values_of(telegram)) if telegram else None)
    if form in ("text", "markdown") and not as_json:
        echo(f"{register_map.name}: {register_map.title}. {heading(register_map)}\n")
    form = "json" if as_json else form
    echo(FORMATS[form](table), nl=False)
    for remark in register_map.remarks:
        echo(remark, err=True)


def _values_of(path: Path) -> Mapping[str, Value]:
    from gateway.files.yaml_file import read_file
    from gateway.protocol.p1.meter import MeterState
    from gateway.protocol.p1.serving import Received
    from gateway.protocol.p1.telegram import TelegramReader

    reader, meter = TelegramReader(), MeterState(path.name, None, needs_two=False)
    why = ""
    for item in reader.feed(read_file(path, MAX_CAPTURE_BYTES)) + reader.silence():
        taken = meter.take(item, arrived=0, arrived_at=0)
        if isinstance(taken, Received):
            return dict(taken.readings.values)
        why = why or f": {taken.reason} ({taken.detail})"
    raise click.UsageError(f"{path} has no telegram that can be accepted{why}")

"""`dsmr-gateway maps` and `dsmr-gateway map`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.parameters import MapName, form_option, json_option, named_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.protocol.p1.obis import Value


@click.command("maps")
@json_option
@click.option(
    "--pages",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Write a page of documentation for each map, and a list of all, into this folder.",
)
def maps_command(*, as_json: bool, pages: Path | None) -> None:
    """List the register maps that come with the gateway."""
    from gateway.maps.load import load_map, map_names
    from gateway.maps.table import index, page

    found = [load_map(path) for _, path in sorted(map_names().items())]
    if pages:
        for register_map in found:
            (pages / f"{register_map.name}.md").write_text(page(register_map), "utf-8")
        (pages / "README.md").write_text(index(found), "utf-8")
        return
    if as_json:
        listed = [{"name": m.name, "title": m.title, "clients": m.clients, "unit_id": m.unit_id} for m in found]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    width = max(len(m.name) for m in found)
    for register_map in found:
        clients = f" ({', '.join(register_map.clients)})" if register_map.clients else ""
        click.echo(f"{register_map.name.ljust(width)}  {register_map.title}{clients}")


@click.command("map")
@click.argument("name", type=MapName())
@form_option
@json_option
@click.option(
    "--telegram",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Show what the registers hold after this telegram.",
)
def map_command(name: str, form: str, telegram: Path | None, *, as_json: bool) -> None:
    """Show the registers of the map NAME, a name or the path of a file."""
    from gateway.maps.table import FORMATS, heading, rows, words_of

    register_map = named_map(name)
    table = rows(register_map, words_of(register_map, _values(telegram)) if telegram else None)
    if form in ("text", "markdown") and not as_json:
        click.echo(f"{register_map.name}: {register_map.title}. {heading(register_map)}\n")
    click.echo(FORMATS["json" if as_json else form](table), nl=False)


def _values(path: Path) -> Mapping[str, Value]:
    from gateway.protocol.p1.meter import MeterState, Received
    from gateway.protocol.p1.telegram import TelegramReader

    reader, meter = TelegramReader(), MeterState(path.name, None)
    why = ""
    for item in reader.feed(path.read_bytes()) + reader.silence():
        taken = meter.take(item, arrived=0, arrived_at=0)
        if isinstance(taken, Received):
            return dict(taken.readings.values)
        why = why or f": {taken.fault} ({taken.detail})"
    raise click.UsageError(f"{path} holds no telegram that can be believed{why}")

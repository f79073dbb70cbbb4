"""`dsmr-gateway maps` and `dsmr-gateway map`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gateway.map_table import FORMATS, heading, page, rows, words_of
from gateway.maps import find_map, load_map, map_names
from gateway.protocol.obis import Value
from gateway.protocol.readings import read
from gateway.protocol.register_map import RegisterMap
from gateway.protocol.telegram import BadTelegram, TelegramReader


@click.command("maps")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option(
    "--pages",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Write a page of documentation for each map into this folder.",
)
def maps_command(*, as_json: bool, pages: Path | None) -> None:
    """List the register maps that come with the gateway."""
    found = [load_map(path) for _, path in sorted(map_names().items())]
    if pages:
        for register_map in found:
            (pages / f"{register_map.name}.md").write_text(page(register_map), "utf-8")
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
@click.argument("name")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", help="How to show it.")
@click.option(
    "--telegram",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Show what the registers hold after this telegram.",
)
def map_command(name: str, form: str, telegram: Path | None) -> None:
    """Show the registers of the map NAME, a name or the path of a file."""
    register_map = named_map(name)
    table = rows(register_map, words_of(register_map, _values(telegram)) if telegram else None)
    if form in ("text", "markdown"):
        click.echo(f"{register_map.name}: {register_map.title}. {heading(register_map)}\n")
    click.echo(FORMATS[form](table), nl=False)


def named_map(name: str) -> RegisterMap:
    """A map by its name or path, from the folder in which the command is given."""
    try:
        return load_map(find_map(name, Path()))
    except LookupError as error:
        what, _, hint = str(error).partition(" | ")
        raise click.UsageError(f"{what}. {hint}".strip()) from None


def _values(path: Path) -> dict[str, Value]:
    reader = TelegramReader()
    found = reader.feed(path.read_bytes()) + reader.silence()
    for item in found:
        if not isinstance(item, BadTelegram):
            return dict(read(item).values)
    why = f": {found[0].fault} ({found[0].detail})" if found and isinstance(found[0], BadTelegram) else ""
    raise click.UsageError(f"{path} holds no telegram that can be believed{why}")

"""`dsmr-gateway maps`."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.output import echo, echo_json
from gateway.cli.parameters import json_option


@click.command("maps")
@json_option
@click.option(
    "--pages",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Write a page of documentation for each map, and an index, into this folder.",
)
def maps_command(*, as_json: bool, pages: Path | None) -> None:
    """List the built-in register maps."""
    from gateway.maps.load import load_map, map_names
    from gateway.maps.table import index, page

    found = [load_map(path) for _, path in sorted(map_names().items())]
    if pages:
        for register_map in found:
            (pages / f"{register_map.name}.md").write_text(page(register_map), "utf-8")
        (pages / "README.md").write_text(index(found), "utf-8")
        return
    if as_json:
        listed = [
            {"name": each.name, "title": each.title, "clients": each.clients, "unit_id": each.unit_id} for each in found
        ]
        echo_json(listed)
        return
    width = max(len(each.name) for each in found)
    for register_map in found:
        clients = f" ({', '.join(register_map.clients)})" if register_map.clients else ""
        echo(f"{register_map.name.ljust(width)}  {register_map.title}{clients}")

"""`dsmr-gateway clients`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.output import echo, echo_json
from gateway.cli.parameters import json_option

if TYPE_CHECKING:
    from gateway.maps.clients import Client

BEGIN, END = "<!-- clients -->\n", "<!-- end of clients -->\n"
"""Lines of a page between which the table of clients stands."""
TESTED = {
    "requests": "checked with the requests of its source",
    "documents": "checked against its documents",
    "nothing": "not verified",
}


@click.command("clients")
@click.argument("name", nargs=-1)
@json_option
@click.option(
    "--page",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Write the table of all clients into this page of the documentation.",
)
def clients_command(name: tuple[str, ...], *, as_json: bool, page: Path | None) -> None:
    """Show what to configure for the client NAME, such as SmartEVSE, or list all clients.

    For each meter that the client can read: register map, unit id, transport, and a configuration of the gateway.
    """
    from gateway.maps.clients import clients_table, find_clients, load_clients
    from gateway.problems.quoting import quoted

    clients = load_clients()
    if page:
        head, _, rest = page.read_text("utf-8").partition(BEGIN)
        page.write_text(f"{head}{BEGIN}\n{clients_table(clients)}\n{END}{rest.partition(END)[2]}", "utf-8")
        return
    chosen = find_clients(name, clients) if name else clients
    if as_json:
        echo_json([_data(client) for client in chosen])
    elif not name:
        width = max(len(client.name) for client in clients)
        for client in clients:
            ways = [f"{way.map} on unit {way.unit}, {way.connection}" for way in client.ways[:1]]
            echo(f"{client.name.ljust(width)}  {''.join(ways) or f'not possible: {client.why_not}'}")
    else:
        for client in chosen:
            _show(client)
    if not chosen:
        text = " ".join(name)
        readers = ", ".join(client.name for client in clients if any(text.lower() in way.map for way in client.ways))
        hint = f"These read a meter of that name: {readers}" if readers else "`dsmr-gateway clients` lists all"
        echo(f"No client is called {quoted(text)}. {hint}.", err=True)
        sys.exit(1)


def _data(client: Client) -> dict[str, object]:
    ways = [{**way.model_dump(), "configuration": way.configuration()} for way in client.ways]
    return {**client.model_dump(), "ways": ways}


def _show(client: Client) -> None:
    if not client.ways:
        echo(f"{client.name}: not possible: {client.why_not}.\n")
    for way in client.ways:
        echo(f"{client.name}: {way.select} ({TESTED[way.tested]})")
        facts = f"register map {way.map}, unit id {way.unit}, {way.connection}, on_stale: {way.on_stale}"
        echo(f"  {facts}\n")
        echo("".join(f"    {line}\n" for line in way.configuration().splitlines()))
    if client.page:
        echo(f"See docs/clients/{client.page}.\n")

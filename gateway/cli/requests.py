"""`dsmr-gateway requests`."""

from __future__ import annotations

import json
import sys
from datetime import datetime

import click

from gateway.cli.output import echo, echo_json
from gateway.cli.parameters import NO_ACCESS, json_option, the_running_gateway

_NOTHING_SERVED = "The gateway serves nothing, because its configuration has problems:"
_ADVICE_INDENT = 16 * " "
"""Puts an advice below its request, after the time."""


@click.command("requests")
@click.option("--follow", "-f", is_flag=True, help="Keep showing new requests.")
@json_option
def requests_command(*, follow: bool, as_json: bool) -> None:
    """Show the last requests of Modbus clients to the running gateway, the responses, and likely mistakes."""
    import asyncio

    from gateway.transport.control_socket import FOLLOW, ONCE, ask

    def show(line: bytes) -> None:
        exchange = json.loads(line)
        if "problems" in exchange:
            echo(_NOTHING_SERVED, err=True)
            for problem in exchange["problems"]:
                echo(problem, err=True)
            sys.exit(1)
        if as_json:
            echo_json(exchange, indent=None)
            return
        moment = datetime.fromtimestamp(exchange["time"]).astimezone()
        echo(f"{moment:%H:%M:%S.%f} {exchange['server']}: {exchange['text']}")
        if exchange["advice"]:
            echo(f"{_ADVICE_INDENT}{exchange['advice']}")

    path = the_running_gateway()
    try:
        asyncio.run(ask(path, FOLLOW if follow else ONCE, show))
    except BrokenPipeError:
        raise  # the reader of the output closed it, as `head` does; click ends quietly
    except OSError as error:
        echo(NO_ACCESS.format(path=path, problem=error.strerror, command="requests"), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        pass

"""`dsmr-gateway reload`."""

from __future__ import annotations

import json
import sys

import click

from gateway.cli import EXIT_CONFIGURATION
from gateway.cli.output import echo, echo_json
from gateway.cli.parameters import NO_ACCESS, json_option, the_running_gateway


@click.command("reload")
@json_option
def reload_command(*, as_json: bool) -> None:
    """Let the running gateway read its configuration again, and show what has changed.

    If the configuration has a problem, nothing changes, and the exit code is 78; it is 1 if no gateway is running, or
    if there are two.
    """
    import asyncio

    from gateway.transport.control_socket import RELOAD, ask

    path, lines = the_running_gateway(), list[bytes]()
    try:
        asyncio.run(ask(path, RELOAD, lines.append))
        result = json.loads(lines[0])
    except OSError as error:
        echo(NO_ACCESS.format(path=path, problem=error.strerror, command="reload"), err=True)
        sys.exit(1)
    except (IndexError, ValueError):
        echo("The gateway has not responded. Its log has the reason.", err=True)
        sys.exit(1)
    if as_json:
        echo_json(result)
    elif two := result.get("two"):
        echo(f"Nothing is reloaded. {two}.", err=True)
    elif result["is_applied"]:
        what = result.get("configuration")
        echo(f"Reloaded{f' {what}' if what else ''}: {'; '.join(result['changes']) or 'nothing has changed'}")
    else:
        echo("Nothing is changed, because the configuration has problems:", err=True)
        for problem in result["problems"]:
            echo(problem, err=True)
    sys.exit(0 if result["is_applied"] else 1 if result.get("two") else EXIT_CONFIGURATION)

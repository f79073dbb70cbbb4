"""`dsmr-gateway health`."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import click

from gateway.cli.output import echo
from gateway.cli.parameters import json_option

RESPONSE_TIMEOUT_S = 5.0


@click.command("health")
@click.argument("url", required=False)
@click.option("--meters", is_flag=True, help="Require that every meter is online as well.")
@json_option
def health_command(url: str | None, *, meters: bool, as_json: bool) -> None:
    """Show whether a gateway works: the one on this machine, or the one with its status page at URL.

    The exit code is 0 when it works and 1 when it does not, as the health check of a container expects. A meter that
    is offline counts only with --meters, because a restart of the gateway does not bring it back.
    """
    try:
        health = _ask_page(url, meters=meters) if url else _ask_socket(meters=meters)
    except (OSError, ValueError) as error:
        reason = str(error) or f"no response for {RESPONSE_TIMEOUT_S:.0f} s"  # asyncio's TimeoutError has no text
        echo(f"The gateway does not respond ({reason}). Is it running?", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(health))
    else:
        since = datetime.fromtimestamp(health["since"]).astimezone()
        echo(f"{health['reason']}, since {since:%Y-%m-%d %H:%M:%S}")
    sys.exit(0 if health["is_healthy"] else 1)


def _ask_page(url: str, *, meters: bool) -> dict[str, Any]:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url!r} is not the address of a status page. Write it like http://192.168.1.5:8080")
    address = f"{url.rstrip('/')}/healthz?meters={str(meters).lower()}"
    try:
        with urlopen(address, timeout=RESPONSE_TIMEOUT_S) as response:  # noqa: S310 - the scheme is checked above
            return json.load(response)  # type: ignore[no-any-return]
    except HTTPError as error:
        return json.load(error)  # type: ignore[no-any-return]


def _ask_socket(*, meters: bool) -> dict[str, Any]:
    import asyncio

    from gateway.nodes.control import HEALTH, HEALTH_WITH_METERS, ask, running_socket_path

    lines: list[bytes] = []

    async def ask_in_time() -> None:
        async with asyncio.timeout(RESPONSE_TIMEOUT_S) as limit:
            await ask(running_socket_path(), HEALTH_WITH_METERS if meters else HEALTH, lines.append)
        if limit.expired():  # `ask` ends without an error when it is cancelled
            raise TimeoutError

    asyncio.run(ask_in_time())
    if not lines:
        raise OSError("it closed the connection without a response")
    return json.loads(lines[0])  # type: ignore[no-any-return]

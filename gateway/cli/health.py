"""`dsmr-gateway health`."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import click

from gateway.cli.parameters import json_option

ANSWER_TIMEOUT_S = 5.0


@click.command("health")
@click.argument("url", required=False)
@click.option("--meters", is_flag=True, help="A silent meter counts too.")
@json_option
def health_command(url: str | None, *, meters: bool, as_json: bool) -> None:
    """Say whether the gateway does its work: that of this machine, or the one whose status page is at URL.

    Exits with 0 when it does and with 1 when it does not, for a container's check. That a meter is silent is not
    cured by starting the gateway anew, and counts with --meters only.
    """
    try:
        health = _ask_page(url, meters=meters) if url else _ask_socket(meters=meters)
    except (OSError, ValueError, TimeoutError) as error:
        click.echo(f"The gateway does not answer ({error}). Is it running?", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(health))
    else:
        since = datetime.fromtimestamp(health["since"]).astimezone()
        click.echo(f"{health['reason']}, since {since:%Y-%m-%d %H:%M:%S}")
    sys.exit(0 if health["is_healthy"] else 1)


def _ask_page(url: str, *, meters: bool) -> dict[str, Any]:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url!r} is no address of a page. Write it like http://192.168.1.5:8080")
    address = f"{url.rstrip('/')}/healthz?meters={str(meters).lower()}"
    try:
        with urlopen(address, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310 - its beginning is checked above
            return json.load(answer)  # type: ignore[no-any-return]
    except HTTPError as error:
        return json.load(error)  # type: ignore[no-any-return]


def _ask_socket(*, meters: bool) -> dict[str, Any]:
    import asyncio

    from gateway.nodes.control import HEALTH, HEALTH_WITH_METERS, ask, running_socket_path

    lines: list[bytes] = []
    question = ask(running_socket_path(), HEALTH_WITH_METERS if meters else HEALTH, lines.append)
    asyncio.run(asyncio.wait_for(question, ANSWER_TIMEOUT_S))
    if not lines:
        raise OSError("it gives no answer")
    return json.loads(lines[0])  # type: ignore[no-any-return]

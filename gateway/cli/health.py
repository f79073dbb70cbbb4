"""`dsmr-gateway health`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple, NoReturn

import click

from gateway.cli.output import echo, echo_json
from gateway.cli.parameters import json_option, the_running_gateway

RESPONSE_TIMEOUT_S = 5.0
"""Longest time in seconds until the whole response is there."""
MAX_RESPONSE_BYTES = 10_000
_OTHER = "its response is not that of a gateway"


class _Health(NamedTuple):
    is_healthy: bool
    reason: str
    since: datetime
    note: str = ""
    configuration: str = ""


@click.command("health")
@click.argument("url", required=False)
@click.option("--meters", is_flag=True, help="Require that every meter is online as well.")
@json_option
def health_command(url: str | None, *, meters: bool, as_json: bool) -> None:
    """Show whether a gateway works: the one on this machine, or the one with its status page at URL.

    If this user has no access to its socket, the status page of gateway.yaml is asked.

    The exit code is 0 when it works and 1 when it does not, as the health check of a container expects. A meter that
    is offline counts only with --meters, because a restart of the gateway does not bring it back.
    """
    try:
        health = _ask_page(url, meters=meters) if url else _ask_here(meters=meters)
    except (OSError, ValueError) as error:
        reason = str(error) or f"no response for {RESPONSE_TIMEOUT_S:.0f} s"  # asyncio's TimeoutError has no text
        echo(f"The gateway does not respond ({reason}). Is it running?", err=True)
        sys.exit(1)
    if as_json:
        echo_json(health._asdict() | {"since": health.since.timestamp()}, indent=None)
    else:
        where = f" ({health.configuration})" if health.configuration else ""
        echo(f"{health.reason}, since {health.since:%Y-%m-%d %H:%M:%S}{where}")
        if health.note:
            echo(health.note, err=True)
    sys.exit(0 if health.is_healthy else 1)


def _ask_here(*, meters: bool) -> _Health:
    """Ask the gateway over its socket; without access to that, ask the page of the configuration."""
    try:
        return _ask_socket(meters=meters)
    except (FileNotFoundError, PermissionError, ConnectionRefusedError):
        if page := _configured_page():
            return _ask_page(page, meters=meters)
        raise


def _configured_page() -> str:
    """Return the address of the page of the configuration here, or of the service; empty where there is none."""
    from gateway.cli.parameters import EVERY_ADDRESS, default_config
    from gateway.config import load_status_page
    from gateway.files.yaml_file import is_there
    from gateway.transport.addresses import place_of

    path = default_config()
    page = load_status_page(path) if is_there(path) else None
    if page is None:
        return ""
    host = page.listen.host
    return f"http://{place_of('127.0.0.1' if host in EVERY_ADDRESS else host, page.listen.port)}"


def _ask_page(url: str, *, meters: bool) -> _Health:
    from http.client import HTTPException
    from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector

    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url!r} is not the address of a status page. Write it like http://192.168.1.5:8080")
    # These parts of `urllib` follow no redirect and use no proxy. They return a response with any status.
    opener = OpenerDirector()
    opener.add_handler(HTTPHandler())
    opener.add_handler(HTTPSHandler())
    address = f"{url.rstrip('/')}/healthz?meters={str(meters).lower()}"
    try:
        with _time_limit(), opener.open(address) as response:
            text, status = response.read(MAX_RESPONSE_BYTES), response.status
    except HTTPException:
        raise OSError(_OTHER) from None
    try:
        return _health_in(text)
    except ValueError:
        raise ValueError(f"{_OTHER}: HTTP status {status}") from None


@contextmanager
def _time_limit() -> Iterator[None]:
    """Raise TimeoutError in the block after `RESPONSE_TIMEOUT_S`; that of a socket begins again with each byte."""

    def end(_number: int, _frame: object) -> NoReturn:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, RESPONSE_TIMEOUT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _health_in(text: bytes) -> _Health:
    """Return the health in a response.

    Raises:
        ValueError: it is another response.

    """
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(_OTHER)
    is_healthy, reason, since = data.get("is_healthy"), data.get("reason"), data.get("since")
    if not (isinstance(is_healthy, bool) and isinstance(reason, str) and isinstance(since, (int, float))):
        raise ValueError(_OTHER)
    try:
        texts = (str(data.get(name, "")) for name in ("note", "configuration"))
        return _Health(is_healthy, reason, datetime.fromtimestamp(since).astimezone(), *texts)
    except (OverflowError, OSError, ValueError):
        raise ValueError(_OTHER) from None


def _ask_socket(*, meters: bool) -> _Health:
    import asyncio

    from gateway.transport.control_socket import HEALTH, HEALTH_WITH_METERS, ask

    lines, path = list[bytes](), the_running_gateway()

    async def ask_in_time() -> None:
        async with asyncio.timeout(RESPONSE_TIMEOUT_S) as limit:
            await ask(path, HEALTH_WITH_METERS if meters else HEALTH, lines.append)
        if limit.expired():  # `ask` ends without an error when it is cancelled
            raise TimeoutError

    asyncio.run(ask_in_time())
    if not lines:
        raise OSError("it closed the connection without a response")
    return _health_in(lines[0])

"""The socket for the command line: where it is, what can be asked over it, and how a command asks."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.transport.peer import is_trusted_owner, peer_of

SOCKET_NAME = "dsmr-gateway.sock"
SERVICE_FOLDER = Path("/run/dsmr-gateway")
"""The RuntimeDirectory of the systemd unit."""
MAX_RESPONSE_LINE_BYTES = 1_000_000
FOLLOW, ONCE, REPORT = b"requests follow\n", b"requests\n", b"report\n"
HEALTH, HEALTH_WITH_METERS = b"health\n", b"health meters\n"
SOURCES, RELOAD = b"sources\n", b"reload\n"
ANOTHER = b"another gateway\n"
"""Question of another gateway that wants the socket: the response is that to `HEALTH`."""


class TwoGatewaysError(OSError):
    """Two gateways run that this user has access to."""


def socket_path() -> Path:
    """Return the path of the socket: in the folder of systemd, of the session, or of the user."""
    folder = os.environ.get("RUNTIME_DIRECTORY") or os.environ.get("XDG_RUNTIME_DIR")
    return Path(folder or _home() / ".cache" / "dsmr-gateway") / SOCKET_NAME


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user without an entry and without HOME, as some containers have
        return Path("/")


def running_sockets() -> list[Path]:
    """Return the sockets of the running gateways of this user and of the service; that of this user if there is none.

    RUNTIME_DIRECTORY chooses one of them.
    """
    own = socket_path()
    places = [own] if "RUNTIME_DIRECTORY" in os.environ else dict.fromkeys((own, SERVICE_FOLDER / SOCKET_NAME))
    return [path for path in places if _is_listened_on(path)] or [own]


def running_socket_path() -> Path:
    """Return the socket of the running gateway.

    Raises:
        TwoGatewaysError: this user has access to two.

    """
    path, *others = running_sockets()
    if others:
        choice = f"Choose one with RUNTIME_DIRECTORY={path.parent} or RUNTIME_DIRECTORY={others[0].parent}"
        raise TwoGatewaysError(f"two gateways run here, that of this user and the service. {choice}")
    return path


def _is_listened_on(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except BlockingIOError:  # so many connect that this one would have to wait
            return True
        except OSError:  # a gateway that was killed leaves its socket behind
            return False
    return True


async def ask(path: Path, question: bytes, show: Callable[[bytes], None]) -> None:
    """Send a question to the running gateway, and call `show` with each line that it sends.

    Raises:
        OSError: no gateway is running.

    """
    reader, writer = await asyncio.open_unix_connection(path, limit=MAX_RESPONSE_LINE_BYTES)
    user = peer_of(writer.get_extra_info("socket")).user
    if not is_trusted_owner(user, path):
        writer.close()
        raise PermissionError(errno.EPERM, f"the socket belongs to another user, with the user id {user}")
    with suppress(asyncio.CancelledError):
        writer.write(question)
        async for line in reader:
            show(line)
    writer.close()

"""A listener with TLS keeps little of clients that have left: few sessions, and none of their connections."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.transport import tls
from gateway.transport.tls import ServerTls
from tests.certificates import client_context, make_certificates
from tests.nodes.transports import connect, make_unit, serve
from tests.waiting import until


class Accepted(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(self, server: ServerTls) -> None:
        self._server = server
        self.handshake: asyncio.Task[asyncio.Transport] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.handshake is None:
            assert isinstance(transport, asyncio.Transport)
            early = self._server.hold(transport, self)
            self.handshake = asyncio.create_task(self._server.start(transport, self, early, at_once))


async def at_once(_is_wanted: Callable[[], bool]) -> None:
    """Let each client have its turn."""


async def handshakes(server: ServerTls, folder: Path, count: int) -> list[int]:
    """Connect a client of TLS 1.2 without session tickets again and again; return the sessions after each."""
    context = client_context(folder)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    accepted: list[Accepted] = []

    def accept() -> Accepted:
        accepted.append(Accepted(server))
        return accepted[-1]

    kept = []
    async with await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            handshake = accepted[-1].handshake
            assert handshake
            await handshake
            writer.close()
            await writer.wait_closed()
            kept.append(server.sessions)
    return kept


async def test_clients_without_session_tickets_take_a_limited_amount_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "MAX_SESSIONS", 2)
    server = ServerTls(make_certificates(tmp_path))
    assert await handshakes(server, tmp_path, 5) == [1, 2, 1, 2, 1]


async def test_a_renewed_certificate_is_not_used_before_a_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "MAX_SESSIONS", 2)
    folder, other = tmp_path / "own", tmp_path / "other"
    for each in (folder, other):
        each.mkdir()
    files, renewed = make_certificates(folder), make_certificates(other)
    server = ServerTls(files)
    renewed.certificate.replace(files.certificate)
    renewed.key.replace(files.key)
    assert await handshakes(server, folder, 3) == [1, 2, 3]


async def test_clients_are_served_while_the_files_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "MAX_SESSIONS", 2)
    files = make_certificates(tmp_path)
    server = ServerTls(files)
    certificate = files.certificate.read_bytes()
    files.certificate.unlink()
    assert await handshakes(server, tmp_path, 4) == [1, 2, 3, 4]
    files.certificate.write_bytes(certificate)
    assert await handshakes(server, tmp_path, 1) == [1]


async def test_a_modbus_client_that_has_left_is_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    def left() -> int:
        return sum(type(each).__name__ == "_Handshake" for each in gc.get_objects())

    async with serve("tls", tmp_path, make_unit(tmp_path)) as server:
        gc.collect()
        gc.disable()
        try:
            async with connect(server, tmp_path) as client:
                assert await client.ask(bytes.fromhex("0300050001")) == bytes.fromhex("03020005")
                assert left() == 1
            await until(lambda: not left())
        finally:
            gc.enable()

"""A socket that another user put in the place of the gateway's is not trusted, and strangers get nothing from ours."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.nodes import control
from gateway.nodes.control import Control
from gateway.protocol.modbus.monitor import CountedClient, Exchange, Monitor
from gateway.runtime.health import Health
from gateway.transport import control_socket
from gateway.transport.control_socket import HEALTH, ONCE, ask
from gateway.transport.peer import Peer, is_trusted_owner
from tests.waiting import running

STRANGER = 65_534


def good(*, counts_meters: bool) -> Health:
    return Health("", 0.0)


async def asked(path: Path) -> list[bytes]:
    """Return what a gateway with its socket at `path` responds."""
    node, lines = Control(path, {}, good), list[bytes]()
    serving = asyncio.create_task(node.run())
    await node.ready.wait()
    try:
        with suppress(ConnectionResetError):  # it closes the connection without reading the question
            await ask(path, HEALTH, lines.append)
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    return lines


async def test_clients_have_turns_between_the_looks_at_busy_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitors = {f"server {number}": Monitor() for number in range(4)}
    for monitor in monitors.values():
        for unit in range(100):
            monitor.note(float(unit), CountedClient("192.0.2.1", 0.0), unit, b"\3\0\0\0\1", None)
    turns, looks, look = 0, list[int](), Monitor.since

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def noted_look(monitor: Monitor, noted: int) -> list[Exchange]:
        looks.append(turns)
        return look(monitor, noted)

    monkeypatch.setattr(Monitor, "since", noted_look)
    lines = list[bytes]()
    async with running(Control(tmp_path / "socket", monitors, good)):
        counting = asyncio.create_task(count_turns())
        await ask(tmp_path / "socket", ONCE, lines.append)
        counting.cancel()
    assert len(lines) == 400
    assert len(set(looks)) == len(monitors)


def test_the_gateway_of_this_user_is_trusted(tmp_path: Path) -> None:
    assert len(asyncio.run(asked(tmp_path / "socket"))) == 1


def test_the_socket_of_another_user_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "peer_of", lambda _socket: Peer(1, STRANGER))
    with pytest.raises(PermissionError, match="another user"):
        asyncio.run(asked(tmp_path / "socket"))


def test_another_user_gets_nothing_from_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "peer_of", lambda _socket: Peer(1, STRANGER))
    assert asyncio.run(asked(tmp_path / "socket")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
@pytest.mark.parametrize(("mode", "is_trusted"), [(0o755, True), (0o1777, False), (0o775, False)])
def test_root_trusts_the_owner_of_a_folder_that_only_root_can_make(tmp_path: Path, mode: int, is_trusted: bool) -> None:
    folder = tmp_path / "run" / "gateway"
    folder.mkdir(parents=True)
    os.chown(folder, STRANGER, STRANGER)
    folder.parent.chmod(mode)
    assert is_trusted_owner(STRANGER, folder / "socket") is is_trusted
    assert not is_trusted_owner(STRANGER - 1, folder / "socket")


async def other_at(path: Path, response: bytes, caplog: pytest.LogCaptureFixture) -> str:
    """Return the log of a gateway whose socket another program has opened, which responds to each question alike."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(response)
        writer.close()

    async with await asyncio.start_unix_server(respond, path), running(Control(path, {}, good)):
        return caplog.records[-1].getMessage()


@pytest.mark.parametrize("response", [b"", b"hello\n", b"[]\n", b"7\n", b'{"is": 1}\n', 2_000_000 * b"x"])
async def test_a_program_that_does_not_respond_as_a_gateway_is_not_called_one(
    tmp_path: Path, response: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    text = await other_at(tmp_path / "socket", response, caplog)
    assert f"a program (process {os.getpid()}), perhaps another gateway that does not respond, listens on" in text


async def test_a_program_that_responds_as_a_gateway_is_called_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = await other_at(tmp_path / "socket", b'{"is_healthy": true, "reason": "", "since": 1.0}\n', caplog)
    assert f"another gateway (process {os.getpid()}) uses {tmp_path}/socket. To run both" in text

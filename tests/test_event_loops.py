"""Both event loops: asyncio's own, and uvloop's where it is installed, which does not know all that asyncio does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from gateway.lines import TcpLine

LIMIT_S = 10.0


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = pytest.importorskip("uvloop").new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_meter_over_tcp_is_read_on_either_event_loop(loop: asyncio.AbstractEventLoop, host: str) -> None:
    async def read(port: int) -> bytes:
        received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        line = TcpLine(host, port)
        closed = await line.open(lambda data: received.done() or received.set_result(data))
        meter, _ = listener.accept()
        with meter:
            meter.sendall(b"/")
            data = await asyncio.wait_for(received, LIMIT_S)
        await asyncio.wait_for(closed, LIMIT_S)
        line.close()
        return data

    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert loop.run_until_complete(read(listener.getsockname()[1])) == b"/"


def test_a_meter_that_nobody_serves_is_refused_on_either_event_loop(loop: asyncio.AbstractEventLoop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        loop.run_until_complete(TcpLine("127.0.0.1", port).open(lambda _data: None))

"""Look-ups of a name are shared, and go on after an attempt to connect has given up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from gateway.runtime.threads import LOOP_THREADS
from gateway.transport import connecting
from gateway.transport.connecting import LOOK_UPS, connect_socket, not_in_time

NAME = "p1.example.org"
LIMIT_S = 60.0


class NameServer:
    """Look-ups of names, which get their response when a test wants it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.responds = asyncio.Event()
        self.addresses = ["127.0.0.1"]

    async def look_up(self, host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        await self.responds.wait()
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in self.addresses]


@pytest.fixture
async def names() -> Any:
    found = NameServer()
    with patch.object(asyncio.get_running_loop(), "getaddrinfo", found.look_up):
        yield found


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", NAME])
async def test_small_messages_are_sent_without_delay(names: NameServer, port: int, host: str) -> None:
    names.responds.set()
    sock = await connect_socket(host, port)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=sock)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    transport.close()
    await asyncio.sleep(0)


async def test_those_that_connect_to_a_name_at_the_same_time_share_a_look_up(names: NameServer, port: int) -> None:
    attempts = [asyncio.create_task(connect_socket(NAME, port)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not_in_time(NAME, 3).code == "name-server-timeout"
    names.responds.set()
    async with asyncio.timeout(LIMIT_S):
        for each in await asyncio.gather(*attempts):
            assert each.getpeername()[1] == port
            each.close()
    assert names.asked == [NAME]
    assert not_in_time(NAME, 3).code == "connection-timeout"
    (await connect_socket(NAME, port)).close()
    assert len(names.asked) == 2, "an address may change"


async def test_a_look_up_that_takes_longer_than_an_attempt_serves_the_next_one(names: NameServer, port: int) -> None:
    await given_up(NAME, port)
    second = asyncio.create_task(connect_socket(NAME, port))
    await asyncio.sleep(0)
    names.responds.set()
    async with asyncio.timeout(LIMIT_S):
        (await second).close()
    assert names.asked == [NAME]


async def test_a_look_up_that_ends_between_two_attempts_serves_the_next_one(names: NameServer, port: int) -> None:
    await given_up(NAME, port)
    names.responds.set()
    await turns()
    assert not_in_time(NAME, 3).code == "connection-timeout"
    (await connect_socket(NAME, port)).close()
    assert names.asked == [NAME]
    (await connect_socket(NAME, port)).close()
    assert names.asked == [NAME, NAME], "an address is used once"


async def test_an_address_that_nobody_has_used_is_soon_forgotten(
    names: NameServer, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "KEPT_S", -1.0)
    await given_up(NAME, port)
    names.responds.set()
    await turns()
    (await connect_socket(NAME, port)).close()
    assert names.asked == [NAME, NAME]


async def test_a_name_that_nobody_waits_for_any_more_and_is_not_found_is_looked_up_again(
    names: NameServer, port: int
) -> None:
    names.addresses.clear()
    await given_up(NAME, port)
    names.responds.set()
    await turns()
    names.addresses.append("127.0.0.1")
    (await connect_socket(NAME, port)).close()
    assert names.asked == [NAME, NAME]


async def test_forty_names_without_response_leave_threads_for_other_work(names: NameServer, port: int) -> None:
    attempts = [asyncio.create_task(connect_socket(f"p1-{number}.example.org", port)) for number in range(40)]
    await turns()
    assert len(names.asked) == LOOK_UPS < LOOP_THREADS / 2
    assert not_in_time("p1-39.example.org", 3).code == "name-server-timeout"
    names.responds.set()
    async with asyncio.timeout(LIMIT_S):
        for each in await asyncio.gather(*attempts):
            each.close()
    assert len(set(names.asked)) == len(names.asked) == 40


async def test_names_that_failed_do_not_delay_others(names: NameServer, port: int) -> None:
    failing = [f"p1-{number}.example.org" for number in range(20)]
    names.addresses.clear()
    names.responds.set()
    await asyncio.gather(*(connect_socket(each, port) for each in failing), return_exceptions=True)
    names.responds.clear()
    names.asked.clear()
    attempts = [asyncio.create_task(connect_socket(each, port)) for each in (*failing, NAME)]
    await turns()
    assert names.asked == [*failing[:LOOK_UPS], NAME]
    names.addresses.append("127.0.0.1")
    names.responds.set()
    async with asyncio.timeout(LIMIT_S):
        for each in await asyncio.gather(*attempts):
            each.close()
    await given_up(failing[0], port)
    assert not connecting._look_ups[asyncio.get_running_loop()].failing


async def given_up(name: str, port: int) -> None:
    """Begin to connect, and give up before the name server responds."""
    attempt = asyncio.create_task(connect_socket(name, port))
    await turns()
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)


async def turns() -> None:
    """Let the event loop do what is due."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_name_that_is_not_found_is_looked_up_again(names: NameServer, port: int) -> None:
    names.addresses.clear()
    names.responds.set()
    for count in (1, 2):
        with pytest.raises(socket.gaierror):
            await connect_socket(NAME, port)
        assert len(names.asked) == count


async def test_an_address_needs_no_look_up(names: NameServer, port: int) -> None:
    (await connect_socket("127.0.0.1", port)).close()
    assert not names.asked


async def test_the_next_address_is_tried_where_the_first_one_refuses(names: NameServer, port: int) -> None:
    names.addresses[:] = ["127.0.0.2", "127.0.0.1"]
    names.responds.set()
    found = await connect_socket(NAME, port)
    assert found.getpeername() == ("127.0.0.1", port)
    found.close()

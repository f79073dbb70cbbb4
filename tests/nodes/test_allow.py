"""The list of addresses that are served (implementation guide, 4.2.1: access control), on every transport.

All of 127.0.0.0/8 is this machine.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from gateway.nodes.modbus_server import ModbusServer
from gateway.transport.addresses import name_peer
from tests.certificates import client_context
from tests.nodes.transports import DatagramClient, StreamClient, make_unit, mbap, serve

READ = bytes.fromhex("0300050001")
ANSWER = bytes.fromhex("03020005")
LIMIT_S = 60.0
ALLOWED, REFUSED = "127.0.0.2", "127.0.0.1"
ONLY_ALLOWED = {"allow": (ip_network(ALLOWED),)}
REFUSAL = "a client was refused: its address is not in any network of allow"


@pytest.mark.parametrize("name", ["tcp", "tls", "rtu_over_tcp"])
async def test_an_address_not_in_allow_is_closed_before_anything_of_it_is_read(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(name, tmp_path, make_unit(tmp_path), **ONLY_ALLOWED) as server:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, local_addr=(REFUSED, 0))
            writer.write(mbap(1, 1, READ))
            received = b""
            with suppress(ConnectionResetError):
                async with asyncio.timeout(LIMIT_S):
                    received = await reader.read()
            assert received == b""
            writer.close()
        assert server.clients.refused == 3
        assert not server.responder.monitor.recent
        assert caplog.text.count(REFUSAL) == 1
        context = client_context(tmp_path) if name == "tls" else None
        streams = await asyncio.open_connection("127.0.0.1", server.port, ssl=context, local_addr=(ALLOWED, 0))
        assert await StreamClient(*streams, is_rtu=name == "rtu_over_tcp").ask(READ) == ANSWER
        streams[1].transport.abort()


async def test_over_udp_an_address_not_in_allow_gets_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve("udp", tmp_path, make_unit(tmp_path), **ONLY_ALLOWED) as server:
        refused, allowed = [await datagram_client(server, source) for source in (REFUSED, ALLOWED)]
        for _ in range(3):
            await refused.send(1, READ)
        # The kernel keeps datagrams to one socket in order.
        assert await allowed.ask(READ) == ANSWER
        assert refused.is_empty
        assert len(server.responder.monitor.recent) == 1
        assert caplog.text.count(REFUSAL) == 1
        for client in (refused, allowed):
            client.transport.close()


async def datagram_client(server: ModbusServer, source: str) -> DatagramClient:
    loop = asyncio.get_running_loop()
    _, client = await loop.create_datagram_endpoint(
        DatagramClient, local_addr=(source, 0), remote_addr=("127.0.0.1", server.port)
    )
    return client


@pytest.mark.parametrize(
    ("host", "address", "name"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7:502"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7:502"),
        ("2001:db8::7", "2001:db8::7", "[2001:db8::7]:502"),
        ("fe80::7%eth0", "fe80::7", "[fe80::7]:502"),
    ],
)
def test_an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_client(host: str, address: str, name: str) -> None:
    assert name_peer(host, 502) == (ip_address(address), name)

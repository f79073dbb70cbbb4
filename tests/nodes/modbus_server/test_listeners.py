"""The listeners of a Modbus server on all addresses of the machine."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_network

import pytest

from gateway.nodes.modbus_server import ModbusServer
from gateway.nodes.modbus_server.settings import ServerSettings, Transport
from gateway.transport.clients import Admission
from tests.nodes.transports import mbap
from tests.protocol.modbus.small_units import read_pdu, responder_of, small_map, small_unit

READ = read_pdu(0, 1)
ALLOW = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_udp_without_an_address_is_served_on_ipv4_and_ipv6(address: str) -> None:
    if ":" in address and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    settings = ServerSettings(Transport.UDP, "", 0, admission=Admission(allow=ALLOW))
    server = ModbusServer("modbus", settings, responder_of({1: small_unit(small_map())}))
    task = asyncio.create_task(server.run())
    try:
        await asyncio.wait_for(server.ready.wait(), 60)
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendto(client, mbap(7, 1, READ), (address, server.port))
            assert (await asyncio.wait_for(loop.sock_recv(client, 300), 60))[:7] == mbap(7, 1, bytes(4))[:7]
    finally:
        task.cancel()

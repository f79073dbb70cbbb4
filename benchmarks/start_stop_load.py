"""Meters, a broker and clients for `start_stop.py`, and the configuration of a gateway with each type of node."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count as count_from
from pathlib import Path
from typing import Any

import yaml

from benchmarks.feed import NOON
from benchmarks.running import free_port
from benchmarks.sources import KEY, TOKEN, encrypt
from benchmarks.steadiness import start_mosquitto
from gateway.nodes.push_listener import PATH
from gateway.simulation.forms import simulated_meter
from tests.certificates import make_certificates

TELEGRAM_EVERY_S = 0.01
FEED, PUSH, PAGE, BROKER, TCP, RTU, UDP, TLS, PLAIN, RAW, TELNET = (
    *("feed", "push", "page", "broker"),
    *("tcp", "rtu", "udp", "tls", "plain", "raw", "telnet"),
)
PORTS = (PUSH, PAGE, BROKER, TCP, RTU, UDP, TLS, PLAIN, RAW, TELNET)
READ = bytes.fromhex("000100000006010300000012")
RTU_READ = bytes.fromhex("010300000012c5c7")


class Load:
    """The meters and the clients, which outlive the gateways."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.ports = ports
        self._tasks: list[asyncio.Task[None]] = []
        self._readers: list[asyncio.StreamWriter] = []
        self.responses = 0
        self._meter, other = os.openpty()
        tty.setraw(other)
        os.set_blocking(self._meter, False)
        self.serial, self._other = os.ttyname(other), other
        self._context = ssl.create_default_context(cafile=folder / "ca.pem")
        self._context.check_hostname = False

    async def begin(self, stack: AsyncExitStack) -> None:
        """Listen for gateways, and send telegrams from now on."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.ports[FEED] = server.sockets[0].getsockname()[1]
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        stack.callback(os.close, self._other)
        stack.callback(os.close, self._meter)
        stack.push_async_callback(self.end, await self.go_on([self._send]))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._readers.append(writer)
        with suppress(ConnectionError):
            await reader.read()
        self._readers.remove(writer)
        writer.close()

    async def _send(self) -> None:
        household = simulated_meter("5")
        for number in count_from():
            telegram = household.telegram(NOON + number)
            for writer in self._readers:
                writer.write(telegram)
            with suppress(BlockingIOError):
                os.write(self._meter, encrypt(telegram, number))
            await asyncio.sleep(TELEGRAM_EVERY_S)

    async def go_on(self, works: list[Callable[[], Awaitable[None]]]) -> list[asyncio.Task[None]]:
        """Start works that go on until `end`."""

        async def again(work: Callable[[], Awaitable[None]]) -> None:
            while True:
                with suppress(OSError, EOFError, TimeoutError):
                    await work()
                await asyncio.sleep(0)

        return [asyncio.create_task(again(work), name="load") for work in works]

    async def end(self, tasks: list[asyncio.Task[None]]) -> None:
        """End works."""
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    def clients(self) -> list[Callable[[], Awaitable[None]]]:
        """Return what the clients of all listeners do again and again: connect, ask, and leave."""
        form = f"telegram={'x' * 2000}".encode()
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token {TOKEN}\r\n"
        head += f"Content-Length: {len(form)}\r\n"
        post = head.encode() + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + form
        asked = [(TCP, READ), (TCP, READ), (RTU, RTU_READ), (PUSH, post)]
        asked += [(PAGE, b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % p) for p in (b"/", b"/events", b"/metrics")]
        asked += [(PLAIN, b""), (RAW, b""), (TELNET, b"\xff\xfd\x2c")]
        found = [lambda port=port, data=data: self._ask(port, data) for port, data in asked]
        return [*found, lambda: self._ask(TLS, READ, self._context), self._ask_over_udp]

    async def _ask(self, port: str, data: bytes, context: ssl.SSLContext | None = None) -> None:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[port], ssl=context)
            try:
                for _ in range(random.randrange(1, 4)):
                    writer.write(data)
                    self.responses += bool(await reader.read(1 << 16))
            finally:
                writer.transport.abort()

    async def _ask_over_udp(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(("127.0.0.1", self.ports[UDP]))
            client.send(READ)
            async with asyncio.timeout(0.05):
                self.responses += bool(await asyncio.get_running_loop().sock_recv(client, 512))


def configuration(ports: dict[str, int], serial: str) -> dict[str, Any]:
    """Return a configuration with each type of node."""
    listen = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    tls = {"certificate": "server.pem", "key": "server.key"}
    return {
        "meters": {
            "tcp": {"host": "127.0.0.1", "port": ports[FEED], "dsmr_version": "5"},
            "serial": {"port": serial, "dsmr_version": "5", "decryption": {"key_file": "key"}},
            "posted": {"source": "push", "token_file": "token"},
            "broker": {"source": f"mqtt://{listen[BROKER]}/dsmr"},
            "fleet": {"source": "mqtt"},
            "simulated": {"simulate": True},
        },
        "modbus": [
            {"listen": listen[TCP], "units": {1: {"meter": "tcp"}, 2: {"meter": "serial", "map": "eastron-sdm630"}}},
            {"listen": listen[RTU], "transport": "rtu_over_tcp", "units": {1: {"meter": "simulated"}}},
            {"listen": listen[UDP], "transport": "udp", "allow": ["127.0.0.0/8"], "units": {1: {"meter": "tcp"}}},
            {"listen": listen[TLS], "tls": tls, "units": {1: {"meter": "posted"}, 2: {"meter": "fleet"}}},
        ],
        "passthrough": [
            {"meter": "tcp", "listen": listen[PLAIN], "greet": "newest"},
            {"meter": "tcp", "listen": listen[RAW], "mode": "raw"},
            {"meter": "serial", "listen": listen[TELNET], "telnet": "rfc2217"},
        ],
        "push": {"listen": listen[PUSH]},
        "mqtt": {"brokers": [f"mqtt://{listen[BROKER]}"], "edge": "edge", "publish": ["telegrams", "home_assistant"]},
        "status_page": {"listen": listen[PAGE]},
        "state_dir": "state",
    }


@asynccontextmanager
async def loaded(folder: Path) -> AsyncIterator[tuple[Load, Path]]:
    """Run a broker and meters; yield them with the configuration of a gateway that reads them."""
    ports = {name: free_port() for name in PORTS}
    (folder / "state").mkdir()
    (folder / "key").write_text(KEY.hex())
    (folder / "token").write_text(TOKEN)
    make_certificates(folder)
    async with AsyncExitStack() as stack:
        start_mosquitto(stack, folder, ports[BROKER])
        load = Load(folder, ports)
        await load.begin(stack)
        path = folder / "gateway.yaml"
        path.write_text(yaml.safe_dump(configuration(ports, load.serial)))
        yield load, path

"""Readers that speak telnet (RFC 2217): what they get byte for byte, and what they may ask for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from gateway.nodes.passthrough import Mode, Passthrough
from gateway.protocol.com_port import COM_PORT, ComPortReader
from gateway.protocol.p1.variants import FAST_LINE, SLOW_LINE
from gateway.protocol.telnet import BURST_COMMANDS, DO, IAC, SB, Negotiation, Subnegotiation, TelnetStream
from gateway.transport.clients import Admission
from tests.certificates import client_context, make_certificates
from tests.conftest import own_telegram
from tests.nodes.passthrough_bench import LIMIT_S, MODES, Bench, Reader, connect, feed_each, numbered
from tests.waiting import running, until

FIRST = own_telegram("v50_sagemcom-t210d")


class TelnetClient:
    """A reader that negotiates as a client of RFC 2217 does."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.port = ComPortReader(FAST_LINE)
        self.data = b""
        self.commands: list[Negotiation | Subnegotiation] = []
        self._stream = TelnetStream()

    async def begin(self) -> None:
        """Negotiate until there is a response to the last command."""
        self.reader.writer.write(self.port.begin())
        await self.read_until(lambda: self.port.is_done and self.commands[-1] == Subnegotiation(COM_PORT, b"\x70\1"))

    async def ask(self, *content: int) -> bytes:
        """Send a command; return the content of the response."""
        count = len(self.commands)
        self.reader.writer.write(bytes(Subnegotiation(COM_PORT, bytes(content))))
        await self.read_until(lambda: len(self.commands) > count)
        (response,) = self.commands[count:]
        assert isinstance(response, Subnegotiation)
        return response.content

    async def gets(self, expected: bytes) -> bool:
        """Read until data of this length has come; return whether it is the same."""
        await self.read_until(lambda: len(self.data) >= len(expected))
        return self.data == expected

    async def read_until(self, condition: object) -> None:
        assert callable(condition)
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                received = await self.reader.stream.read(4096)
                assert received, "closed"
                for item in self._stream.feed(received):
                    if isinstance(item, bytes):
                        self.data += item
                    else:
                        self.commands.append(item)
                        self.reader.writer.write(self.port.take(item))


async def telnet_client(passthrough: Passthrough) -> TelnetClient:
    client = TelnetClient(await connect(passthrough))
    await client.begin()
    return client


@pytest.mark.parametrize("mode", MODES)
async def test_telegrams_come_through_byte_for_byte(mode: Mode) -> None:
    bench = Bench()
    passthrough = bench.offer(mode, is_telnet=True)
    async with running(*bench.passthroughs):
        client = await telnet_client(passthrough)
        assert client.port.is_accepted
        assert client.port.refused == {}
        for telegram in (FIRST, own_telegram("odd_text-2048-digits"), numbered(3)):
            client.data = b""
            bench.feed(telegram)
            assert await client.gets(telegram)


async def test_bytes_of_255_are_sent_twice_also_in_encrypted_telegrams() -> None:
    bench = Bench()
    passthrough = bench.offer(Mode.RAW, is_telnet=True)
    ciphered = b"\xdb\x08" + b"\xff\xff\xf0" + Random(7).randbytes(500) + b"\xff"
    async with running(*bench.passthroughs):
        client = await telnet_client(passthrough)
        bench.feed(ciphered, arrived=0.0)
        assert await client.gets(ciphered)


async def test_settings_that_are_not_in_force_are_refused_with_those_that_are() -> None:
    bench = Bench()
    passthrough = bench.offer(is_telnet=True, in_force=SLOW_LINE)
    async with running(*bench.passthroughs):
        client = await telnet_client(passthrough)
        assert client.port.refused == {"baudrate": "9600", "bytesize": "7", "parity": "E"}
        bench.feed(FIRST)
        assert await client.gets(FIRST), "it is served all the same"
        assert await client.ask(1, 0, 0, 0, 0) == b"\x65\x00\x00\x25\x80"
        assert await client.ask(0) == b"\x64dsmr-modbus-gateway"


async def test_plain_readers_of_another_port_are_not_affected() -> None:
    bench = Bench()
    plain, telnet = bench.offer(), bench.offer(is_telnet=True)
    async with running(*bench.passthroughs):
        reader = await connect(plain)
        await telnet_client(telnet)
        assert await feed_each(bench, reader, range(3)) < LIMIT_S
        assert "telnet" not in plain.details()
        assert telnet.details()["telnet"] == "rfc2217"


async def test_data_for_the_meter_is_separated_from_commands() -> None:
    written = bytearray()

    class Line:
        def write(self, data: bytes) -> bool:
            written.extend(data)
            return True

    bench = Bench()
    passthrough = bench.offer(is_telnet=True, line=Line(), is_writable=True)
    async with running(*bench.passthroughs):
        client = await telnet_client(passthrough)
        client.reader.writer.write(b"a" + bytes([IAC, IAC]) + bytes([IAC, DO, 99]) + b"b")
        await until(lambda: len(written) == 3)
    assert written == b"a\xffb"


@pytest.mark.parametrize(
    "flood", [bytes([IAC, DO, 99]), bytes(Subnegotiation(COM_PORT, b"\0")), bytes([IAC, SB, 24, 1, IAC, 240])]
)
async def test_a_reader_that_floods_with_commands_is_disconnected_and_no_other(
    flood: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    passthrough = bench.offer(is_telnet=True)
    async with running(*bench.passthroughs):
        healthy = await telnet_client(passthrough)
        attacker = await connect(passthrough)
        attacker.writer.write(flood * 10 * BURST_COMMANDS)
        await attacker.rest()
        await until(lambda: len(passthrough.clients) == 1)
        bench.feed(FIRST)
        assert await healthy.gets(FIRST)
    assert "sends too many telnet commands: disconnected" in caplog.text


async def test_garbage_of_a_reader_has_no_effect_on_others() -> None:
    bench = Bench()
    passthrough = bench.offer(is_telnet=True)
    random = Random(3)
    async with running(*bench.passthroughs):
        healthy = await telnet_client(passthrough)
        for kinds in (range(256), (IAC, SB, 44, 1, 240)):
            stranger = await connect(passthrough, is_served=False)
            stranger.writer.write(bytes(random.choices(kinds, k=20_000)))
            stranger.close()
        bench.feed(FIRST)
        assert await healthy.gets(FIRST)


async def test_telnet_goes_over_tls_too(tmp_path: Path) -> None:
    bench = Bench()
    passthrough = bench.offer(is_telnet=True, admission=Admission(tls=make_certificates(tmp_path)))
    async with running(*bench.passthroughs):
        client = TelnetClient(await connect(passthrough, client_context(tmp_path)))
        await client.begin()
        bench.feed(FIRST)
        assert await client.gets(FIRST)

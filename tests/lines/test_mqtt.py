"""The MQTT line against brokers that do one thing wrong, or speak only the old version."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from gateway.lines.mqtt import MAX_PER_S, MqttLine, telegram_of
from gateway.problems.problem import ProblemError
from gateway.transport import mqtt
from gateway.transport.mqtt import Broker, Message, MqttClient, Options
from gateway.transport.mqtt_connection import Connection, Takers
from gateway.transport.mqtt_message import NUMBERS, message_numbers
from gateway.transport.mqtt_packets import MAX_PACKET_BYTES, NotMqttError, Packets
from gateway.transport.mqtt_problems import disconnected, login_refused, message_refused
from tests.conftest import own_telegram
from tests.waiting import until

TELEGRAM = own_telegram("v50_sagemcom-t210d")
ENCRYPTED = b"\xdb\x08" + bytes(40) + b" \r\n"
"""A frame whose last bytes look like white space."""
TOPIC = "dsmr/raw"
LIMIT_S = 60.0

ACCEPTED, REFUSED_OLD = b"\x20\x02\x00\x00", b"\x20\x02\x00\x01"
ACCEPTED_5 = b"\x20\x03\x00\x00\x00"
CONNECT, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 8, 12, 14


def length(size: int) -> bytes:
    digits = bytearray()
    while size > 0x7F:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(digits) + bytes([size])


def message(payload: bytes, *, flags: int = 0, is_new: bool = True) -> bytes:
    """Return the packet of a message."""
    identifier = b"\x00\x01" if flags & 6 else b""
    rest = len(TOPIC).to_bytes(2, "big") + TOPIC.encode() + identifier + (b"\x00" if is_new else b"") + payload
    return bytes([0x30 | flags]) + length(len(rest)) + rest


class Reader:
    """The packets of a client, read one at a time."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream

    async def packet(self) -> tuple[int, bytes]:
        kind = (await self._stream.readexactly(1))[0] >> 4
        size = (await self._stream.readexactly(1))[0]
        if size & 0x80:
            size = size & 0x7F | (await self._stream.readexactly(1))[0] << 7
        return kind, await self._stream.readexactly(size)


Serve = Callable[[Reader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def broker(serve: Serve) -> AsyncIterator[int]:
    async def run(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(Reader(stream), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def subscribed(*packets: bytes, code: int = 0) -> Serve:
    """Return a broker of MQTT 5 that accepts a client, and sends it these packets."""

    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.packet())[0] == CONNECT
        writer.write(ACCEPTED_5)
        kind, body = await reader.packet()
        while kind == PINGREQ:
            writer.write(b"\xd0\x00")
            kind, body = await reader.packet()
        assert kind == SUBSCRIBE
        assert body.endswith(TOPIC.encode() + b"\x00"), "QoS 0, Retain As Published 0, Retain Handling 0"
        writer.write(b"\x90\x04" + body[:2] + b"\x00" + bytes([code]))
        for packet in packets:
            writer.write(packet)
        while (await reader.packet())[0] != DISCONNECT:
            writer.write(b"\xd0\x00")

    return serve


def line_to(port: int) -> MqttLine:
    return MqttLine(Broker("127.0.0.1", port), TOPIC)


async def problem_of_opening(serve: Serve) -> str:
    async with broker(serve) as port:
        with pytest.raises(ProblemError) as caught:
            await line_to(port).open(lambda _data: None)
    return caught.value.problem.code


async def ending_of(serve: Serve) -> str:
    """Return the code of the problem that ends an open line."""
    async with broker(serve) as port:
        line = line_to(port)
        closed = await line.open(lambda _data: None)
        error = await asyncio.wait_for(closed, LIMIT_S)
        line.close()
    assert isinstance(error, ProblemError)
    return error.problem.code


async def received_from(serve: Serve, count: int) -> tuple[list[bytes], MqttLine]:
    received: list[bytes] = []
    async with broker(serve) as port:
        line = line_to(port)
        await line.open(received.append)
        await until(lambda: len(received) >= count)
        line.close()
    return received, line


@pytest.mark.parametrize("size", [1, 3, 4096])
def test_packets_are_cut_however_the_stream_is_grouped(size: int) -> None:
    stream = message(b"x") + message(b"y" * 300) + message(b"z" * MAX_PACKET_BYTES) + b"\xd0\x00"
    packets = Packets()
    found = [each for at in range(0, len(stream), size) for each in packets.feed(stream[at : at + size])]
    assert found == [message(b"x"), message(b"y" * 300), len(message(b"z" * MAX_PACKET_BYTES)), b"\xd0\x00"]
    assert not packets._stream


@pytest.mark.parametrize("stream", [b"\x30\xff\xff\xff\xff\xff", b"\x20\xff\xff\x7f"])
def test_what_cannot_be_a_packet_is_refused(stream: bytes) -> None:
    with pytest.raises(NotMqttError):
        list(Packets().feed(stream))


@pytest.mark.parametrize(
    ("payload", "telegram"),
    [
        (TELEGRAM, TELEGRAM),
        (TELEGRAM.strip(), TELEGRAM),
        (TELEGRAM.hex().encode(), TELEGRAM),
        (TELEGRAM.hex().upper().encode() + b"\n", TELEGRAM),
        (b"\x7e\xa0".hex().encode() * 20, b"\x7e\xa0" * 20),
        (ENCRYPTED.hex().encode(), ENCRYPTED),
        (b"1234", b""),
        (b'{"power": 1}', b""),
        (b"", b""),
    ],
)
def test_a_message_holds_a_telegram_as_text_or_as_hexadecimal_digits(payload: bytes, telegram: bytes) -> None:
    assert telegram_of(payload) == telegram


async def test_live_messages_come_through_and_stored_ones_never() -> None:
    old = message(TELEGRAM.replace(b"0", b"1"), flags=1)
    received, _ = await received_from(subscribed(old, message(TELEGRAM), old, message(TELEGRAM)), 2)
    assert received == [TELEGRAM, TELEGRAM]


async def test_a_message_that_is_too_long_is_skipped_and_the_next_is_read() -> None:
    received, line = await received_from(subscribed(message(b"x" * 1_000_000), message(TELEGRAM)), 1)
    assert received == [TELEGRAM]
    assert line.silence().code == "mqtt-too-long"


@pytest.mark.parametrize(
    ("packets", "code"),
    [
        ((), "mqtt-no-message"),
        ((message(TELEGRAM, flags=1),), "mqtt-only-retained"),
        ((message(b'{"power": 1}'),), "mqtt-not-telegrams"),
        ((message(b"\x00\xff\x1b[2J" * 10),), "mqtt-not-telegrams"),
    ],
)
async def test_a_line_without_telegrams_says_what_came_in_their_place(packets: tuple[bytes, ...], code: str) -> None:
    async with broker(subscribed(*packets)) as port:
        line = line_to(port)
        await line.open(lambda _data: None)
        await until(lambda: line.silence().code == code, code)
        assert str(line.silence()).isprintable()
        line.close()


async def test_a_broker_of_the_old_version_is_tried_with_it_and_remembered() -> None:
    versions: list[int] = []

    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        _, body = await reader.packet()
        versions.append(body[6])
        if body[6] != 4:
            writer.write(REFUSED_OLD)
            return
        writer.write(ACCEPTED)
        _, body = await reader.packet()
        writer.write(b"\x90\x03" + body[:2] + b"\x00" + message(TELEGRAM, is_new=False))
        while (await reader.packet())[0] != DISCONNECT:
            writer.write(b"\xd0\x00")

    received: list[bytes] = []
    async with broker(serve) as port:
        line = line_to(port)
        for count in (1, 2):
            await line.open(received.append)
            await until(lambda: len(received) == count)  # noqa: B023 - called before the next round
            line.close()
    assert received == [TELEGRAM, TELEGRAM]
    assert versions == [5, 4, 4]


async def test_a_broker_that_closes_at_an_unknown_version_is_tried_with_the_old_one() -> None:
    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        if (await reader.packet())[1][6] == 4:
            writer.write(b"\x20\x02\x00\x05")
            await reader.packet()

    assert await problem_of_opening(serve) == "mqtt-login-refused"


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (b"\x20\x03\x00\x86\x00", "mqtt-login-refused"),
        (b"\x20\x03\x00\x87\x00", "mqtt-login-refused"),
        (b"\x20\x03\x00\x88\x00", "mqtt-refused"),
        (b"", "mqtt-closed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not-mqtt"),
        (b"\x20\x00", "not-mqtt"),
        (b"\xff" * 20, "not-mqtt"),
    ],
)
async def test_a_refused_login_is_a_problem_that_says_so(response: bytes, code: str) -> None:
    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        await reader.packet()
        writer.write(response)
        if response:
            await reader.packet()

    assert await problem_of_opening(serve) == code


async def test_a_broker_that_does_not_respond_to_the_login_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "RESPONSE_TIMEOUT_S", 0.05)

    async def serve(reader: Reader, _writer: asyncio.StreamWriter) -> None:
        await reader.packet()
        await reader.packet()

    assert await problem_of_opening(serve) == "mqtt-no-response"


@pytest.mark.parametrize("code", range(128, 256))
def test_every_reason_code_of_a_refused_message_is_a_problem(code: int) -> None:
    assert message_refused("a", code).short == "the broker refuses messages"


@pytest.mark.parametrize(
    ("code", "remedy"), [(149, "max_packet_size"), (157, "new address"), (139, "log of the broker")]
)
def test_the_end_of_a_connection_has_its_remedy(code: int, remedy: str) -> None:
    assert remedy in str(disconnected(ReasonCode(PacketTypes.DISCONNECT, identifier=code)))


def test_a_broker_that_has_moved_asks_for_its_new_address() -> None:
    assert "new address" in str(login_refused(ReasonCode(PacketTypes.CONNACK, identifier=157)))


async def test_a_broker_that_takes_a_connection_and_no_login_is_no_host_that_is_off() -> None:
    async def serve(reader: Reader, _writer: asyncio.StreamWriter) -> None:
        await reader.packet()
        await reader.packet()

    async with broker(serve) as port:
        options = Options(connect_timeout_s=0.05, needs_new=True)
        client = MqttClient(Broker("127.0.0.1", port), lambda _message: None, lambda _size: None, MAX_PER_S, options)
        with pytest.raises(ProblemError, match=r"does not respond to the login .* Does it speak MQTT 5"):
            await client.connect()


async def test_a_broker_that_allows_only_qos_0_is_refused_by_a_client_that_publishes() -> None:
    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        await reader.packet()
        writer.write(b"\x20\x05\x00\x00\x02\x24\x00")
        await reader.packet()

    async with broker(serve) as port:
        options = Options(will=Message("status", b"offline", is_retained=True))
        where = Broker("127.0.0.1", port)
        client = MqttClient(where, lambda _message: None, lambda _size: None, MAX_PER_S, options)
        with pytest.raises(ProblemError) as caught:
            await client.connect()
        assert caught.value.problem.code == "mqtt-no-qos-1"
        reader = MqttClient(where, lambda _message: None, lambda _size: None, MAX_PER_S)
        await reader.connect()
        reader.close()


async def test_a_broker_that_stores_messages_again_stores_the_will_again() -> None:
    are_stored: list[bool] = []

    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        _, login = await reader.packet()
        are_stored.append(bool(login[7] & 0x20))  # Will Retain, MQTT 5.0, 3.1.2.7
        writer.write(b"\x20\x03\x00\x9a\x00" if len(are_stored) == 1 else ACCEPTED_5)
        await reader.packet()

    async with broker(serve) as port:
        options = Options(will=Message("status", b"offline", is_retained=True))
        client = MqttClient(Broker("127.0.0.1", port), lambda _message: None, lambda _size: None, MAX_PER_S, options)
        await client.connect()
        assert are_stored == [True, False]
        client.close()
        await client.connect()
        assert are_stored == [True, False, True]
        client.close()


async def test_a_refused_topic_is_a_problem_that_says_so() -> None:
    assert await problem_of_opening(subscribed(code=0x87)) == "mqtt-topic-refused"


@pytest.mark.parametrize(
    ("packets", "code"),
    [
        ([message(b"x")] * (MAX_PER_S * 20), "mqtt-flood"),
        ([message(b"x" * (MAX_PACKET_BYTES * MAX_PER_S))], "mqtt-flood"),
        ([message(TELEGRAM, flags=2)], "mqtt-malformed"),
        ([b"\xe0\x02\x8b\x00"], "mqtt-ended"),
        ([b"\xe0\x02\x8e\x00"], "mqtt-taken-over"),
        ([b"\x30\x02\x00\x50"], "mqtt-malformed"),
        ([b"\x90\x00"], "mqtt-malformed"),
        ([b"\x30\xff\xff\xff\xff\xff"], "mqtt-malformed"),
        ([b"\xf0\x00"], "mqtt-malformed"),
    ],
)
async def test_a_broker_that_floods_or_errs_ends_the_line_with_the_reason(packets: list[bytes], code: str) -> None:
    assert await ending_of(subscribed(*packets)) == code


@pytest.mark.parametrize(("packet", "reason"), [(b"\x30\x02\x00\x50", 0x81), (message(b"x", flags=2), 0x82)])
async def test_a_broker_whose_message_is_malformed_gets_the_reason(packet: bytes, reason: int) -> None:
    last: list[tuple[int, bytes]] = []

    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        await reader.packet()
        writer.write(ACCEPTED_5)
        while (found := await reader.packet())[0] != SUBSCRIBE:
            writer.write(b"\xd0\x00")
        writer.write(b"\x90\x04" + found[1][:2] + b"\x00\x00" + packet)
        while (found := await reader.packet())[0] != DISCONNECT:
            writer.write(b"\xd0\x00")
        last.append(found)

    assert await ending_of(serve) == "mqtt-malformed"
    await until(lambda: last == [(DISCONNECT, bytes([reason]))])


async def test_a_broker_without_a_response_to_pings_ends_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.transport.mqtt_connection.PING_EVERY_S", 0.01)

    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        await reader.packet()
        writer.write(ACCEPTED_5)
        while (found := await reader.packet())[0] != SUBSCRIBE:
            writer.write(b"\xd0\x00")
        writer.write(b"\x90\x04" + found[1][:2] + b"\x00\x00")
        while True:
            await reader.packet()

    assert await ending_of(serve) == "mqtt-no-response"


async def test_a_gateway_that_is_behind_with_reading_does_not_give_up_the_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the start of many meters, the response to a ping waits behind all of their messages."""
    moment = 100.0
    monkeypatch.setattr("gateway.transport.mqtt_connection.now", lambda: moment)
    connection = Connection(Mock(Takers), MAX_PER_S)
    connection._transport = Mock()
    connection._open_pings.extend([97.0, 98.0, 99.0])
    connection._last_full = 99.5
    connection._ping()
    assert not connection.closed.done()
    moment = 101.0
    connection._ping()
    assert connection.closed.done()


async def test_an_attempt_that_is_cancelled_leaves_no_connection() -> None:
    ended = asyncio.Event()

    async def serve(reader: Reader, _writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.packet()
        finally:
            ended.set()

    async with broker(serve) as port:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line_to(port).open(lambda _data: None), 0.2)
        await asyncio.wait_for(ended.wait(), LIMIT_S)


async def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for each in (
        Broker("127.0.0.1", 1, user="me", password_file=missing),
        Broker("127.0.0.1", 1, is_tls=True, ca=missing),
    ):
        with pytest.raises(ProblemError) as caught:
            await MqttLine(each, TOPIC).open(lambda _data: None)
        assert caught.value.problem.code == "no-such-file"


async def test_an_empty_password_file_is_no_empty_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("\n")
    with pytest.raises(ProblemError) as caught:
        await MqttLine(Broker("127.0.0.1", 1, user="me", password_file=tmp_path / "password"), TOPIC).open(bytes)
    assert str(caught.value.problem) == f"{tmp_path}/password: the file is empty. Write the password into it"


async def test_a_client_logs_in_with_its_password_and_will_and_publishes(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    packets: list[tuple[int, bytes]] = []

    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        packets.append(await reader.packet())
        writer.write(ACCEPTED_5)
        while True:
            packets.append(await reader.packet())

    async with broker(serve) as port:
        where = Broker("127.0.0.1", port, user="me", password_file=tmp_path / "password")
        options = Options(will=Message("status", b"offline", is_retained=True))
        client = MqttClient(where, lambda _message: None, lambda _size: None, MAX_PER_S, options)
        assert not client.publish(Message("a", b"b"))
        await client.connect()
        assert client.publish(Message("a", b"b", is_retained=True))
        await until(lambda: (3, b"\x00\x01a\x00b") in packets)
        codes: list[int | None] = []
        assert client.publish(Message("c", b"d"), codes.append)
        await until(lambda: (3, b"\x00\x01c\x80\x00\x00d") in packets)
        with pytest.raises(OverflowError):
            client.publish(Message(0x10000 * "x", b"d"), codes.append)
        client.close()
        await until(lambda: (DISCONNECT, b"") in packets)
        assert not client.publish(Message("a", b"b"))
        assert codes == [None], "the connection ended before the acknowledgement"
    login = packets[0][1]
    assert login.endswith(b"\x00\x02me\x00\x06s3cret")
    assert b"\x00\x06status\x00\x07offline" in login
    assert login[8:10] == b"\x00\x05", "keepalive"


async def test_a_line_is_never_written_to() -> None:
    line = line_to(1)
    assert line.write(b"x") is False
    line.close()


def test_the_numbers_of_messages_begin_again_and_take_no_memory() -> None:
    numbers = message_numbers()
    assert next(numbers) == NUMBERS[0]
    tracemalloc.start()
    try:
        assert [number for number, _ in zip(numbers, NUMBERS, strict=False) if number == NUMBERS[0]] == [NUMBERS[0]]
        assert tracemalloc.get_traced_memory()[0] < 10_000
    finally:
        tracemalloc.stop()


class Kept(asyncio.Transport):
    """A transport that can be referred to weakly."""


async def test_a_connection_that_is_lost_lets_its_transport_go() -> None:
    near, far = socket.socketpair()
    with near, far:
        transport = Kept({"socket": near})
        connection = Connection(Mock(Takers), MAX_PER_S)
        connection.connection_made(transport)
        gone = weakref.ref(transport)
        connection.connection_lost(None)
        del transport
        assert gone() is None

"""Hostile input: each of it is answered as the documents say, or the connection is closed; nobody else is harmed."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.nodes.modbus_server.datagrams import Datagrams
from gateway.protocol.crc16 import crc16
from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.rtu import append_crc, respond_rtu
from tests.nodes.blocking import ANSWER, HEALTHY_ID, LIMIT_S, READ, Background, Healthy, Stream, background
from tests.nodes.oracle import WIRED, expect, expect_pdu
from tests.nodes.transports import make_unit, mbap, serve
from tests.waiting import until

READ_125 = bytes.fromhex("030000007d")
MANY = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def tcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    with background("tcp", tmp_path_factory.mktemp("tcp")) as running:
        yield running


@pytest.fixture
def healthy(tcp: Background) -> Iterator[Healthy]:
    client = Healthy(tcp.server.port)
    yield client
    client.check()
    client.socket.close()


# Requests that are nearly right.

unit_ids = st.sampled_from((*sorted(WIRED), 2, 17, 254))
counts = st.one_of(st.integers(0, 130), st.sampled_from((255, 256, 65535)))
addresses = st.one_of(st.integers(0, 140), st.sampled_from((199, 200, 201, 65533, 65534, 65535)), st.integers(0, 65535))
reads = st.builds(
    lambda function, address, count: bytes((function,)) + address.to_bytes(2, "big") + count.to_bytes(2, "big"),
    st.sampled_from((3, 4)),
    addresses,
    counts,
)
identifications = st.builds(
    lambda *parts: bytes((43, *parts)), st.sampled_from((13, 14)), st.integers(0, 5), st.integers(0, 9)
)
pdus = st.one_of(reads, identifications, st.binary(min_size=1, max_size=253))
requests = st.builds(mbap, st.integers(0, 65535), unit_ids, pdus)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A request with bytes changed, taken out or put in."""
    data = bytearray(draw(requests))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        what = draw(st.sampled_from(("change", "take", "put")))
        if what == "put":
            data[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif what == "take":
            del data[at : at + draw(st.integers(1, 4))]
        elif data:
            data[at] = draw(st.integers(0, 255))
    return bytes(data)


@st.composite
def lying(draw: st.DrawFn) -> bytes:
    """A request whose length field tells another length."""
    data = draw(requests)
    length = draw(st.one_of(st.integers(0, 300), st.sampled_from((0, 1, 2, 253, 254, 255, 256, 0x7FFF, 0xFFFF))))
    return data[:4] + length.to_bytes(2, "big") + data[6:]


streams = st.lists(st.one_of(requests, requests, mutated(), lying(), st.binary(max_size=40)), max_size=8).map(b"".join)


@MANY
@given(stream=streams, cuts=st.lists(st.integers(0, 2000), max_size=4))
def test_a_stream_of_any_bytes_is_answered_as_the_documents_say_or_closed(
    tcp: Background, healthy: Healthy, stream: bytes, cuts: list[int]
) -> None:
    expected = expect(stream)
    client = Stream(tcp.server.port)
    try:
        begin = 0
        for end in (*sorted(cut for cut in cuts if cut < len(stream)), len(stream)):
            client.socket.sendall(stream[begin:end])
            begin = end
        if not expected.is_closed:
            client.socket.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        assert expected.is_closed
    received = client.all()
    client.socket.close()
    assert received == expected.answers
    healthy.check()


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_end_a_connection_and_nothing_else(tcp: Background, healthy: Healthy, seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(50):
        stream = generator.randbytes(generator.randrange(6, 3000))
        client = Stream(tcp.server.port)
        client.socket.sendall(stream)
        assert client.all() == expect(stream).answers
        client.socket.close()
        healthy.check()


@pytest.mark.parametrize("length", [2, 3, 6, 100, 253, 254])
def test_a_length_field_that_asks_for_more_waits_for_it_and_takes_no_answer_from_others(
    tcp: Background, healthy: Healthy, length: int
) -> None:
    client = Stream(tcp.server.port)
    request = b"\0\1\0\0" + length.to_bytes(2, "big") + b"\1" + READ + bytes(254)
    client.socket.sendall(request[: 6 + length - 1])
    healthy.check()
    client.socket.sendall(request[6 + length - 1 : 6 + length])
    answer = expect(request[: 6 + length]).answers
    assert client.exactly(len(answer)) == answer
    client.socket.close()


# The same over UDP and RTU.


@MANY
@given(datagram=streams)
def test_a_datagram_of_any_bytes_is_answered_as_the_documents_say_or_not_at_all(
    udp: tuple[Background, socket.socket, socket.socket], datagram: bytes
) -> None:
    running, hostile, other = udp
    expected = expect(datagram)
    hostile.sendto(datagram, ("127.0.0.1", running.server.port))
    other.sendto(mbap(HEALTHY_ID, 1, READ), ("127.0.0.1", running.server.port))
    # Datagrams to one socket stay in order: when this answer is here, the other would be.
    assert other.recv(300) == mbap(HEALTHY_ID, 1, ANSWER)
    try:
        received = hostile.recv(65536)
    except BlockingIOError:
        received = b""
    is_one = len(datagram) >= 8 and len(datagram) == 6 + int.from_bytes(datagram[4:6], "big")
    is_request = is_one and not expected.is_closed and datagram[7] < 0x80
    assert received == (expected.answers if is_request else b"")


@pytest.fixture(scope="module")
def udp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Background, socket.socket, socket.socket]]:
    with (
        background("udp", tmp_path_factory.mktemp("udp")) as running,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hostile,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        hostile.bind(("127.0.0.1", 0))
        hostile.setblocking(False)
        other.settimeout(LIMIT_S)
        yield running, hostile, other


async def test_answers_that_the_kernel_does_not_take_are_not_piled_up(tmp_path: Path) -> None:
    async with serve("udp", tmp_path, make_unit(tmp_path)) as server:
        loop = asyncio.get_running_loop()
        transport, datagrams = await loop.create_datagram_endpoint(
            lambda: Datagrams(server), local_addr=("127.0.0.1", 0)
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(transport.get_extra_info("sockname"))
            datagrams.pause_writing()
            client.send(mbap(1, 1, READ))
            await until(lambda: server.responder.monitor.noted == 1)
            datagrams.resume_writing()
            client.send(mbap(2, 1, READ))
            async with asyncio.timeout(LIMIT_S):
                assert await loop.sock_recv(client, 300) == mbap(2, 1, ANSWER)
        transport.close()


async def test_a_serial_line_that_takes_no_answers_gets_the_newest_when_it_does(tmp_path: Path) -> None:
    rounds = 400
    async with serve("serial", tmp_path, make_unit(tmp_path)) as server:
        line: int = server.pty  # type: ignore[attr-defined]
        noted = 0

        async def ask(unit_id: int, pdu: bytes) -> None:
            nonlocal noted
            os.write(line, append_crc(bytes((unit_id,)) + pdu))
            noted += 1
            await until(lambda: server.responder.monitor.noted == noted)

        for _ in range(rounds):
            await ask(1, READ_125)
        await ask(9, READ)
        os.set_blocking(line, False)
        newest, taken = append_crc(b"\x09" + ANSWER), bytearray()

        def has_newest() -> bool:
            with suppress(BlockingIOError):
                taken.extend(os.read(line, 65536))
            return taken.endswith(newest)

        await until(has_newest)
        assert len(taken) < rounds * 255, "all that was ever answered"


@pytest.fixture(scope="module")
def rtu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    with background("rtu_over_tcp", tmp_path_factory.mktemp("rtu")) as running:
        yield running


short_pdus = st.one_of(reads, identifications, st.binary(min_size=1, max_size=16))
rtu_requests = st.builds(lambda unit_id, pdu: append_crc(bytes((unit_id,)) + pdu), unit_ids, short_pdus)
rtu_streams = st.lists(st.one_of(rtu_requests, st.binary(max_size=16)), max_size=6).map(b"".join)


def frames_in(stream: bytes) -> Iterator[bytes]:
    """Whatever in `stream` has a CRC that is right, wherever it begins."""
    for begin in range(len(stream)):
        crc = 0xFFFF
        for end in range(begin, len(stream)):
            crc = crc16(stream[end : end + 1], crc)
            if crc == 0 and end - begin >= 3:
                yield stream[begin : end + 1]


@MANY
@given(stream=rtu_streams)
def test_over_rtu_whatever_is_answered_was_asked_and_in_that_order(rtu: Background, stream: bytes) -> None:
    client, other = Stream(rtu.server.port), Stream(rtu.server.port)
    client.socket.sendall(stream)
    client.socket.shutdown(socket.SHUT_WR)
    left = client.all()
    for frame in frames_in(stream):
        answer = append_crc(frame[:1] + expect_pdu(frame[0], frame[1:-2]))
        left = left.removeprefix(answer)
    assert left == b""
    other.socket.sendall(append_crc(b"\1" + READ))
    assert other.exactly(7) == append_crc(b"\1" + ANSWER)
    client.socket.close()
    other.socket.close()


def test_noise_over_rtu_takes_little_time(rtu: Background) -> None:
    """Bytes that may begin the longest of requests at every place, none of which is one."""
    noise = (b"\x14\x14\xff" * 1366)[:4096]
    took = []
    for _ in range(5):
        begun = time.thread_time()
        answers, _, _ = respond_rtu(noise, rtu.server.responder, 0.0, CountedClient("noise", 0.0))
        took.append(time.thread_time() - begun)
        assert answers == b""
    assert min(took) < 0.004, "a client that sends noise without pause holds up all the others"
    client, other = Stream(rtu.server.port), Stream(rtu.server.port)
    client.socket.sendall(noise)
    client.socket.shutdown(socket.SHUT_WR)
    assert client.all() == b""
    other.socket.sendall(append_crc(b"\1" + READ))
    assert other.exactly(7) == append_crc(b"\1" + ANSWER)
    client.socket.close()
    other.socket.close()

"""Modbus clients of every kind at a simulated meter: mbpoll, pyModbusTCP, and sockets that misbehave."""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from pyModbusTCP.client import ModbusClient as PyModbusTcpClient
from pyModbusTCP.constants import EXP_ILLEGAL_FUNCTION, EXP_NONE

from tests.peers.harness import (
    LIMIT_S,
    READ_HOLDING,
    READ_INPUT,
    Gateway,
    ModbusClient,
    free_port,
    mbpoll,
    mbpoll_registers,
    read_request,
    running,
    wait_until,
)

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_PATH = 1, 2, 3, 10
DEMO = {"simulate": True}
T = TypeVar("T")
IDENTIFICATION = r"SIM5\2GATEWAY-DEMO"
MAX_BUSY_S = 0.2
"""Longest time that the gateway may work for one client before it responds to another."""
"""What an answer may take on a slow machine; in practice it is a thousandth of it."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A simulated household with two units wired."""
    units = {unit: {"map": "dsmr", "identifiers": True} for unit in (1, 3)}
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), DEMO, {"units": units})
    with running(gateway):
        gateway.wait_for_telegrams(1)
        yield gateway


def text_of(words: tuple[int, ...] | list[int]) -> str:
    """Two characters a register."""
    return struct.pack(f">{len(words)}H", *words).rstrip(b"\0").decode("ascii")


def beside(client: ModbusClient, address: int, count: int, read: Callable[[], T]) -> tuple[tuple[int, ...], T]:
    """Registers, and what `read` made of them while they did not change."""
    while True:
        before = client.registers(address, count)
        seen = read()
        if client.registers(address, count) == before:
            return before, seen


@pytest.mark.parametrize("function", [READ_HOLDING, READ_INPUT])
def test_mbpoll_reads_what_a_plain_socket_reads(gateway: Gateway, function: int) -> None:
    with gateway.client() as client:
        assert text_of(mbpoll_registers(gateway.port, 500, 16, function=function)) == IDENTIFICATION
        words, seen = beside(
            client, 100, 100, lambda: mbpoll_registers(gateway.port, 100, 100, unit=3, function=function)
        )
        assert seen == words


def test_mbpoll_decodes_numbers_of_two_registers(gateway: Gateway) -> None:
    with gateway.client() as client:
        words, result = beside(
            client, 100, 2, lambda: mbpoll(gateway.port, "-a", "1", "-r", "100", "-c", "1", "-t", "4:int", "-B")
        )
        (shown,) = re.findall(r"^\[100\]:\s+(-?\d+)$", result.stdout, re.MULTILINE)
        assert struct.pack(">i", int(shown)) == struct.pack(">2H", *words)
        words, result = beside(
            client, 1024, 6, lambda: mbpoll(gateway.port, "-a", "1", "-r", "1024", "-c", "3", "-t", "3:float", "-B")
        )
        volts = [float(text) for text in re.findall(r"^\[10\d\d\]:\s+([\d.]+)$", result.stdout, re.MULTILINE)]
        assert volts == pytest.approx(struct.unpack(">3f", struct.pack(">6H", *words)), abs=0.01)
        assert all(200 < volt < 260 for volt in volts)


def test_pymodbustcp_reads_what_a_plain_socket_reads(gateway: Gateway) -> None:
    client = PyModbusTcpClient(host="127.0.0.1", port=gateway.port, unit_id=3)
    assert text_of(client.read_holding_registers(500, 16)) == IDENTIFICATION
    with gateway.client() as plain:
        for read in (client.read_holding_registers, client.read_input_registers):
            words, seen = beside(plain, 1000, 125, partial(read, 1000, 125))
            assert seen == list(words)
    client.close()


def test_both_functions_give_the_same_of_one_moment(gateway: Gateway) -> None:
    with gateway.client() as client:
        functions = (READ_HOLDING, READ_INPUT) * 5
        transactions = client.send(*(read_request(100, 100, function) for function in functions))
        answers = [client.receive() for _ in functions]
        assert [answer.transaction for answer in answers] == transactions
        assert [answer.pdu[0] for answer in answers] == list(functions)
        assert len({answer.pdu[1:] for answer in answers}) == 1


WRITES = {
    "5": b"\x05\x00\x64\xff\x00",
    "6": b"\x06\x00\x64\x00\x07",
    "15": b"\x0f\x00\x64\x00\x08\x01\xff",
    "16": b"\x10\x00\x64\x00\x02\x04\x00\x00\x00\x07",
    "22": b"\x16\x00\x64\x00\xff\x00\x01",
    "23": b"\x17\x00\x64\x00\x01\x00\x64\x00\x01\x02\x00\x07",
}


@pytest.mark.parametrize("pdu", WRITES.values(), ids=WRITES.keys())
def test_a_write_is_refused(gateway: Gateway, pdu: bytes) -> None:
    with gateway.client() as client:
        assert client.ask(pdu).code == ILLEGAL_FUNCTION
        assert client.registers(0, 1) == (1,)


def test_foreign_clients_cannot_write(gateway: Gateway) -> None:
    result = mbpoll(gateway.port, "-a", "1", "-r", "100", "-t", "4", values=["7"])
    assert result.returncode != 0
    assert "Illegal function" in result.stderr
    client = PyModbusTcpClient(host="127.0.0.1", port=gateway.port, unit_id=1)
    assert not client.write_multiple_registers(100, [1, 2])
    assert client.last_except == EXP_ILLEGAL_FUNCTION
    assert client.read_holding_registers(0, 1) == [1]
    assert client.last_except == EXP_NONE
    client.close()


@pytest.mark.parametrize(
    ("unit", "address", "count", "code"),
    [
        (1, 40, 1, ILLEGAL_ADDRESS),
        (1, 39, 2, ILLEGAL_ADDRESS),
        (1, 99, 2, ILLEGAL_ADDRESS),
        (1, 0xFFFF, 2, ILLEGAL_ADDRESS),
        (1, 100, 0, ILLEGAL_VALUE),
        (1, 100, 126, ILLEGAL_VALUE),
        (1, 0xFFFF, 126, ILLEGAL_VALUE),
        (2, 100, 1, NO_PATH),
        (247, 0, 1, NO_PATH),
    ],
)
def test_a_wrong_read_is_refused(gateway: Gateway, unit: int, address: int, count: int, code: int) -> None:
    with gateway.client() as client:
        assert client.read(address, count, unit) == code
        assert client.registers(0, 1) == (1,)


def test_unit_0_and_255_are_the_device_itself(gateway: Gateway) -> None:
    with gateway.client() as client:
        for unit in (0, 255, 3):
            assert client.registers(500, 16, unit) == client.registers(500, 16, 1)


def test_requests_in_one_segment_are_all_answered_in_order(gateway: Gateway) -> None:
    with gateway.client() as client:
        addresses = [100 + index for index in range(100)]
        # The power of the simulated household lasts ten seconds: a telegram may come in between.
        transactions = client.send(*(read_request(address, 1) for address in (*addresses, 0, 500)))
        answers = [client.receive() for _ in transactions]
        assert [answer.transaction for answer in answers] == transactions
        assert all(answer.code is None and len(answer.pdu) == 4 for answer in answers)
        assert answers[-2].pdu == b"\x03\x02\x00\x01"
        assert answers[-1].pdu[2:] == b"SI"


def test_a_request_in_single_bytes_is_answered(gateway: Gateway) -> None:
    request = struct.pack(">HHHB", 7, 0, 6, 1) + read_request(0, 1)
    with gateway.client() as client:
        for _ in range(3):
            for byte in request:
                client.socket.sendall(bytes((byte,)))
            assert client.receive() == (7, 1, b"\x03\x02\x00\x01")


@pytest.mark.parametrize(
    "header",
    [
        b"\x00\x09\x00\x01\x00\x06",
        b"\x00\x09\x00\x00\x00\x00",
        b"\x00\x09\x00\x00\x00\x01",
        b"\x00\x09\x00\x00\xff\xff",
    ],
    ids=["protocol id 1", "length 0", "length 1", "length 65535"],
)
def test_what_is_not_modbus_ends_the_connection(gateway: Gateway, header: bytes) -> None:
    with gateway.client() as client, gateway.client() as other:
        good = struct.pack(">HHHB", 8, 0, 6, 1) + read_request(0, 1)
        client.socket.sendall(good + header + b"\x01" + read_request(0, 1))
        assert client.receive() == (8, 1, b"\x03\x02\x00\x01")
        assert client.is_closed()
        assert other.registers(0, 1) == (1,)


def test_a_client_that_shuts_its_side_gets_its_answers(gateway: Gateway) -> None:
    with gateway.client() as client:
        transactions = client.send(*[read_request(500, 120)] * 50)
        client.socket.shutdown(socket.SHUT_WR)
        answers = [client.receive() for _ in transactions]
        assert [answer.transaction for answer in answers] == transactions
        assert len({answer.pdu for answer in answers}) == 1
        assert client.is_closed()


def test_clients_that_reset_are_forgotten(gateway: Gateway) -> None:
    with gateway.client() as other:
        assert other.registers(0, 1) == (1,)
        before = gateway.open_files()
        for _ in range(25):
            with gateway.client() as client:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.send(*[read_request(100, 100)] * 20)
        assert other.registers(0, 1) == (1,)
        wait_until(lambda: gateway.open_files() <= before, "closed sockets")


def test_a_client_that_never_reads_harms_nobody_and_is_cut_off(gateway: Gateway) -> None:
    with gateway.client(receive_buffer=4096) as greedy, gateway.client() as other:
        greedy.socket.setblocking(False)
        request = struct.pack(">HHHB", 1, 0, 6, 1) + read_request(1000, 125)
        longest_busy_s, is_cut, is_stuck = 0.0, False, False
        begun = time.monotonic()
        while not is_cut:
            try:
                while True:
                    greedy.socket.send(request * 300)
            except BlockingIOError:
                is_stuck = True
            except (ConnectionResetError, BrokenPipeError):
                is_cut = True
            before = gateway.busy_s
            assert text_of(other.registers(500, 16)) == IDENTIFICATION
            longest_busy_s = max(longest_busy_s, gateway.busy_s - before)
            assert time.monotonic() - begun < LIMIT_S
        assert is_stuck
        assert longest_busy_s < MAX_BUSY_S


def test_past_max_clients_the_one_silent_longest_is_closed(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, DEMO, {"max_clients": 3})
    with running(gateway):
        first, second, third = (gateway.client() for _ in range(3))
        for client in (first, second, third, first):
            assert client.registers(0, 1) == (1,)
        fourth = gateway.client()
        assert fourth.registers(0, 1) == (1,)
        assert second.is_closed()
        for client in (third, first, fourth):
            assert client.registers(0, 1) == (1,)
        fifth = gateway.client()
        assert fifth.registers(0, 1) == (1,)
        assert third.is_closed()
        for client in (first, second, third, fourth, fifth):
            client.socket.close()
        gateway.wait_for_log(r"max_clients \(3\) is reached")


def test_only_clients_in_allow_are_served(tmp_path: Path) -> None:
    allowed, refused = "127.0.0.2", "127.0.0.1"
    servers = [{"allow": [f"{allowed}/32"]}, {"allow": ["127.0.0.0/8", "::1/128"]}, {"allow": ["192.0.2.0/24"]}]
    gateway = Gateway(tmp_path, DEMO, *servers)
    with running(gateway):
        for port, source, is_served in [
            (gateway.ports[0], allowed, True),
            (gateway.ports[0], refused, False),
            (gateway.ports[1], refused, True),
            (gateway.ports[2], refused, False),
        ]:
            with ModbusClient(port, source) as client:
                if is_served:
                    assert client.registers(0, 1) == (1,)
                else:
                    assert client.is_closed()
        gateway.wait_for_log("its address is not in any network of allow", times=2)


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 address for itself."""
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return False
    return True


def test_a_server_without_address_serves_both_protocols(tmp_path: Path) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    port = free_port()
    gateway = Gateway(tmp_path, DEMO, {"listen": f":{port}", "allow": ["127.0.0.2/32", "::1/128"]})
    with running(gateway):
        gateway.wait_for_port(port)
        for source, is_served in (("127.0.0.2", True), ("127.0.0.1", False), ("::1", True)):
            with ModbusClient(port, source) as client:
                if is_served:
                    assert client.registers(0, 1) == (1,)
                else:
                    assert client.is_closed()


def test_the_heartbeat_beats_once_a_second(gateway: Gateway) -> None:
    with gateway.client() as client:

        def heartbeat() -> int:
            return client.registers(3, 1)[0]

        begun = asked = time.monotonic()
        first = last = heartbeat()
        first_read_s = time.monotonic() - begun
        while (last - first) % 0x10000 < 3:
            asked = time.monotonic()
            last = heartbeat()
        beats = (last - first) % 0x10000
        # The gateway looked at its clock between a request and its response, and counts whole seconds.
        assert asked - begun - first_read_s - 1 < beats < time.monotonic() - begun + 1

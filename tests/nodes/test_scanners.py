"""Scanners: whatever they sweep is answered at once, on every transport."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.protocol.modbus.rtu import append_crc
from tests.nodes.blocking import LIMIT_S, READ, Background, Healthy, Stream, background
from tests.nodes.oracle import PRESENT, expect_pdu
from tests.nodes.transports import mbap

SWEEP_S = 10.0
"""What a sweep may take on a busy machine; it takes less than a second."""


@pytest.fixture(scope="module")
def tcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    with background("tcp", tmp_path_factory.mktemp("tcp")) as running:
        yield running


def test_a_sweep_of_unit_ids_and_functions_is_answered_at_once(tcp: Background) -> None:
    client, healthy = Stream(tcp.server.port), Healthy(tcp.server.port)
    begun = time.monotonic()
    for unit_id in range(256):
        pdus = [bytes((function, 0, 5, 0, 1)) for function in range(256)]
        client.socket.sendall(b"".join(mbap(i, unit_id, pdu) for i, pdu in enumerate(pdus)))
        expected = b"".join(mbap(i, unit_id, expect_pdu(unit_id, pdu)) for i, pdu in enumerate(pdus))
        assert client.exactly(len(expected)) == expected
        healthy.check()
    assert time.monotonic() - begun < SWEEP_S
    client.socket.close()
    healthy.socket.close()


@pytest.mark.parametrize("function", [3, 4])
def test_a_sweep_of_all_addresses_is_answered_at_once(tcp: Background, function: int) -> None:
    client, healthy = Stream(tcp.server.port), Healthy(tcp.server.port)
    begun = time.monotonic()
    for start in range(0, 65536, 256):
        asked = range(start, start + 256)
        client.socket.sendall(b"".join(mbap(a, 1, bytes((function,)) + a.to_bytes(2, "big") + b"\0\1") for a in asked))
        expected = b"".join(
            mbap(a, 1, bytes((function, 2)) + (a % 60000).to_bytes(2, "big"))
            if a in PRESENT
            else mbap(a, 1, bytes((function | 0x80, 2)))
            for a in asked
        )
        assert client.exactly(len(expected)) == expected
        healthy.check()
    assert time.monotonic() - begun < SWEEP_S
    client.socket.close()
    healthy.socket.close()


def test_a_sweep_of_unit_ids_over_udp_is_answered_at_once(tmp_path: Path) -> None:
    with background("udp", tmp_path) as running, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(LIMIT_S)
        client.connect(("127.0.0.1", running.server.port))
        begun = time.monotonic()
        for unit_id in range(256):
            client.send(mbap(unit_id, unit_id, READ))
            assert client.recv(300) == mbap(unit_id, unit_id, expect_pdu(unit_id, READ))
        assert time.monotonic() - begun < SWEEP_S


def test_a_sweep_of_unit_ids_over_rtu_is_answered_at_once(tmp_path: Path) -> None:
    with background("rtu_over_tcp", tmp_path) as running:
        client = Stream(running.server.port)
        begun = time.monotonic()
        for unit_id in range(256):
            client.socket.sendall(append_crc(bytes((unit_id,)) + READ))
            answer = append_crc(bytes((unit_id,)) + expect_pdu(unit_id, READ))
            assert client.exactly(len(answer)) == answer
        assert time.monotonic() - begun < SWEEP_S
        client.socket.close()

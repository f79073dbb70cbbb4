"""Registers that are not served while their value is absent: their clients know no code for it."""

from __future__ import annotations

import struct
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.protocol.modbus.advice import Advice, Mistake, advise
from gateway.protocol.modbus.monitor import Exchange
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.modbus.responder import UnitTable
from gateway.protocol.modbus.unit import OnStale
from tests.maps.serving import ASKED, FRESH_UNTIL, Server

METER = """\
title: A meter whose clients know no code for absent
source: tests
absent: {uint32: exception}
registers:
  - {address: 0, name: power, type: int16, value: power_net, unit: W}
  - {address: 1, name: voltage, type: uint16, value: voltage_l1, unit: V, absent: exception}
  - {address: 2, name: current, type: uint32, value: current_l1, unit: A, scale: 0.001}
  - {address: 4, name: other, type: uint32, value: current_l2, unit: A, absent: 0}
"""
POWER, VOLTAGE, CURRENT = {"power_net": Decimal(7)}, {"voltage_l1": Decimal(230)}, {"current_l1": Decimal(1)}
REFUSED = b"\x83\x04"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    path = tmp_path / "meter.yaml"
    path.write_text(METER)
    return Server(path)


def ask(server: Server, address: int, count: int) -> bytes:
    return server.ask(struct.pack(">BHH", 3, address, count))


def test_only_reads_that_include_an_absent_value_are_refused(server: Server) -> None:
    server.show(POWER | CURRENT)
    assert server.words(3, 0, 1) == [7]
    assert server.words(3, 2, 4) == [0, 1000, 0, 0]
    assert [ask(server, 0, 2), ask(server, 1, 1), ask(server, 1, 3)] == [REFUSED] * 3


def test_a_half_of_an_absent_value_is_refused_too(server: Server) -> None:
    server.show(POWER | VOLTAGE)
    assert [ask(server, 2, 1), ask(server, 3, 1), ask(server, 0, 3)] == [REFUSED] * 3


def test_a_value_is_served_from_the_telegram_on_that_has_it(server: Server) -> None:
    encode = server.unit.register_map.readings.encode
    before = encode(POWER)
    for values in (POWER | VOLTAGE | CURRENT, POWER | CURRENT, POWER | VOLTAGE, POWER):
        after = encode(values, before)
        assert after == encode(values)
        assert [after.read(1, 1) is None, after.read(2, 2) is None] == [
            "voltage_l1" not in values,
            "current_l1" not in values,
        ]
        before = after


def test_a_number_that_does_not_fit_is_refused(server: Server) -> None:
    server.show(POWER | {"voltage_l1": Decimal(70000)})
    assert ask(server, 1, 1) == REFUSED


@pytest.mark.parametrize("on_stale", [OnStale.ABSENT, OnStale.HOLD, OnStale.EXCEPTION])
def test_a_stale_unit_refuses_an_absent_value_whatever_on_stale_says(server: Server, on_stale: OnStale) -> None:
    server.unit.on_stale = on_stale
    assert server.unit.read(1, 1, ASKED) == ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND
    server.show(POWER)
    assert server.unit.read(1, 1, FRESH_UNTIL + 1) == ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND


def test_advice_names_the_value_that_the_meter_does_not_send(server: Server) -> None:
    exchange = Exchange(0.0, "192.0.2.1", 1, bytes.fromhex("0300000002"), REFUSED)
    assert advise(exchange, UnitTable({1: server.unit})) == Advice(Mistake.ABSENT_VALUE, register="voltage")

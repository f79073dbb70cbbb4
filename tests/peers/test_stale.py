"""A meter that falls silent or is not understood: no client gets an old or a wrong number for a good one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import own_telegram
from tests.peers.harness import (
    TARGET_FAILED,
    Gateway,
    ModbusClient,
    SerialPort,
    read_request,
    running,
    wait_until,
)
from tests.protocol.p1.stream import later, resealed, stamped

STALE_AFTER_S = 2.0
TOLERANCE_S = 0.1
FIRST = own_telegram("v50_sagemcom-t210d")
FIRST_NET_W, SECOND_NET_W = 2486, -3127
SECOND = resealed(
    FIRST.replace(b"1-0:1.7.0(02.486", b"1-0:1.7.0(00.000").replace(b"1-0:2.7.0(00.000", b"1-0:2.7.0(03.127")
)
"""What the same meter sends when the sun shines."""
POWER_NET = 100
READINGS = ((100, 100), (200, 100), (300, 100), (400, 100), (500, 120), (620, 80), (1000, 125), (1125, 7))
"""Reads that bring every reading of the native map."""
STATUS, STATUS_REGISTERS = 0, 40
EXCEPTION, SILENT, ABSENT, HOLD = 1, 2, 3, 4
"""Unit ids, each with the policy of its name."""
UNIT_FACTORS = {
    EXCEPTION: {"map": "dsmr"},
    SILENT: {"map": "dsmr", "on_stale": "silent"},
    ABSENT: {"map": "dsmr", "on_stale": "absent"},
    HOLD: {"map": "dsmr", "on_stale": "hold"},
}
METER = {"dsmr_version": "5", "stale_after": f"{STALE_AFTER_S:g}s"}


class Seen(NamedTuple):
    """A read of the status block."""

    asked: float
    answered: float
    age_ms: int
    is_fresh: int
    heartbeat: int


class Bench(NamedTuple):
    """A gateway on a serial port that is open."""

    port: SerialPort
    gateway: Gateway
    client: ModbusClient


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A meter that has not spoken yet, and units of every policy; stale after a second."""
    with SerialPort(tmp_path / "p1") as port:
        gateway = Gateway(tmp_path, {"port": str(port.link), **METER}, {"units": UNIT_FACTORS})
        with running(gateway), gateway.client() as client:
            gateway.wait_until_connected()
            yield Bench(port, gateway, client)


def present(telegram: bytes) -> bytes:
    """Return a telegram as the meter sends it now."""
    return stamped(telegram, time.time())


def signed(data: bytes) -> int:
    """A number as it stands in registers."""
    return int.from_bytes(data, "big", signed=True)


def readings(client: ModbusClient, unit: int = EXCEPTION) -> list[bytes | int]:
    """Every reading of the map, or the exceptions in their place."""
    return [client.read(address, count, unit) for address, count in READINGS]


def wait_until_stale(client: ModbusClient) -> None:
    """Wait until readings are refused."""
    wait_until(lambda: client.read(POWER_NET, 2) == TARGET_FAILED, "stale readings")


def test_before_the_first_telegram_no_reading_is_given(bench: Bench) -> None:
    client = bench.client
    for unit in (EXCEPTION, HOLD):
        assert readings(client, unit) == [TARGET_FAILED] * len(READINGS)
    status = client.registers(STATUS, 18)
    assert status[:3] == (1, 0b10, 0xFFFF)
    assert status[4:18] == (0, 0, *[0xFFFF] * 6, 0, 0, 0, 0, 0xFFFF, 0xFFFF)
    assert_silent(client)
    assert_absent(client)


def test_a_silent_meter_is_refused_in_time_and_comes_back_by_itself(bench: Bench) -> None:
    port, gateway, client = bench
    begun = time.monotonic()
    port.send(present(FIRST))
    gateway.wait_for_telegrams(1)
    accepted = time.monotonic()
    good, refused = 0, 0
    while time.monotonic() < accepted + STALE_AFTER_S + 0.5:
        asked = time.monotonic()
        answer = client.read(POWER_NET, 2)
        answered = time.monotonic()
        if isinstance(answer, bytes):
            assert signed(answer) == FIRST_NET_W
            assert asked <= accepted + STALE_AFTER_S
            assert refused == 0
            good += 1
        else:
            assert answer == TARGET_FAILED
            assert answered >= begun + STALE_AFTER_S
            refused += 1
    assert good
    assert refused
    assert readings(client) == [TARGET_FAILED] * len(READINGS)

    port.send(present(SECOND))
    wait_until(lambda: client.read(POWER_NET, 2) != TARGET_FAILED, "readings again")
    assert signed(bytes(client.read(POWER_NET, 2))) == SECOND_NET_W


def test_the_status_block_of_a_silent_meter_tells_the_truth(bench: Bench) -> None:
    port, gateway, client = bench
    begun = time.monotonic()
    port.send(present(FIRST))
    gateway.wait_for_telegrams(1)
    seen: list[Seen] = []
    while not seen or seen[-1].is_fresh or seen[-1].heartbeat < seen[0].heartbeat + 2:
        asked = time.monotonic()
        status = client.registers(STATUS, STATUS_REGISTERS)
        answered = time.monotonic()
        age_ms, is_fresh = status[6] << 16 | status[7], status[1] & 1
        assert 1000 * (asked - begun) + 1 >= age_ms - 1000 * (answered - asked)
        if age_ms != 1000 * STALE_AFTER_S:  # a rounded limit is on neither side of it
            assert is_fresh == (age_ms < 1000 * STALE_AFTER_S)
        assert status[4:6] == (0, 1)
        seen.append(Seen(asked, answered, age_ms, is_fresh, status[3]))
    # The gateway looked at its clock between the request and its response; an age is rounded.
    for one, next_one in [*pairwise(seen), (seen[0], seen[-1])]:
        grown_ms = next_one.age_ms - one.age_ms
        assert 1000 * (next_one.asked - one.answered) - 1 <= grown_ms <= 1000 * (next_one.answered - one.asked) + 1
    assert seen[0].is_fresh == 1
    assert seen[-1].is_fresh == 0


def test_each_policy_does_what_its_name_says(bench: Bench) -> None:
    port, gateway, client = bench
    port.send(present(FIRST))
    gateway.wait_for_telegrams(1)
    fresh = readings(client)
    for unit in UNIT_FACTORS:
        assert readings(client, unit) == fresh
    wait_until_stale(client)
    assert readings(client, HOLD) == fresh
    assert client.registers(1, 1, HOLD)[0] & 1 == 0
    assert_silent(client)
    assert_absent(client)
    port.send(present(SECOND))
    gateway.wait_for_telegrams(2)
    again = readings(client)
    assert again != fresh
    for unit in UNIT_FACTORS:
        assert readings(client, unit) == again


def assert_silent(client: ModbusClient) -> None:
    """The unit answers no read of readings, and nothing else is held up by that."""
    for address, count in READINGS:
        client.send(read_request(address, count), unit=SILENT)
    (transaction,) = client.send(read_request(STATUS, 1), unit=SILENT)
    answer = client.receive()
    assert (answer.transaction, answer.unit, answer.pdu) == (transaction, SILENT, b"\x03\x02\x00\x01")


def assert_absent(client: ModbusClient) -> None:
    """The unit answers with the codes for absent."""
    assert client.read(100, 4, ABSENT) == b"\x80\0\0\0\xff\xff\xff\xff"
    assert client.read(124, 1, ABSENT) == b"\xff\xff"
    assert client.read(200, 4, ABSENT) == b"\xff" * 8
    assert client.read(500, 16, ABSENT) == bytes(32)
    assert client.read(1000, 2, ABSENT) == b"\x7f\xc0\0\0"


def test_a_telegram_with_a_bad_checksum_changes_no_register_and_is_counted(bench: Bench) -> None:
    port, _, client = bench
    bad = bytearray(SECOND)
    at = SECOND.index(b"1-0:1.8.1(") + 15
    bad[at] ^= 1
    first = present(FIRST)
    port.send(first)
    bench.gateway.wait_for_telegrams(1)
    port.send(bytes(bad))
    # A good one comes first, so that what follows is of a moment at which the readings are fresh.
    port.send(later(first, 1))
    bench.gateway.wait_for_telegrams(2)
    good = readings(client)
    assert TARGET_FAILED not in good
    assert client.uint32(12) == 1

    port.send(bytes(bad) + own_telegram("bad_checksum"))
    wait_until(lambda: client.uint32(12) == 3, "telegrams to be refused")
    assert readings(client) == good
    assert client.uint32(4) == 2
    assert client.uint32(14) == 0
    assert client.registers(1, 1)[0] & 0b100


def test_refused_telegrams_keep_nothing_fresh(bench: Bench) -> None:
    port, gateway, client = bench
    port.send(present(FIRST))
    gateway.wait_for_telegrams(1)
    with port.sending(own_telegram("bad_checksum"), every_s=0.05, as_they_are=True):
        wait_until_stale(client)
    assert client.uint32(12) > 10
    assert client.uint32(4) == 1


def let_go_stale(since: float) -> None:
    """Wait until a telegram of the moment `since` must not be given out any more."""
    wait_until(lambda: time.monotonic() > since + STALE_AFTER_S + TOLERANCE_S, "the readings to be old enough")


def answers_after(gateway: Gateway, count: int) -> list[bytes | int]:
    """Answers to requests that were waiting when the gateway woke up, and to those right after."""
    with gateway.client() as waiting, gateway.client() as client:
        gateway.pause()
        waiting.send(*[read_request(POWER_NET, 2)] * count)
        let_go_stale(time.monotonic())
        gateway.resume()
        pdus = [waiting.receive().pdu for _ in range(count)]
        return [pdu[1] if pdu[0] & 0x80 else pdu[2:] for pdu in pdus] + [
            client.read(POWER_NET, 2) for _ in range(count)
        ]


def test_a_gateway_that_stood_still_gives_no_old_number(bench: Bench) -> None:
    port, gateway, client = bench
    port.send(present(FIRST))
    gateway.wait_for_telegrams(1)
    assert signed(bytes(client.read(POWER_NET, 2))) == FIRST_NET_W
    assert set(answers_after(gateway, 100)) == {TARGET_FAILED}
    with port.sending(SECOND):
        wait_until(lambda: client.read(POWER_NET, 2) != TARGET_FAILED, "readings again")


def test_what_a_meter_sent_while_the_gateway_stood_still_is_old(bench: Bench) -> None:
    port, gateway, client = bench
    port.send(present(FIRST))
    gateway.wait_for_telegrams(1)
    gateway.pause()
    # It waits in the kernel's buffer, and its age cannot be told from there.
    sent = port.send(present(SECOND))
    client.send(*[read_request(POWER_NET, 2)] * 10)
    let_go_stale(sent)
    gateway.resume()
    codes = {client.receive().code for _ in range(10)}
    asked_until = time.monotonic() + 0.3
    while time.monotonic() < asked_until:
        codes.add(client.ask(read_request(POWER_NET, 2)).code)
    assert codes == {TARGET_FAILED}
    with port.sending(FIRST):
        wait_until(lambda: client.read(POWER_NET, 2) != TARGET_FAILED, "readings again")


def test_a_standstill_in_the_middle_of_a_telegram_does_not_cut_it(bench: Bench) -> None:
    port, gateway, client = bench
    port.send(present(FIRST))
    gateway.wait_for_telegrams(1)
    second = present(SECOND)
    third = len(second) // 3
    port.send(second[:third])
    gateway.pause()
    port.send(second[third : 2 * third])
    stopped = time.monotonic()
    wait_until(lambda: time.monotonic() > stopped + 2.0, "a standstill of 2 s")
    gateway.resume()
    # The rest comes for more than a second, at the speed of a slow line.
    port.send_paced(second[2 * third :], baudrate=10 * third)
    gateway.wait_for_telegrams(2)
    assert client.uint32(14) == 0, "no telegram is truncated"

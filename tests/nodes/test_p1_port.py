"""The P1 port keeps a line open, says once what is wrong with it, and never mistakes silence for a meter."""

from __future__ import annotations

import asyncio
import logging
import os
import pty
import re
import tty
from pathlib import Path

import pytest

from gateway.lines.line import Line, Receive
from gateway.lines.serial import SerialLine
from gateway.lines.tcp import TcpLine
from gateway.nodes import dsmr_parser, p1_port
from gateway.nodes.p1_port import PACE, P1Port
from gateway.protocol.p1.serving import Serving
from gateway.protocol.p1.variants import FAST_LINE, SLOW_LINE
from gateway.runtime.status import Colour
from tests.conftest import own_telegram
from tests.nodes.p1_bench import LIMIT_S, Bench, over_tcp, running, ser2net
from tests.protocol.p1.stream import later
from tests.waiting import until

TELEGRAM = own_telegram("v50_sagemcom-t210d")
BAD = own_telegram("bad_checksum")
NOISE = bytes(range(128, 256)) * 4
REFUSED = (
    "telegrams come and are refused: the checksum is wrong, so bytes are lost or changed on the way. Check the cable,"
    " its length and its ground, and that no other program reads the port"
)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.runtime.flow.FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr("gateway.runtime.flow.LONGEST_PAUSE_S", 0.05)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage().removeprefix("node=m/port: ")
        for record in caplog.records
        if "m/port" in record.msg % record.args
    ]


async def test_telegrams_come_in_and_the_status_says_over_what(caplog: pytest.LogCaptureFixture) -> None:
    async with ser2net() as served:
        bench = over_tcp(served)
        assert not bench.port.ready.is_set()
        async with running(bench):
            await until(lambda: served.clients)
            await until(lambda: bench.meter.is_connected)
            assert bench.port.ready.is_set()
            assert str(bench.port.status) == "yellow dot: p1.local:2001, no telegram yet"
            served.send(TELEGRAM * 3)
            await until(lambda: bench.meter.accepted == 3)
            assert str(bench.port.status) == "green dot: p1.local:2001"
            assert bench.port.bytes_received == 3 * len(TELEGRAM)
    assert messages(caplog) == ["telegrams come in over p1.local:2001"]


async def test_the_status_says_how_often_telegrams_come_and_when_they_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p1_port, "TICK_S", 0.01)
    monkeypatch.setattr(p1_port, "SHOWN_EVERY_S", 0.01)
    async with ser2net() as served:
        bench = over_tcp(served)
        async with running(bench):
            await until(lambda: served.clients)
            for count in (1, 2):
                served.send(TELEGRAM)
                await until(lambda n=count: bench.meter.accepted == n)  # type: ignore[misc]
            bench.meter.interval_s = 1.04
            await until(lambda: str(bench.port.status) == "green dot: 1.0 s, p1.local:2001")
            bench.meter.stale_after_s = 0
            await until(lambda: str(bench.port.status) == "yellow dot: no telegram for 0 s, p1.local:2001")


async def test_a_line_that_is_opened_again_shows_for_how_long_no_telegram_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p1_port, "TICK_S", 0.01)
    monkeypatch.setattr(p1_port, "SHOWN_EVERY_S", 0.01)
    monkeypatch.setattr(P1Port, "_wait_for_next", lambda _port, _problem: 0.0)
    async with ser2net() as served:
        bench = over_tcp(served)
        async with running(bench):
            await until(lambda: served.clients)
            served.send(TELEGRAM)
            await until(lambda: bench.meter.accepted)
            assert bench.meter.newest
            bench.meter.newest = bench.meter.newest._replace(arrived=bench.meter.newest.arrived - 100)
            served.vanish()
            quiet = re.compile(r"yellow dot: no telegram for 1\d\d s, p1.local:2001")
            await until(lambda: served.accepted == 2 and quiet.fullmatch(str(bench.port.status)))


async def test_a_line_that_is_lost_is_reopened_and_each_change_is_reported_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each connection lasts longer than the meter's cadence.
    monkeypatch.setattr(P1Port, "_wait_for_next", lambda _port, _problem: 0.0)
    async with ser2net() as served:
        bench = over_tcp(served)
        async with running(bench):
            for count in (1, 2, 3):
                await until(lambda n=count: served.accepted == n and served.clients)  # type: ignore[misc]
                served.send(TELEGRAM)
                await until(lambda n=count: bench.meter.accepted == n)  # type: ignore[misc]
                served.vanish()
                await until(lambda n=count: "".join(messages(caplog)).count("the other end closed") == n)  # type: ignore[misc]
    found = messages(caplog)
    assert len(found) == 6
    assert found[::2] == ["telegrams come in over p1.local:2001"] * 3
    assert all(text.startswith("p1.local:2001: the other end closed the connection (") for text in found[1::2])


async def test_a_source_that_closes_after_each_telegram_is_read_at_the_meters_cadence_and_reported_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, pauses = 1000.0, list[float]()

    async def wait(seconds: float) -> None:
        nonlocal moment
        moment += seconds
        pauses.append(seconds)
        await real_sleep(0)

    class OnePerConnection(TcpLine):
        async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
            receive(later(TELEGRAM, moment))
            closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
            closed.set_result(None)
            return closed

    real_sleep = asyncio.sleep
    bench = Bench([("line", OnePerConnection("127.0.0.1", 0))])
    for module in (p1_port, dsmr_parser):
        monkeypatch.setattr(module, "now", lambda: moment)
    monkeypatch.setattr(p1_port.asyncio, "sleep", wait)
    task = asyncio.create_task(bench.port.run())
    while len(pauses) < 100:
        await real_sleep(0)
    task.cancel()
    assert bench.meter.accepted >= 100
    assert bench.meter.is_fresh(moment)
    assert all(pause == pytest.approx(PACE) for pause in pauses), "a DSMR 5 meter sends each second"
    assert str(bench.port.status) == "green ring: line closes after each telegram"
    assert len(messages(caplog)) < 10
    assert messages(caplog)[-1] == (
        "line: the other end closes the connection after each telegram; the gateway connects again for the next one"
    )


class Hasty(TcpLine):
    """Brings its first bytes before it says that it is open, as uvloop does."""

    def __init__(self, first: bytes) -> None:
        super().__init__("127.0.0.1", 0)
        self._first = first

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        receive(self._first)
        closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        closed.set_result(None)
        return closed


@pytest.mark.parametrize(
    ("first", "told"),
    [(b"Port already in use\r\n", "line: 'Port already in use'"), (TELEGRAM, "telegrams come in over line")],
)
async def test_bytes_before_the_line_is_reported_open_count(
    first: bytes, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench([("line", Hasty(first))])
    async with running(bench):
        await until(lambda: messages(caplog))
    assert messages(caplog)[0].startswith(told)


async def test_the_same_problem_is_reported_once_however_often_it_is_tried(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.nodes.p1_port.Backoff.next", lambda _backoff: 0.02)
    async with ser2net() as served:
        bench = over_tcp(served)
        async with running(bench):
            for count in range(1, 8):
                await until(lambda n=count: served.accepted >= n and served.clients)  # type: ignore[misc]
                served.refuse()
                await until(lambda: bench.port.status.colour is Colour.RED)
                assert str(bench.port.status) == "red ring: the other end closed, retry in 0 s"
    assert messages(caplog) == ["p1.local:2001: the other end closed the connection; trying again until it works"]


async def test_a_host_that_comes_and_goes_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.nodes.p1_port.Backoff.next", lambda _backoff: 0.02)
    monkeypatch.setattr("gateway.nodes.p1_port.PACE", 0.01)
    monkeypatch.setattr("gateway.nodes.p1_port.MANY_CLOSED", 100)
    async with ser2net() as served:
        bench = over_tcp(served)
        async with running(bench):
            for count in range(1, 9):
                await until(lambda: served.clients)
                served.send(TELEGRAM)
                await until(lambda n=count: bench.meter.accepted >= n)  # type: ignore[misc]
                served.refuse()
                await until(lambda: bench.port.status.colour is Colour.RED)
    lost = [text for text in messages(caplog) if "closed the connection" in text]
    assert len(lost) == 4
    assert lost[3].endswith("(4 times within 10 minutes; further ones are counted and logged each 10 minutes)")
    assert sum(text.startswith("telegrams come in over") for text in messages(caplog)) == 4


async def test_half_a_telegram_and_the_half_of_another_after_a_loss_make_no_telegram() -> None:
    async with ser2net() as served:
        bench = over_tcp(served)
        half = len(TELEGRAM) // 2
        async with running(bench):
            await until(lambda: served.clients)
            served.send(TELEGRAM[:half])
            await until(lambda: bench.port.bytes_received == half)
            served.vanish()
            await until(lambda: served.clients)
            served.send(TELEGRAM[half:])
            await until(lambda: bench.port.bytes_received == len(TELEGRAM))
            served.send(TELEGRAM)
            await until(lambda: bench.meter.accepted)
    assert bench.meter.accepted == 1
    assert bench.meter.newest is not None
    assert bench.meter.newest.telegram.raw == TELEGRAM


@pytest.mark.parametrize(
    ("greeting", "told"),
    [
        (b"Port already in use\r\n", "has no free connection. Raise its max-connections"),
        (b"Port's device already in use\n\r", "another connection of the ser2net at the other end has the device"),
        (b"Device open failure: No such file\r\n", "cannot open its serial device. Check the cable there"),
        (b"Access denied due to your net address\r\n", "does not allow this host's address"),
        (NOISE, "noise: the speed is wrong, or the P1 line is not inverted"),
    ],
)
async def test_a_message_of_the_other_end_is_reported_by_its_meaning(
    greeting: bytes, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with ser2net() as served:
        served.greeting = greeting
        bench = over_tcp(served)
        async with running(bench):
            await until(lambda: served.clients and bench.port.bytes_received == len(greeting))
            served.refuse()
            await until(lambda: served.accepted >= 2)
    assert told in messages(caplog)[0]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no bytes for 0 s. Is the P1 port open, and the data request line high?"),
        (BAD, REFUSED),
        (b"hello", "the bytes that come are not a telegram. Check that this is a P1 port, and the speed of the line"),
    ],
    ids=["silence", "bad telegrams", "other text"],
)
async def test_an_open_line_without_a_valid_telegram_is_given_up(
    data: bytes, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with ser2net() as served:
        served.greeting = data
        async with running(over_tcp(served, watchdog_s=0.1)):
            await until(lambda: served.accepted >= 3)
    assert messages(caplog) == [f"p1.local:2001: {told}; trying again until it works"]


async def test_a_meter_that_falls_silent_is_given_up_after_the_watchdogs_time(caplog: pytest.LogCaptureFixture) -> None:
    async with ser2net() as served:
        served.greeting = TELEGRAM
        bench = over_tcp(served, watchdog_s=0.3)
        async with running(bench):
            await until(lambda: bench.meter.accepted == 1)
            begun = asyncio.get_running_loop().time()
            await until(lambda: served.accepted == 2)
            assert asyncio.get_running_loop().time() - begun >= 0.2
    assert messages(caplog)[1] == "p1.local:2001: no valid telegram for 0 s; trying again until it works"


async def test_a_line_that_is_late_by_a_constant_time_is_connected_again_and_logged_in_one_sentence(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = iter([True])
    monkeypatch.setattr(Serving, "reconnection_is_due", property(lambda _serving: next(due, False)))
    async with ser2net() as served:
        served.greeting = TELEGRAM
        async with running(over_tcp(served)):
            await until(lambda: served.accepted == 2)
    assert (
        "p1.local:2001: telegrams come late by a constant time; connecting again, in case they wait in this connection"
        in messages(caplog)
    )


async def test_bad_telegrams_do_not_reset_the_pauses_and_a_good_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(P1Port, "_wait_for_next", lambda _port, _problem: 0.0)
    asked: list[float] = []

    def longest(_low: float, high: float) -> float:
        asked.append(high)
        return high

    async with ser2net() as served:
        served.greeting = BAD
        bench = over_tcp(served)
        bench.port._backoff._uniform = longest
        async with running(bench):
            for count in (1, 2, 3):
                await until(lambda n=count: bench.meter.refused.total() == n)  # type: ignore[misc]
                if count == 3:
                    served.greeting = TELEGRAM
                served.refuse()
            await until(lambda: bench.meter.accepted == 1)
            served.refuse()
            await until(lambda: len(asked) >= 4)
    assert asked[:4] == [0.02, 0.02, 0.04, 0.02]


async def test_a_device_that_returns_is_opened_soon_however_long_the_pause_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.lines.serial.LOOK_FOR_DEVICE_S", 0.01)
    pauses = iter([10 * LIMIT_S, 0.0])
    monkeypatch.setattr("gateway.nodes.p1_port.Backoff.next", lambda _backoff: next(pauses, 0.0))
    resets: list[bool] = []
    monkeypatch.setattr("gateway.nodes.p1_port.Backoff.reset", lambda _backoff: resets.append(True))
    device = tmp_path / "P1"
    bench = Bench([("P1", SerialLine(str(device), FAST_LINE))])
    meter, end = pty.openpty()
    tty.setraw(meter)
    async with running(bench):
        await until(lambda: str(bench.port.status).startswith("red ring"))
        device.symlink_to(os.ttyname(end))
        await until(lambda: bench.meter.is_connected)
        assert resets, "it may not be usable at once: the next pauses are short"
    os.close(meter)
    os.close(end)


class Ptys:
    """A serial device whose meter speaks at one of two speeds; each speed is a pty of its own here."""

    def __init__(self) -> None:
        self.ends = [pty.openpty() for _ in range(2)]
        for end in self.ends:
            tty.setraw(end[0])
            tty.setraw(end[1])

    def lines(self) -> list[tuple[str, Line]]:
        settings = (FAST_LINE, SLOW_LINE)
        return [
            (str(each), SerialLine(os.ttyname(end[1]), each)) for end, each in zip(self.ends, settings, strict=True)
        ]

    def close(self) -> None:
        for end in self.ends:
            os.close(end[0])
            os.close(end[1])


async def test_several_settings_are_tried_in_turn_until_a_telegram_comes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(p1_port, "SEARCH_DWELL_S", 0.3)
    ptys = Ptys()
    bench = Bench(ptys.lines(), watchdog_s=0.5)
    slow = own_telegram("v22_kamstrup-382jxc")
    async with running(bench):
        await until(lambda: "9600 7E1, no telegram" in bench.port.status.text)
        os.write(ptys.ends[1][0], slow + slow)
        await until(lambda: bench.meter.accepted == 1)
        assert str(bench.port.status) == "green dot: 9600 7E1"
        # Once a telegram came, the setting is kept when the line falls silent.
        opened: list[str] = []
        show = bench.port.show
        monkeypatch.setattr(
            bench.port,
            "show",
            lambda *status, **values: opened.append(values.get("line", "")) or show(*status, **values),
        )
        await until(lambda: any(opened))
        assert next(filter(None, opened)) == "9600 7E1"
    ptys.close()
    assert "115200 8N1: no bytes for 0 s" in messages(caplog)[0]
    assert messages(caplog)[1] == "telegrams come in over 9600 7E1"


async def test_a_missing_device_is_reported_and_tried_until_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    by_id = tmp_path / "usb-P1"
    bench = Bench([(str(by_id), SerialLine(str(by_id), FAST_LINE))])
    meter, device = pty.openpty()
    tty.setraw(meter)
    tty.setraw(device)
    async with running(bench):
        await until(lambda: bench.port.status.colour is Colour.RED)
        by_id.symlink_to(os.ttyname(device))
        await until(lambda: bench.meter.is_connected)
        os.write(meter, TELEGRAM)
        await until(lambda: bench.meter.accepted == 1)
    os.close(meter)
    os.close(device)
    assert messages(caplog) == [
        f"{by_id}: no such device. Is the cable plugged in? Look in /dev/serial/by-id; trying again until it works",
        f"telegrams come in over {by_id}",
    ]


async def test_only_an_open_serial_line_takes_what_is_to_be_sent() -> None:
    meter, device = pty.openpty()
    tty.setraw(meter)
    tty.setraw(device)
    bench = Bench([("p1", SerialLine(os.ttyname(device), FAST_LINE))])
    assert bench.port.write(b"x") is False
    async with running(bench):
        await until(lambda: bench.meter.is_connected)
        assert bench.port.write(b"hello") is True
        assert await asyncio.wait_for(asyncio.to_thread(os.read, meter, 5), LIMIT_S) == b"hello"
    assert bench.port.write(b"x") is False
    os.close(meter)
    os.close(device)

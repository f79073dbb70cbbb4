"""A unit shows each telegram whole, and its node says what does not fit, is absent, lacking or stale."""

from __future__ import annotations

import logging
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from gateway.maps.load import load_map
from gateway.nodes import register_map
from gateway.nodes.register_map import RegisterMapNode
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.modbus.unit import OnStale, Unit
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.obis import Value
from gateway.protocol.p1.readings import Readings, read
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.status_values import status_values
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from gateway.protocol.p1.variants import VARIANTS
from gateway.runtime.clock import now
from tests.conftest import own_telegram
from tests.waiting import running, until

MAP = """\
registers:
  - {address: 0, name: power, type: int16, value: power_net, unit: W}
  - {address: 1, name: volts, type: uint16, value: voltage_l1, unit: V, scale: 0.1}
"""
TELEGRAM = next(
    item for item in TelegramReader().feed(own_telegram("v50_sagemcom-t210d")) if isinstance(item, Telegram)
)
STALE = ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")


class Bench:
    """A node, the unit that it feeds, and its meter."""

    def __init__(
        self,
        folder: Path,
        text: str = MAP,
        *,
        stale_after_s: float | None = None,
        shows_test_pattern: bool = False,
        on_stale: OnStale = OnStale.EXCEPTION,
    ) -> None:
        path = folder / "map.yaml"
        path.write_text(text)
        self.meter = MeterState("m", VARIANTS["5"])
        self.meter.note_line(is_open=True)
        status = partial(status_values, self.meter)
        self.unit = Unit(load_map(path), on_stale, status, shows_test_pattern=shows_test_pattern)
        self.node = RegisterMapNode("m/1", self.meter, self.unit, stale_after_s)
        self.node.snapshots.connect(self.node, self.unit)

    def take(self, values: dict[str, Value], arrived: float) -> None:
        """A telegram that has these values and no others."""
        self.receive(readings_with(values), arrived)

    def receive(self, readings: Readings, arrived: float) -> None:
        variant = VARIANTS["5"]
        received = Received(TELEGRAM, readings, variant, arrived, arrived, variant, measured=arrived)
        self.meter.newest = self.meter.serving.served = received
        self.node.receive(received)


def readings_with(values: dict[str, Value]) -> Readings:
    return read(TELEGRAM)._replace(values=values)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().removeprefix("node=m/1: ") for record in caplog.records]


async def test_each_telegram_replaces_the_one_before_and_what_it_lacks_is_absent(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.unit.read(0, 2, 100) is STALE
    bench.take({"power_net": Decimal(-5), "voltage_l1": Decimal("230.1")}, 100)
    assert bench.unit.read(0, 2, 101) == bytes.fromhex("fffb08fd")
    bench.take({"power_net": Decimal(7)}, 101)
    assert bench.unit.read(0, 2, 102) == bytes.fromhex("0007ffff")


async def test_readings_that_were_prepared_are_served_only_when_they_are_received(tmp_path: Path) -> None:
    bench, prepared = Bench(tmp_path), Bench(tmp_path)
    for values in ({"power_net": Decimal(-5)}, {"power_net": Decimal(7), "voltage_l1": Decimal(230)}):
        before = bench.unit.read(0, 2, 101)
        bench.node.prepare(readings_with({"power_net": Decimal(1234)}))
        assert bench.unit.read(0, 2, 101) == before
        draft = readings_with(values)
        bench.node.prepare(draft)
        bench.receive(draft, 100)
        prepared.take(values, 100)
        assert bench.unit.snapshot == prepared.unit.snapshot
    bench.node.prepare(readings_with({"power_net": Decimal(9)}))
    bench.take({"power_net": Decimal(8)}, 100)
    assert bench.unit.read(0, 2, 101) == bytes.fromhex("0008ffff")


@pytest.mark.parametrize(("stale_after_s", "limit_s"), [(None, 5), (2.5, 2.5), (60, 60)])
async def test_readings_are_good_for_as_long_as_unit_or_meter_say_and_no_longer(
    tmp_path: Path, stale_after_s: float | None, limit_s: float
) -> None:
    bench = Bench(tmp_path, stale_after_s=stale_after_s)
    bench.take({"power_net": Decimal(7)}, 100)
    assert bench.unit.read(0, 1, 100 + limit_s) == b"\0\x07"
    assert bench.unit.read(0, 1, 100 + limit_s + 0.001) is STALE


async def test_what_does_not_fit_is_absent_counted_and_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    for number, watts in enumerate([40_000, 50_000, 1, -40_000]):
        bench.take({"power_net": Decimal(watts)}, 100 + number)
    assert bench.node.unfit == 3
    assert messages(caplog) == ["values do not fit their registers: power"] * 2
    # The most negative number is the code for absent.
    assert bench.unit.read(0, 1, 103) == bytes.fromhex("8000")


async def test_the_status_counts_the_values_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register_map, "TICK_S", 0.01)
    bench = Bench(tmp_path)
    async with running(bench.node):
        bench.take({"power_net": Decimal(40_000), "voltage_l1": Decimal(230)}, now())
        await until(lambda: str(bench.node.status) == "yellow dot: 1 value does not fit")
        bench.take({"power_net": Decimal(40_000), "voltage_l1": Decimal(-1)}, now())
        await until(lambda: str(bench.node.status) == "yellow dot: 2 values do not fit")
        bench.take({"power_net": Decimal(7), "voltage_l1": Decimal(230)}, now())
        await until(lambda: str(bench.node.status) == "green dot: 2 registers")


async def test_the_status_tells_what_becomes_of_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register_map, "TICK_S", 0.01)
    bench = Bench(tmp_path)
    assert str(bench.node.status) == "grey ring: not started"
    async with running(bench.node):
        assert str(bench.node.status) == "grey ring: no readings yet"
        bench.take({"power_net": Decimal(7)}, now())
        await until(lambda: str(bench.node.status) == "green dot: 1 registers")
        bench.take({"power_net": Decimal(7), "voltage_l1": Decimal(230)}, now())
        await until(lambda: str(bench.node.status) == "green dot: 2 registers")
        bench.take({"power_net": Decimal(7)}, now())
        await until(lambda: str(bench.node.status) == "yellow ring: 1 of 2 absent")
        bench.take({"power_net": Decimal(7)}, now() - 33)
        await until(lambda: str(bench.node.status) == "red dot: stale, 33 s old")


async def test_the_map_of_a_closed_line_rests_while_nothing_is_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register_map, "TICK_S", 0.01)
    bench = Bench(tmp_path)
    rest = bench.node._rest
    bench.meter.note_line(is_open=False)
    bench.take({"power_net": Decimal(7)}, now())
    async with running(bench.node):
        await until(lambda: str(bench.node.status) == "green dot: 1 registers")
        assert not rest.is_on
        bench.take({"power_net": Decimal(7)}, now() - 33)
        await until(lambda: rest.is_on)
        assert str(bench.node.status) == "red dot: stale, 33 s old"
        bench.meter.note_line(is_open=True)
        bench.take({"power_net": Decimal(7)}, now())
        await until(lambda: str(bench.node.status) == "green dot: 1 registers")
    assert not bench.meter.when_connected


@pytest.mark.parametrize(
    ("on_stale", "told"),
    [
        (OnStale.EXCEPTION, "a read of them gets exception 0x0B"),
        (OnStale.SILENT, "a read of them gets no response"),
        (OnStale.ABSENT, "their registers hold the codes for absent"),
        (OnStale.HOLD, "clients still get the old values (on_stale: hold)"),
    ],
)
async def test_the_log_says_when_readings_become_stale_and_when_they_are_fresh_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, on_stale: OnStale, told: str
) -> None:
    bench = Bench(tmp_path, on_stale=on_stale)
    bench.node._note_freshness(99)
    bench.take({"power_net": Decimal(7), "voltage_l1": Decimal(230)}, 100)
    for moment in (101, 105, 106, 107):
        bench.node._note_freshness(moment)
    bench.take({"power_net": Decimal(7), "voltage_l1": Decimal(230)}, 108)
    for moment in (108, 109):
        bench.node._note_freshness(moment)
    assert messages(caplog) == [f"the readings are stale: {told}", "the readings are fresh again"]


async def test_readings_that_are_stale_again_and_again_do_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    for number in range(10):
        moment = 100.0 + 20 * number
        monkeypatch.setattr(register_map, "now", lambda moment=moment: moment)
        bench.take({"power_net": Decimal(7), "voltage_l1": Decimal(230)}, moment)
        bench.node._note_freshness(moment)
        bench.node._note_freshness(moment + 10)
    stale = [text for text in messages(caplog) if "stale" in text]
    assert len(stale) == 4
    assert "4 times within 10 minutes" in stale[3]
    # It is fresh again as soon as a telegram is served, and not at the next look.
    assert messages(caplog).count("the readings are fresh again") == 3


async def test_readings_are_logged_as_stale_at_the_limit_of_their_unit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, stale_after_s=0.3)
    async with running(bench.node):
        bench.take({"power_net": Decimal(7), "voltage_l1": Decimal(230)}, now())
        bench.node._look(now())
        await until(lambda: "stale" in caplog.text)


async def test_a_telegram_that_does_not_tell_what_the_map_requires_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(register_map, "TICK_S", 0.01)
    bench = Bench(tmp_path, f"requires: [voltage_l1]\n{MAP}")
    async with running(bench.node):
        for _ in range(3):
            bench.take({"power_net": Decimal(7)}, now())
        await until(lambda: str(bench.node.status) == "yellow ring: not in the telegram: voltage_l1")
        assert bench.unit.read(0, 1, now()) is STALE
        bench.take({"power_net": Decimal(7), "voltage_l1": Decimal(230)}, now())
        await until(lambda: str(bench.node.status) == "green dot: 2 registers")
        assert bench.unit.read(0, 1, now()) == b"\0\x07"
    assert messages(caplog) == ["a telegram is not served, because it lacks voltage_l1"]


@pytest.mark.parametrize("on_stale", list(OnStale))
async def test_of_another_meter_that_cannot_be_shown_nothing_lingers(tmp_path: Path, on_stale: OnStale) -> None:
    bench = Bench(tmp_path, f"requires: [voltage_l1]\n{MAP}", on_stale=on_stale)
    whole: dict[str, Decimal | int | str] = {"power_net": Decimal(7), "voltage_l1": Decimal(230)}
    before_any = bench.unit.read(0, 1, 100)
    bench.take({"identification": "A", **whole}, 100)
    bench.take({"identification": "A"}, 101)
    assert bench.unit.read(0, 1, 101) == b"\0\x07"
    bench.take({"identification": "B"}, 102)
    assert bench.unit.read(0, 1, 102) == before_any
    bench.take({"identification": "B", **whole}, 103)
    assert bench.unit.read(0, 1, 103) == b"\0\x07"


ONE_PHASE = """\
registers:
  - {address: 0, name: power, type: int16, value: power_net, unit: W}
  - address: 1
    name: l2
    type: uint16
    unit: A
    value: first(current_l2, unless(0 * current_l1, current_l2, current_l3))
"""
TWO_PHASES: dict[str, Value] = {
    "identification": "A", "power_net": Decimal(5), "current_l1": Decimal(1), "current_l2": Decimal(20),
}  # fmt: skip
L1_ONLY: dict[str, Value] = {"identification": "A", "power_net": Decimal(7), "current_l1": Decimal(1)}


async def test_a_phase_that_vanishes_from_a_telegram_is_not_shown_as_an_idle_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, ONE_PHASE)
    bench.take(TWO_PHASES, 100)
    for arrived in (101, 102):
        bench.take(L1_ONLY, arrived)
        assert bench.unit.read(0, 2, arrived) == bytes.fromhex("00050014")
    assert bench.unit.read(0, 2, 105.1) is STALE
    assert messages(caplog) == ["a telegram is not served, because it lacks current_l2"]
    bench.take({**TWO_PHASES, "current_l2": Decimal(21)}, 106)
    assert bench.unit.read(0, 2, 106) == bytes.fromhex("00050015")


async def test_a_meter_that_sends_one_phase_for_ten_minutes_has_one_phase(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ONE_PHASE)
    bench.take(TWO_PHASES, 100)
    bench.take(L1_ONLY, 700)
    assert bench.unit.read(0, 2, 700) is STALE
    bench.take(L1_ONLY, 701)
    assert bench.unit.read(0, 2, 701) == bytes.fromhex("00070000")


@pytest.mark.parametrize("name", ["identification", "equipment_identifier"])
async def test_a_meter_with_one_phase_takes_the_place_of_one_with_more_at_once(tmp_path: Path, name: str) -> None:
    bench = Bench(tmp_path, ONE_PHASE)
    bench.take({**TWO_PHASES, "equipment_identifier": "1"}, 100)
    bench.take({**L1_ONLY, "equipment_identifier": "1", name: "other"}, 101)
    assert bench.unit.read(0, 2, 101) == bytes.fromhex("00070000")


async def test_a_test_pattern_shows_addresses_whatever_the_meter_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register_map, "TICK_S", 0.01)
    bench = Bench(tmp_path, shows_test_pattern=True)
    async with running(bench.node):
        bench.take({"power_net": Decimal(7), "voltage_l1": Decimal(230)}, now())
        await until(lambda: str(bench.node.status) == "blue dot: test pattern")
    assert bench.unit.read(0, 2, now() + 10**6) == bytes.fromhex("00000001")

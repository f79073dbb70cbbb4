"""Meters without a checksum: powers and tariffs that one wrong digit may have made."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1 import unchecked_guard
from gateway.protocol.p1.doubt import Doubt
from gateway.protocol.p1.readings import Readings, read
from gateway.protocol.p1.unchecked_guard import UncheckedGuard
from tests.protocol.p1.stream import only, unchecked


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (0, 0, True),
        (500, 0, True),
        (501, 0, False),
        (9000, 10_000, True),
        (8999, 10_000, False),
        (-9000, -10_000, True),
    ],
)
def test_powers_are_the_same_within_500_w_or_a_tenth(one: int, other: int, is_same: bool) -> None:
    assert unchecked_guard._is_same(Decimal(one), Decimal(other)) is is_same


class Meter:
    """A guard that is fed with telegrams of a DSMR 2.2 meter, one in ten seconds."""

    def __init__(self) -> None:
        self.guard = UncheckedGuard()
        self.wh = 5_000_000
        self.moment = 0.0
        self.before: Readings | None = None

    def send(self, watts: int, counted_wh: int = 0, export: int = 0, tariff: int = 1) -> set[Doubt]:
        self.wh += counted_wh
        self.moment += 10
        return self.judge(
            f"1-0:1.8.1({self.wh / 1000:09.3f}*kWh)",
            f"0-0:96.14.0({tariff:04})",
            f"1-0:1.7.0({watts / 1000:07.2f}*kW)",
            f"1-0:2.7.0({export / 1000:07.2f}*kW)",
        )

    def judge(self, *lines: str) -> set[Doubt]:
        self.before = read(only(unchecked(*lines)), self.before)
        return {item.doubt for item in self.guard.judge(self.before, self.moment)}

    def phases(self, total: str, *phases: str) -> set[Doubt]:
        self.moment += 2
        lines = [f"1-0:{code}.7.0*255({watts}*W)" for code, watts in zip((21, 41, 61), phases, strict=True)]
        return self.judge(f"1-0:1.7.0*255({total}*W)", *lines)


def test_a_jump_that_the_counters_do_not_show_is_withheld_once() -> None:
    meter = Meter()
    assert [meter.send(watts) for watts in (300, 3300, 300)] == [set(), {Doubt.JUMPED}, set()]
    assert [meter.send(watts) for watts in (3300, 3300, 3400)] == [{Doubt.JUMPED}, set(), set()]


def test_a_jump_that_the_counters_show_is_believed_at_once() -> None:
    meter = Meter()
    meter.send(300)
    assert meter.send(3300, counted_wh=5) == set()
    assert meter.send(300, counted_wh=4) == set()


def test_a_jump_within_one_second_is_shown_by_the_counters_too() -> None:
    meter = Meter()
    meter.send(300)
    meter.moment -= 9
    assert meter.send(10_300, counted_wh=3) == set()


def test_counters_that_rise_more_than_the_new_power_do_not_show_it() -> None:
    meter = Meter()
    meter.send(300)
    assert meter.send(3300, counted_wh=30) == {Doubt.JUMPED}


def test_a_power_that_rises_in_steps_is_withheld_once() -> None:
    meter, watts, seen = Meter(), 0, []
    for _ in range(8):
        seen.append(meter.send(watts, counted_wh=watts * 10 // 3600))
        watts += 900
    assert seen.count({Doubt.JUMPED}) <= 1


@pytest.mark.parametrize(("change", "withheld"), [(500, False), (510, True)])
def test_a_small_change_is_believed(change: int, withheld: bool) -> None:
    meter = Meter()
    meter.send(300)
    assert bool(meter.send(300 + change)) is withheld


def test_import_and_export_at_once_are_withheld_unless_they_come_twice() -> None:
    meter = Meter()
    assert meter.send(1000) == set()
    assert meter.send(1000, export=100) == {Doubt.TWO_WAYS}
    assert meter.send(1000, export=100) == set()


def test_one_watt_of_import_and_of_export_is_two_ways() -> None:
    meter = Meter()
    meter.send(0)
    assert meter.judge("1-0:1.7.0(0001*W)", "1-0:2.7.0(0001*W)") == {Doubt.TWO_WAYS}
    assert meter.judge("1-0:1.7.0(0001*W)", "1-0:2.7.0(0000*W)") == set()


def test_a_meter_that_always_sends_import_and_export_is_never_withheld() -> None:
    meter = Meter()
    assert [meter.send(1000, export=100) for _ in range(3)] == [set()] * 3


def test_phases_that_do_not_add_up_any_more_are_withheld() -> None:
    meter = Meter()
    assert meter.phases("001688.21", "000557.29", "000521.62", "000609.30") == set()
    assert meter.phases("007688.21", "000557.29", "000521.62", "000609.30") == {Doubt.PHASES}
    assert meter.phases("001688.21", "000557.29", "000521.62", "000609.30") == set()
    # All of a true jump adds up.
    assert meter.phases("007688.21", "006557.29", "000521.62", "000609.30") == set()


def test_phases_that_never_add_up_withhold_nothing() -> None:
    meter = Meter()
    assert [meter.phases("000900.00", "000557.29", "000521.62", "000609.30") for _ in range(4)] == [set()] * 4


def test_phases_without_a_line_of_export_add_up_within_30_w() -> None:
    meter = Meter()
    assert meter.phases("000630.00", "000200.00", "000200.00", "000200.00") == set()
    assert meter.phases("001661.00", "000200.00", "000200.00", "001230.00") == {Doubt.PHASES}, "31 W are missing"


def test_a_tariff_without_a_counter_is_withheld() -> None:
    meter = Meter()
    assert [meter.send(300, tariff=tariff) for tariff in (1, 3, 1)] == [set(), {Doubt.TARIFF}, set()]


def test_a_telegram_without_power_or_tariff_is_no_trouble() -> None:
    assert Meter().judge("1-0:1.8.1(00001.000*kWh)") == set()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=1, max_size=30))
@settings(max_examples=100)
def test_a_power_that_came_twice_is_never_withheld(sent: list[tuple[int, int]]) -> None:
    meter = Meter()
    for kilowatts, tenths in sent:
        watts = 1000 * kilowatts + 100 * tenths
        meter.send(watts)
        assert meter.send(watts) == set()


def test_without_counters_nothing_shows_a_jump() -> None:
    meter = Meter()
    seen = []
    for watts in ("00300", "03300", "03300"):
        meter.moment += 10
        seen.append(meter.judge(f"1-0:1.7.0({watts}*W)"))
    assert seen == [set(), {Doubt.JUMPED}, set()]


def test_two_telegrams_of_one_moment_show_no_power_by_their_counters() -> None:
    meter = Meter()
    meter.send(300)
    meter.moment -= 10
    assert meter.send(3300, counted_wh=5) == {Doubt.JUMPED}


def test_the_step_of_the_counters_decides_what_they_show() -> None:
    for wh, step in ((10, "05000.01"), (1, "05000.010")):
        meter = Meter()
        sent = []
        for counter, watts in (("05000.00" if wh == 10 else "05000.000", 300), (step, 3300)):
            meter.moment += 10
            sent.append(meter.judge(f"1-0:1.8.1({counter}*kWh)", f"1-0:1.7.0({watts / 1000:07.3f}*kW)"))
        assert sent == [set(), {Doubt.JUMPED} if wh == 10 else set()]


def test_counters_that_rise_a_little_more_than_the_new_power_do_not_show_it() -> None:
    for counted_wh, expected in ((10, set()), (11, {Doubt.JUMPED})):
        meter = Meter()
        meter.send(300)
        assert meter.send(3300, counted_wh=counted_wh) == expected


def test_the_counter_of_the_export_shows_a_jump_of_the_export() -> None:
    for counted_wh, expected in ((1, {Doubt.JUMPED}), (9, set())):
        meter = Meter()
        for wh, watts in ((0, 300), (counted_wh, 3300)):
            meter.moment += 10
            seen = meter.judge(f"1-0:2.8.1({wh / 1000:09.3f}*kWh)", f"1-0:2.7.0({watts / 1000:07.2f}*kW)")
        assert seen == expected


def test_the_tariff_is_withheld_by_its_name() -> None:
    guard = UncheckedGuard()
    [item] = guard.judge(read(only(unchecked("1-0:1.8.1(00001.000*kWh)", "0-0:96.14.0(0003)"))), 0.0)
    assert (item.name, item.doubt, item.new) == ("tariff", Doubt.TARIFF, 3)

"""Counters over time: one that falls or leaps is withheld until its meter has sent it twice."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.counter_guard import METERS_KEPT, CounterGuard
from gateway.protocol.p1.doubt import Doubt, Withheld
from gateway.protocol.p1.readings import Readings, read
from tests.protocol.p1.stream import only, telegram_of, unchecked


def lines(
    second: int | None, wh: int = 5_000_000, gas: str = "", device: str = "41", unit: str = "kWh", extra: str = ""
) -> list[str]:
    clock = [] if second is None else [f"0-0:1.0.0(2601{1 + second // 86400:02}{_time(second % 86400)}W)"]
    counter = f"{wh // 1000:06}.{wh % 1000:03}*{unit}"
    mbus = ["0-1:24.1.0(003)", f"0-1:96.1.0({device})", f"0-1:24.2.1({gas}*m3)"] if gas else []
    return ["1-3:0.2.8(50)", *clock, f"1-0:1.8.1({counter})", "1-0:1.7.0(00.500*kW)", *mbus, *filter(None, [extra])]


def _time(second: int) -> str:
    return f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}"


class Meter:
    """A guard that is fed with telegrams."""

    def __init__(self) -> None:
        self.guard = CounterGuard()
        self.before: Readings | None = None

    def send(self, arrived: float, *sent: str) -> list[Withheld]:
        telegram = only(telegram_of(*sent))
        # Lines that did not change are those of the telegram before.
        self.before = read(telegram, self.before)
        return self.guard.judge(telegram, self.before, arrived)

    def counts(self, *counts: int, step_s: float = 1) -> list[bool]:
        """Which of these values of one counter, sent each `step_s` seconds, are withheld."""
        return [bool(self.send(1000 + step_s * n, *lines(int(step_s * n), wh))) for n, wh in enumerate(counts)]


# --- energy


@pytest.mark.parametrize("wrong", [0, 999_999_999, 4_999_999, 5_002_000, 123])
def test_a_wrong_counter_in_one_telegram_is_withheld_and_the_right_one_after_it_is_not(wrong: int) -> None:
    assert Meter().counts(5_000_000, 5_000_001, wrong, 5_000_001, 5_000_002) == [False, False, True, False, False]


@pytest.mark.parametrize("other", [0, 999_000_000, 4_000_000])
def test_another_counter_is_believed_when_it_was_sent_twice(other: int) -> None:
    assert Meter().counts(5_000_000, other, other + 1, other + 2) == [False, True, False, False]


def test_values_that_differ_each_time_are_all_withheld() -> None:
    assert Meter().counts(5_000_000, 0, 999_999_999, 123, 700_000_000, 5_000_001) == [False, *[True] * 4, False]


def test_a_withheld_counter_is_named_with_both_values() -> None:
    meter = Meter()
    meter.counts(5_000_000)
    [item] = meter.send(1001, *lines(1, 0))
    assert item == Withheld("energy_import_t1", Doubt.FELL, Decimal(5_000_000), Decimal(0), "Wh")
    [item] = meter.send(1002, *lines(2, 999_999_999))
    assert item.doubt is Doubt.LEAPT


def test_a_copy_of_the_telegram_does_not_send_it_twice() -> None:
    meter = Meter()
    meter.counts(5_000_000)
    wrong = lines(1, 0)
    assert all(meter.send(1001 + n, *wrong) for n in range(5))
    assert not meter.send(1006, *lines(2, 5_000_001))


def test_without_a_clock_a_later_telegram_sends_it_twice() -> None:
    meter = Meter()
    assert not meter.send(1000, *lines(None))
    assert meter.send(1010, *lines(None, 0))
    assert not meter.send(1020, *lines(None, 0))


@pytest.mark.parametrize(
    ("elapsed_s", "most_kwh"), [(1, 0.033), (10, 0.18), (3600, 60), (86_400, 1440), (604_800, 10_080)]
)
def test_a_rise_is_judged_by_what_the_connection_carries_in_the_time(elapsed_s: int, most_kwh: float) -> None:
    for rise, withheld in ((most_kwh * 0.98, False), (most_kwh * 1.02 + 0.012, True)):
        meter = Meter()
        meter.counts(5_000_000)
        assert bool(meter.send(1000 + elapsed_s, *lines(elapsed_s, 5_000_000 + int(1000 * rise)))) is withheld


@pytest.mark.parametrize("leap_wh", [50, 100, 188, 249])
def test_a_leap_within_one_second_is_withheld_and_the_counter_goes_on_after_it(leap_wh: int) -> None:
    counts = [5_000_000, 5_000_001, 5_000_001 + leap_wh, 5_000_002, 5_000_003]
    assert Meter().counts(*counts) == [False, False, True, False, False]


@pytest.mark.parametrize("leap_wh", [100, 188])
def test_a_leap_of_a_counter_that_stood_is_withheld_while_another_one_moves(leap_wh: int) -> None:
    meter = Meter()
    for second in range(60):
        assert not meter.send(second, *lines(second, 5_000_000 + second, extra="1-0:1.8.2(000007.000*kWh)"))
    leapt = f"1-0:1.8.2(000007.{leap_wh:03}*kWh)"
    [item] = meter.send(60, *lines(60, 5_000_060, extra=leapt))
    assert (item.name, item.doubt) == ("energy_import_t2", Doubt.LEAPT)


def test_after_a_wrong_value_a_counter_that_stood_long_may_not_rise_more_than_before() -> None:
    counts = [*(100 * [5_000_000]), 5_000_400, 5_000_300, 5_000_001]
    assert Meter().counts(*counts) == [*(100 * [False]), True, True, False]


@pytest.mark.parametrize(("step_s", "power_w"), [(10, 17_000), (60, 9000), (900, 3000), (900, 50_000)])
def test_a_meter_may_write_its_counters_more_seldom_than_its_telegrams(step_s: int, power_w: int) -> None:
    meter = Meter()
    for second in range(3 * step_s + 5):
        wh = 5_000_000 + second // step_s * (step_s * power_w // 3600)
        assert not meter.send(second, *lines(second, wh, extra=f"1-0:2.7.0({power_w / 1000:06.3f}*kW)"))


def test_a_meter_without_a_power_may_write_its_counters_once_in_ten_seconds() -> None:
    for rise, withheld in ((150, False), (300, True)):
        meter = Meter()
        for second in range(30):
            meter.send(second, "1-0:1.8.1(005000.000*kWh)")
        assert bool(meter.send(30, f"1-0:1.8.1(005000.{rise:03}*kWh)")) is withheld


def test_a_counter_that_only_some_telegrams_contain_is_judged_by_the_time_since_it_came() -> None:
    meter = Meter()
    for second in range(0, 7201, 10):
        counter = [f"1-0:1.8.0({5000 + second / 3600 * 11:010.3f}*kWh)"] if second % 3600 == 0 else []
        assert not meter.send(second, "1-0:1.7.0(01.000*kW)", *counter)


def test_telegrams_that_were_held_up_are_judged_by_the_meters_clock() -> None:
    meter = Meter()
    meter.counts(5_000_000)
    assert not meter.send(1000.1, *lines(600, 5_009_000))


@pytest.mark.parametrize("extra", ["1-0:2.7.0(99.000*kW)", "1-0:31.4.0(200*A)"])
def test_powers_and_fuses_show_that_a_connection_is_larger(extra: str) -> None:
    for each, withheld in (("", True), (extra, False)):
        meter = Meter()
        meter.counts(5_000_000)
        assert bool(meter.send(1060, *lines(60, 5_002_300, extra=each))) is withheld


def test_a_fuse_of_999_a_shows_nothing() -> None:
    meter = Meter()
    meter.counts(5_000_000)
    assert meter.send(1060, *lines(60, 5_009_000, extra="1-0:31.4.0(999*A)"))


@pytest.mark.parametrize("top", [999_999_990, 999_999_999])
def test_a_counter_may_begin_again_at_zero_at_its_number_of_digits(top: int) -> None:
    assert Meter().counts(top, 5, 6) == [False, False, False]


def test_a_counter_in_doubt_does_not_begin_again_at_zero() -> None:
    assert Meter().counts(5_000_000, 999_999_990, 5, 999_999_990) == [False, True, True, True]


def test_a_counter_of_whole_numbers_may_take_a_step() -> None:
    meter = Meter()
    assert not meter.send(1000, "1-0:1.8.1(005000*kWh)")
    assert not meter.send(1001, "1-0:1.8.1(005001*kWh)")
    assert meter.send(1002, "1-0:1.8.1(005005*kWh)")


def test_each_counter_is_judged_for_itself() -> None:
    meter = Meter()
    assert not meter.send(1000, "1-0:1.8.1(000001.000*kWh)", "1-0:2.8.2(000007.000*kWh)", "1-0:3.8.0(000003.000*kvarh)")
    items = meter.send(1001, "1-0:1.8.1(000001.000*kWh)", "1-0:2.8.2(000000.000*kWh)", "1-0:3.8.0(900003.000*kvarh)")
    assert {item.name: item.doubt for item in items} == {
        "energy_export_t2": Doubt.FELL,
        "reactive_energy_import": Doubt.LEAPT,
    }


# --- gas, water and heat


def stamp(second: int) -> str:
    return f"260101{_time(second)}W"


def test_an_mbus_value_is_sent_twice_only_by_a_newer_stamp() -> None:
    meter = Meter()
    right, wrong = f"{stamp(3600)})(02311.402", f"{stamp(7200)})(00000.000"
    assert not meter.send(0, *lines(7100, gas=right))
    for second in range(7200, 7205):
        assert meter.send(second - 7100, *lines(second, gas=wrong))
    assert not meter.send(3700, *lines(10_800, gas=f"{stamp(10_800)})(02311.518"))


def test_an_mbus_value_of_a_newer_stamp_confirms_another_one() -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402"))
    assert meter.send(300, *lines(300, gas=f"{stamp(300)})(00000.000"))
    assert not meter.send(600, *lines(600, gas=f"{stamp(600)})(00000.001"))


def test_a_stamp_that_was_set_back_does_not_withhold_for_ever() -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(7000)})(02311.402"))
    withheld = [
        bool(meter.send(n * 300, *lines(300 * n, gas=f"{at})(00000.00{n}")))
        for n, at in enumerate((stamp(80_000), stamp(300), stamp(600), stamp(900)), start=1)
    ]
    assert withheld == [True, True, False, False]


def names(items: list[Withheld]) -> dict[str, Doubt]:
    return {item.name: item.doubt for item in items}


NEW = {"mbus1_reading": Doubt.NEW_METER, "mbus1_identifier": Doubt.NEW_METER}


def test_the_mbus_meter_of_the_first_telegram_is_believed_at_once() -> None:
    assert not Meter().send(0, *lines(0, gas=f"{stamp(0)})(02311.402", device="41"))


def test_another_mbus_meter_is_believed_with_its_second_telegram_and_counts_from_zero() -> None:
    meter = Meter()
    assert not meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402", device="41"))
    assert names(meter.send(300, *lines(300, gas=f"{stamp(300)})(00000.000", device="42"))) == NEW
    assert not meter.send(301, *lines(301, gas=f"{stamp(300)})(00000.000", device="42"))
    assert names(meter.send(302, *lines(302, gas=f"{stamp(302)})(02311.402", device="41"))) == NEW
    assert not meter.send(303, *lines(303, gas=f"{stamp(302)})(02311.402", device="41"))


def test_a_new_mbus_meter_is_reported_with_the_values_of_both() -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402", device="41"))
    assert meter.send(300, *lines(300, gas=f"{stamp(300)})(00000.001", device="42")) == [
        Withheld("mbus1_reading", Doubt.NEW_METER, Decimal("2311.402"), Decimal("0.001"), "m3"),
        Withheld("mbus1_identifier", Doubt.NEW_METER, "A", "B"),
    ]


def test_another_mbus_meter_in_single_telegrams_is_never_believed() -> None:
    meter = Meter()
    for second in range(0, 20, 2):
        assert not meter.send(second, *lines(second, gas=f"{stamp(0)})(02311.402", device="41"))
        assert names(meter.send(second + 1, *lines(second + 1, gas=f"{stamp(1)})(00012.000", device="42"))) == NEW


def test_a_copy_of_the_telegram_does_not_confirm_another_mbus_meter() -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402", device="41"))
    for second in range(5):
        assert names(meter.send(300 + second, *lines(300, gas=f"{stamp(300)})(00000.000", device="42"))) == NEW


def test_a_different_mbus_meter_in_each_telegram_is_never_believed() -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402", device="40"))
    for n in range(1, 20):
        assert names(meter.send(n, *lines(n, gas=f"{stamp(n)})(00000.000", device=f"{40 + n}"))) == NEW


def test_an_mbus_meter_that_is_added_later_is_believed_with_its_second_telegram() -> None:
    meter = Meter()
    assert not meter.send(0, *lines(0))
    assert names(meter.send(1, *lines(1, gas=f"{stamp(1)})(00000.000"))) == NEW
    assert not meter.send(2, *lines(2, gas=f"{stamp(1)})(00000.000"))


def test_another_type_of_mbus_meter_with_the_same_identifier_is_believed_with_its_second_telegram() -> None:
    def water(second: int) -> list[str]:
        gas = lines(second, gas=f"{stamp(0)})(02311.402")
        return [line.replace("0-1:24.1.0(003)", "0-1:24.1.0(007)") for line in gas]

    meter = Meter()
    assert not meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402"))
    assert names(meter.send(1, *water(1))) == NEW
    assert not meter.send(2, *lines(2, gas=f"{stamp(0)})(02311.402"))
    assert names(meter.send(3, *water(3))) == NEW
    assert not meter.send(4, *water(4))


def test_a_type_that_is_left_out_is_no_new_meter() -> None:
    meter = Meter()
    assert not meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402"))
    without = [line for line in lines(1, gas=f"{stamp(0)})(02311.402") if "24.1.0" not in line]
    assert not meter.send(1, *without)


def test_an_empty_identifier_is_no_new_meter() -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402"))
    assert meter.send(1, *lines(1, gas=f"{stamp(1)})(00000.000", device=""))


def test_only_some_mbus_meters_are_kept() -> None:
    meter = Meter()
    for n in range(40):
        meter.send(n, *lines(n, gas=f"{stamp(n)})(02311.402", device=f"{40 + n // 2}"))
    assert [len(meters) for meters in meter.guard._mbus.values()] == [METERS_KEPT]


@pytest.mark.parametrize(("m3", "withheld"), [("02409.000", False), ("02413.500", True), ("72311.402", True)])
def test_gas_rises_by_100_m3_an_hour_at_most(m3: str, withheld: bool) -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402"))
    # The hourly value comes soon after the start, so its stamp shows the time, not the arrival.
    assert bool(meter.send(60, *lines(3600, gas=f"{stamp(3600)})({m3}"))) is withheld


def test_gas_that_was_not_received_for_a_week_may_rise_much() -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402"))
    meter.send(600_000, *lines(86_399, gas=f"{stamp(0)})(02311.402"))
    assert not meter.send(604_800, *lines(86_399, gas=f"{stamp(86_399)})(02391.402"))


def test_a_gas_meter_may_begin_again_at_zero() -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})(99999.402"))
    assert not meter.send(300, *lines(300, gas=f"{stamp(300)})(00000.010"))


def test_a_meter_without_checksum_is_judged_in_the_same_way() -> None:
    guard = CounterGuard()
    hourly = "0-1:24.3.0(150310{hour}0000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n({m3})"
    withheld = []
    for n, (hour, m3) in enumerate(
        [("18", "07415.033"), ("19", "00000.000"), ("19", "00000.000"), ("20", "07416.000")]
    ):
        telegram = only(unchecked("0-1:24.1.0(3)", "0-1:96.1.0(41)", hourly.format(hour=hour, m3=m3)))
        withheld.append(bool(guard.judge(telegram, read(telegram), 1800.0 * n)))
    assert withheld == [False, True, True, False]


# --- whatever comes


@given(st.integers(0, 900_000_000), st.lists(st.tuples(st.integers(0, 16), st.integers(1, 120)), max_size=30))
@settings(max_examples=100)
def test_no_counter_of_a_house_is_ever_withheld(first: int, steps: list[tuple[int, int]]) -> None:
    meter, second, wh = Meter(), 0, first
    for each, seconds in steps:
        assert not meter.send(second, *lines(second, wh))
        second, wh = second + seconds, wh + each * seconds


@given(st.lists(st.sampled_from([0, 888_888_888, None]), min_size=1, max_size=30))
@settings(max_examples=200)
def test_a_wrong_number_is_never_believed_before_it_came_twice_in_a_row(sent: list[int | None]) -> None:
    meter, believed = Meter(), 5_000_000
    meter.counts(believed)
    before: int | None = None
    for n, wrong in enumerate(sent, start=1):
        value = 5_000_000 + n if wrong is None else wrong
        if not meter.send(1000 + n, *lines(n, value)) and abs(value - believed) > 1000:
            assert before is not None
            assert abs(before - value) <= 1
        if not meter.guard._counters["energy_import_t1"].doubted:
            believed = value
        before = value


# --- lines that show nothing


def test_two_lines_that_contradict_each_other_show_nothing() -> None:
    meter = Meter()
    meter.counts(5_000_000)
    assert not meter.send(1001, *lines(1, 5_000_001, extra="1-0:1.8.1(000000.000*kWh)"))
    assert meter.send(1002, *lines(2, 0))


def test_a_counter_without_a_number_before_it_is_accepted() -> None:
    meter = Meter()
    assert not meter.send(1000, "1-0:1.8.1(*kWh)")
    assert not meter.send(1001, "1-0:1.8.1(000005.000*kWh)")


def test_a_counter_in_another_unit_is_withheld_until_it_came_twice() -> None:
    meter = Meter()
    mbus = "0-1:24.1.0(004)", "0-1:96.1.0(41)"
    sent = [f"{stamp(0)})(00100.000*m3", f"{stamp(300)})(00100.000*GJ", f"{stamp(600)})(00100.001*GJ"]
    withheld = [meter.send(300 * n, *mbus, f"0-1:24.2.1({value})") for n, value in enumerate(sent)]
    assert [[item.doubt for item in items] for items in withheld] == [[], [Doubt.LEAPT], []]


def test_an_mbus_meter_without_identifier_that_is_added_later_is_withheld_alone() -> None:
    meter = Meter()
    meter.send(0, *lines(0))
    gas = "0-1:24.1.0(003)", f"0-1:24.2.1({stamp(1)})(02311.402*m3)"
    assert names(meter.send(1, *lines(1), *gas)) == {"mbus1_reading": Doubt.NEW_METER}
    assert not meter.send(2, *lines(2), *gas)


@pytest.mark.parametrize(("before", "after"), [("99999.990", "00000000.001"), ("00000.000", "-00000.100")])
def test_a_counter_with_other_digits_or_below_zero_did_not_begin_again(before: str, after: str) -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})({before}"))
    [item] = meter.send(300, *lines(300, gas=f"{stamp(300)})({after}"))
    assert item.doubt is Doubt.FELL


@pytest.mark.parametrize(
    ("before", "after"), [("999999.999kWh", "000000.001*kWh"), ("999999.999*kWh", "000000.001kWh")]
)
def test_a_counter_whose_form_has_changed_did_not_begin_again(before: str, after: str) -> None:
    meter = Meter()
    assert not meter.send(1000, *lines(0), f"1-0:1.8.2({before})")
    [item] = meter.send(1001, *lines(1), f"1-0:1.8.2({after})")
    assert item.doubt is Doubt.FELL


def test_an_mbus_value_without_a_stamp_is_judged_by_its_arrival() -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402"))
    assert meter.send(300, *lines(300, gas=f"{stamp(300)})(00000.000"))
    assert not meter.send(600, *lines(600, gas="000000000000W)(00000.001"))


# --- the limits themselves


@pytest.mark.parametrize(("rise_wh", "withheld"), [(19, False), (20, True)])
def test_in_no_time_a_counter_may_rise_by_the_slack_and_two_steps(rise_wh: int, withheld: bool) -> None:
    meter = Meter()
    meter.send(1000, *lines(None, 5_000_000))
    assert bool(meter.send(1000, *lines(None, 5_000_000 + rise_wh))) is withheld


@pytest.mark.parametrize(("rise_wh", "withheld"), [(35, False), (37, True)])
def test_a_counter_in_doubt_may_rise_as_any_other(rise_wh: int, withheld: bool) -> None:
    assert Meter().counts(5_000_000, 1000, 1000 + rise_wh) == [False, True, withheld]


@pytest.mark.parametrize(("m3", "withheld"), [(100, False), (120, True)])
def test_a_gas_reading_in_doubt_may_be_an_hour_older_than_it_came(m3: int, withheld: bool) -> None:
    meter = Meter()
    meter.send(0, *lines(0, gas=f"{stamp(0)})(02311.402"))
    assert meter.send(300, *lines(300, gas=f"{stamp(300)})(00000.000"))
    assert bool(meter.send(600, *lines(600, gas=f"{stamp(600)})({m3:05}.000"))) is withheld


@pytest.mark.parametrize(("fuse_a", "withheld"), [(399, False), (400, True)])
def test_a_fuse_of_400_a_or_more_shows_nothing(fuse_a: int, withheld: bool) -> None:
    meter = Meter()
    meter.counts(5_000_000)
    assert bool(meter.send(1060, *lines(60, 5_002_300, extra=f"1-0:31.4.0({fuse_a}*A)"))) is withheld

"""Guards of one line: what is withheld, with all that follows from it, and for which meter."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.protocol.p1.doubt import Doubt, Withheld
from gateway.protocol.p1.guards import METERS_KEPT, PHASES_KEPT_S, Guards, identity_of
from gateway.protocol.p1.meter import MeterState, Received
from gateway.protocol.p1.readings import Readings, read
from gateway.simulation.forms import simulated_meter, simulated_versions
from gateway.simulation.household import Scenario
from tests.conftest import SHARED_TELEGRAMS, needs_shared_telegrams
from tests.protocol.p1.stream import feed, only, resealed, telegram_of

AUTUMN = 1_761_437_400
"""Half an hour before summer time ends."""


def sent(guards: Guards, arrived: float, device: int, wh: int) -> Readings:
    telegram = only(
        telegram_of(f"0-0:96.1.1({device:02})", f"1-0:1.8.1({wh / 1000:010.3f}*kWh)", "1-0:1.8.2(000001.000*kWh)")
    )
    return guards.judge(telegram, read(telegram), arrived)[0]


def test_nothing_is_compared_across_the_meters_of_a_line() -> None:
    guards = Guards()
    for second in range(10):
        for device, wh in ((41, 5_000_000), (42, 7000)):
            assert sent(guards, second, device, wh + second).values["energy_import_t1"] == wh + second
    assert "energy_import_t1" not in sent(guards, 10, 42, 5_000_011).values
    assert guards.withheld == {Doubt.LEAPT: 1}


def test_meters_with_identifiers_of_their_own_are_no_twins() -> None:
    guards = Guards()
    for second in range(100):
        for device, wh in ((41, 5_000_000), (42, 7000)):
            assert "energy_import_t1" in sent(guards, second, device, wh + second).values
            assert guards.suffix == ""


def test_only_some_meters_are_kept() -> None:
    guards = Guards()
    for device in range(40, 60):
        sent(guards, float(device), device, 5000)
    assert len(guards._meters) == len(guards._twins) == METERS_KEPT


def test_what_is_derived_from_a_withheld_reading_is_withheld_too() -> None:
    guards = Guards()
    sent(guards, 0, 41, 5_000_000)
    values = sent(guards, 1, 41, 0).values
    assert not {"energy_import_t1", "energy_import"} & values.keys()
    assert {"energy_import_t2", "equipment_identifier"} <= values.keys()


def test_a_meter_without_an_identifier_is_known_by_its_identification() -> None:
    assert identity_of(read(only(telegram_of("1-0:1.8.1(000001.000*kWh)")))) == "ISk5\\2M550T-1012"


@pytest.mark.parametrize("version", [version for version in simulated_versions() if version != "Q3D"])
@pytest.mark.parametrize("scenario", [None, *Scenario])
def test_no_counter_of_a_simulated_household_is_withheld(version: str, scenario: Scenario | None) -> None:
    try:
        house = simulated_meter(version, scenario=scenario, started_at=AUTUMN)
    except ValueError:
        return  # no gas meter to swap
    meter = MeterState("house", None)
    for second in range(0, 2 * 3600, 200):
        for item in feed([house.telegram(AUTUMN + second)]):
            meter.take(item, float(second), 0.0)
    assert meter.accepted > 30
    assert not {Doubt.FELL, Doubt.LEAPT, Doubt.TARIFF, Doubt.TWO_WAYS} & meter.guards.withheld.keys()


@needs_shared_telegrams
def test_nothing_of_a_real_capture_is_withheld() -> None:
    meter = MeterState("house", None)
    for second, item in enumerate(feed([(SHARED_TELEGRAMS / "nielsbasjes_am550_566-telegrams.raw").read_bytes()])):
        assert isinstance(meter.take(item, float(second), 0.0), Received)
    assert meter.guards.withheld == {}


def second_of(second: int, t1_wh: int, *, power_w: int = 500, gas: str = "", device: str = "") -> bytes:
    stamp = f"2601011200{second:02}W" if second < 60 else f"260101120{second // 60}{second % 60:02}W"
    return telegram_of(
        "1-3:0.2.8(50)",
        f"0-0:1.0.0({stamp})",
        f"1-0:1.8.1({t1_wh / 1000:010.3f}*kWh)",
        "1-0:1.8.2(000007.000*kWh)",
        f"1-0:1.7.0({power_w / 1000:06.3f}*kW)",
        *([f"0-0:96.1.1({device})"] if device else []),
        *(["0-1:24.1.0(003)", "0-1:96.1.0(41)", gas] if gas else []),
    )


def served(meter: MeterState, raw: bytes, arrived: float) -> Readings:
    """The readings that are fresh after a telegram."""
    meter.take(only(raw), arrived, 0.0)
    assert meter.served is not None
    assert meter.is_fresh(arrived)
    assert meter.served.arrived == arrived
    return meter.served.readings


@pytest.mark.parametrize(
    ("top", "after"),
    [
        (5_000_000, [5_000_030, 5_000_031, 5_000_001, 5_000_002]),
        (5_000_000, [9_000_000, 9_000_001, 5_000_002, 5_000_003]),
        (5_000_000, [3_000_000, 3_000_001]),
        (999_999_990, [999_999_999, 5, 6]),
    ],
    ids=["a small spike", "a spike sent twice", "a counter that is set back", "a counter that begins again at zero"],
)
def test_a_counter_that_falls_withholds_itself_and_nothing_else(top: int, after: list[int]) -> None:
    meter = MeterState("house", None)
    for second in range(20):
        meter.take(only(second_of(second, top - 20 + second)), float(second), 0.0)
    for second, t1_wh in enumerate([*after, *range(after[-1] + 1, after[-1] + 11)], start=20):
        values = served(meter, second_of(second, t1_wh, power_w=500 + second), float(second)).values
        assert values["power_import"] == 500 + second
        assert values["energy_import_t2"] == 7000
    assert values["energy_import_t1"] == after[-1] + 10
    assert sum(meter.guards.withheld.values()) <= 2


def test_a_gas_meter_in_one_telegram_is_not_served() -> None:
    meter = MeterState("house", None)
    for second in range(20):
        gas = "0-1:24.2.1(260101110000W)(02311.402*m3)"
        raw = second_of(second, 5_000_000, gas=gas)
        if second == 15:
            raw = second_of(second, 5_000_000, gas=gas.replace("02311.402", "00017.000"))
            raw = resealed(raw.replace(b"0-1:96.1.0(41)", b"0-1:96.1.0(42)"))
        meter.take(only(raw), float(second), 0.0)
        if second > 1:
            assert meter.served is not None
            values = meter.served.readings.values
            names = {"gas_volume", "gas_identifier", "mbus1_reading", "mbus1_identifier", "mbus1_reading_time"}
            assert ("mbus1_reading" in values) is (second != 15)
            if second == 15:
                assert not names & values.keys()


A, B = (5_000_000, 500), (7_000_000, 2500)
"""Counter in Wh and power in W of two meters that have the same identification and no identifier."""


def take_both(meter: MeterState, order: str, second: int, ahead: int = 0) -> None:
    """Let a meter take a telegram of A and B each in one second, in this order; the clock of B may be ahead."""
    for number, name in enumerate(order):
        (wh, power_w), stamp = (A, second) if name == "A" else (B, second + ahead)
        arrived = second + 0.4 * number
        meter.take(only(second_of(stamp, wh + second, power_w=power_w + second)), arrived, 0.0)


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("orders", [["AB"], ["BA"], ["AB", "BA"], ["AB", "AB", "BA"]])
def test_of_two_meters_that_look_like_one_only_one_is_served_and_both_are_reported(
    orders: list[str], ahead: int
) -> None:
    meter = MeterState("house", None)
    powers = set()
    for second in range(100):
        take_both(meter, orders[second % len(orders)], second, ahead)
        if meter.served and meter.is_fresh(second + 0.5) and second > 4:
            power = meter.served.readings.values.get("power_import")
            assert isinstance(power, Decimal)
            powers.add(power // 1000)
    assert len(powers) == 1
    assert meter.other_meter(99.5)
    assert meter.is_fresh(99.5)


def test_when_one_of_two_meters_that_look_like_one_is_silent_the_other_is_served() -> None:
    meter = MeterState("house", None)
    for second in range(30):
        take_both(meter, "AB", second)
    for second in range(30, 300):
        take_both(meter, "B", second)
    assert meter.is_fresh(299.5)
    assert meter.served is not None
    assert meter.served.readings.values["power_import"] == B[1] + 299
    assert meter.served.readings.values["energy_import_t1"] == B[0] + 299
    assert meter.other_meter(299.5) is None


@pytest.mark.parametrize("wrong", [0, 999_999_999, 4_000_000, 9_123_456])
def test_a_wrong_counter_now_and_then_is_no_second_meter(wrong: int) -> None:
    meter = MeterState("house", None)
    for second in range(100):
        wh = wrong + second // 50 * 77_000 if second in (30, 60) else 5_000_000 + second
        meter.take(only(second_of(second, wh, power_w=second)), float(second), 0.0)
        assert meter.other_meter(float(second)) is None
    assert meter.served is not None
    assert meter.served.readings.values["power_import"] == 99


@pytest.mark.parametrize("identifier", [b"", b"0-0:96.1.1(4142)\r\n"], ids=["no identifier", "an identifier"])
@pytest.mark.parametrize("late_s", [3, 12, 40])
def test_telegrams_that_come_late_after_others_again_and_again_are_no_second_meter(
    identifier: bytes, late_s: int
) -> None:
    """The line is late for 20 s after each minute. Its telegrams have lower counters, and their stamps are old."""
    meter = MeterState("house", None)
    for second in range(300):
        stamp = second - late_s if second > 60 and second % 60 < 20 else second
        raw = second_of(stamp, 5_000_000 + stamp, power_w=stamp).replace(b"1-0:1.8.1", identifier + b"1-0:1.8.1")
        meter.take(only(resealed(raw)), float(second), 0.0)
        assert meter.other_meter(float(second)) is None
        if meter.served and meter.is_fresh(float(second)):
            assert second - int(str(meter.served.readings.values["power_import"])) <= 5 + 1


def test_the_counters_of_two_meters_in_turn_are_kept_apart() -> None:
    guards = Guards()
    assert guards.suffix == ""
    counts = [("41", 5_000_000), ("42", 1_000_000), ("41", 5_000_001), ("42", 1_000_001), ("41", 1_000_002)]
    withheld = []
    for second, (device, wh) in enumerate(counts):
        telegram = only(second_of(second, wh, device=device))
        withheld.append([item.doubt for item in guards.judge(telegram, read(telegram), float(second))[1]])
    assert withheld == [[], [], [], [], [Doubt.FELL]]


def test_a_withheld_demand_is_reported_with_its_value() -> None:
    telegram = only(telegram_of("0-0:1.0.0(260501000000S)", "1-0:1.6.0(260430194500S)(05.001*kW)"))
    _, withheld = Guards().judge(telegram, read(telegram), 0)
    assert withheld == (Withheld("demand_peak", Doubt.PAST_MONTH, None, Decimal(5001), "W"),)


def peak_of(clock: str, peak: str, kw: str = "05.001") -> tuple[Readings, Guards]:
    telegram = only(telegram_of(f"0-0:1.0.0({clock})", f"1-0:1.6.0({peak})({kw}*kW)", "1-0:1.7.0(01.234*kW)"))
    guards = Guards()
    return guards.judge(telegram, read(telegram), 0)[0], guards


def test_a_demand_and_a_counter_are_withheld_together() -> None:
    guards = Guards()
    for second, wh in enumerate((5_000_000, 0)):
        peak = "1-0:1.6.0(260430194500S)(05.001*kW)"
        telegram = only(telegram_of(f"0-0:1.0.0(26050100000{second}S)", f"1-0:1.8.1({wh / 1000:010.3f}*kWh)", peak))
        _, withheld = guards.judge(telegram, read(telegram), float(second))
    assert {item.name for item in withheld} == {"energy_import_t1", "demand_peak"}


def test_without_a_clock_the_month_of_a_demand_is_not_judged() -> None:
    readings, guards = peak_of("", "260430194500S")
    assert readings.values["demand_peak"] == Decimal(5001)
    assert not guards.withheld


@pytest.mark.parametrize("clock", ["260501000000S", "260501005959S", "260530120000S", "270430120000S"])
def test_the_highest_demand_of_a_past_month_is_not_that_of_this_month(clock: str) -> None:
    readings, guards = peak_of(clock, "260430194500S")
    assert not {"demand_peak", "demand_peak_time"} & readings.values.keys()
    assert readings.values["power_import"] == 1234
    assert guards.withheld == {Doubt.PAST_MONTH: 1}


@pytest.mark.parametrize(
    ("clock", "peak"),
    [
        ("260501001530S", "260501001500S"),
        ("260531235959S", "260501001500S"),
        ("261231235959W", "261201001500W"),
        ("260430235959S", "260501001500S"),
    ],
)
def test_the_highest_demand_of_this_month_is_served(clock: str, peak: str) -> None:
    readings, guards = peak_of(clock, peak)
    assert readings.values["demand_peak"] == 5001
    assert not guards.withheld


def test_a_quarter_of_an_hour_that_ends_with_the_month_belongs_to_it() -> None:
    assert "demand_peak" not in peak_of("260501000001S", "260501000000S")[0].values
    assert peak_of("260501000001S", "260501000000S", "00.000")[0].values["demand_peak"] == 0


TOTALS = ("0-0:96.1.1(41)", "1-0:1.7.0(02.000*kW)", "1-0:2.7.0(00.000*kW)", "1-0:31.7.0(003*A)")
"""Lines of a meter that sends its power in total only."""


def test_the_total_is_not_the_power_of_l1_while_the_other_phases_of_a_meter_are_left_out() -> None:
    def judged(guards: Guards, second: int, *lines: str) -> Readings:
        telegram = only(telegram_of(*TOTALS, *lines, f"1-0:32.7.0(23{second}.0*V)"))
        return guards.judge(telegram, read(telegram), second)[0]

    guards = Guards()
    assert judged(guards, 0).values["power_net_l1"] == 2000
    for second in (1, 3):
        assert "power_net_l1" not in judged(guards, second, "1-0:51.7.0(005*A)", "1-0:71.7.0(001*A)").values
        rest = judged(guards, second + 1)
        assert not {"power_net_l1", "current_signed_l1"} & rest.values.keys()
        assert (rest.values["power_net"], rest.values["current_l1"]) == (2000, 3)
    own = judged(guards, 5, "1-0:21.7.0(00.500*kW)", "1-0:22.7.0(00.000*kW)")
    assert own.values["power_net_l1"] == 500


def test_a_meter_that_sends_l1_alone_for_ten_minutes_has_one_phase() -> None:
    def judged(guards: Guards, second: float, *lines: str) -> Readings:
        telegram = only(telegram_of(*TOTALS, *lines))
        return guards.judge(telegram, read(telegram), second)[0]

    guards = Guards()
    for begin in (0.0, 5000.0):
        judged(guards, begin, "1-0:51.7.0(005*A)", "1-0:71.7.0(001*A)")
        assert "power_net_l1" not in judged(guards, begin + PHASES_KEPT_S).values
        assert judged(guards, begin + PHASES_KEPT_S + 1).values["power_net_l1"] == 2000

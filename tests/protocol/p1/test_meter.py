"""One meter's cache: what it believes, how fresh that is, and what it counts."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.doubt import Doubt
from gateway.protocol.p1.identifiers import identifiers_of
from gateway.protocol.p1.meter import (
    ERROR_WINDOW_S,
    STALE_AFTER_FAST_S,
    STALE_AFTER_SLOW_S,
    MeterState,
    Received,
)
from gateway.protocol.p1.names import GATEWAY_VALUES
from gateway.protocol.p1.readings import read
from gateway.protocol.p1.status_values import status_values
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram
from gateway.protocol.p1.variants import VARIANTS
from tests.conftest import own_telegram
from tests.protocol.p1.stream import Item, feed, later, only, resealed, telegram_of
from tests.telegrams.make import crc16

NEW = own_telegram("v50_sagemcom-t210d")
OLD, LATER = own_telegram("v22_iskra-mt382"), own_telegram("v22_iskra-mt382_10s-later")
OTHER_METER = own_telegram("v22_kamstrup-382jxc")
WALL = 1.7e9
START = 5000.0


def meter_of(version: str | None = None, stale_after_s: float | None = None) -> MeterState:
    return MeterState("house", VARIANTS[version] if version else None, stale_after_s)


def take(meter: MeterState, raw: bytes, arrived: float = START) -> Received | RefusedTelegram:
    [item] = feed([raw])
    return meter.take(item, arrived, WALL + arrived)


def fed(meter: MeterState, raw: bytes, intervals: list[float]) -> MeterState:
    """The meter with telegrams at START and after each of the intervals, and a quiet moment after the last one."""
    arrived = START
    for interval in [0.0, *intervals]:
        arrived += interval
        result = take(meter, later(raw, arrived - START), arrived)
        if isinstance(result, RefusedTelegram) and result.reason is RefusalReason.UNCONFIRMED:
            result = take(meter, later(raw, arrived - START), arrived)
        assert isinstance(result, Received)
    meter.serving.update(arrived + 8.0)
    return meter


def fed_old(meter: MeterState) -> None:
    """Feed two telegrams without checksum that agree, the second one at START."""
    for arrived in (START - 10, START):
        take(meter, OLD, arrived)


def old_with(old: bytes, new: bytes) -> bytes:
    assert OLD.count(old) == 1
    return OLD.replace(old, new)


# --- belief


def test_a_meter_begins_with_nothing_that_could_be_taken_for_good() -> None:
    meter = meter_of()
    assert meter.newest is None
    assert not meter.is_fresh(0.0)
    assert meter.interval_s is None
    assert meter.accepted == meter.line_errors == meter.refused.total() == 0
    assert not meter.has_recent_errors(START)


def test_a_believed_telegram_becomes_the_newest_with_its_arrival_on_both_clocks() -> None:
    meter = meter_of()
    received = take(meter, NEW, 17.5)
    assert isinstance(received, Received)
    assert meter.newest is received
    assert (received.arrived, received.arrived_at) == (17.5, WALL + 17.5)
    assert received.telegram.raw == NEW
    assert received.readings.values["power_import"] == 2486
    assert received.variant is VARIANTS["5"]
    assert meter.accepted == 1


BAD = {
    RefusalReason.CHECKSUM: own_telegram("bad_checksum"),
    RefusalReason.NO_CHECKSUM: NEW[: NEW.rindex(b"!") + 1] + b"\r\n",
    RefusalReason.TRUNCATED: NEW[:300],
    RefusalReason.OVERSIZE: NEW[:300] + b"7" * 8192,
}


@pytest.mark.parametrize("fault", BAD)
def test_a_refused_telegram_changes_nothing_but_the_counts(fault: RefusalReason) -> None:
    meter = fed(meter_of(), NEW, [1.0, 1.0])
    newest, fresh_until, interval = meter.newest, meter.fresh_until, meter.interval_s
    bad = take(meter, BAD[fault], START + 3)
    assert isinstance(bad, RefusedTelegram)
    assert bad.reason is fault
    assert (meter.newest, meter.fresh_until, meter.interval_s, meter.accepted) == (newest, fresh_until, interval, 3)
    assert meter.refused == {fault: 1}
    assert meter.has_recent_errors(START + 3)


@pytest.mark.parametrize("fault", BAD)
def test_refused_telegrams_alone_leave_a_meter_without_readings(fault: RefusalReason) -> None:
    meter = meter_of()
    for second in range(5):
        take(meter, BAD[fault], START + second)
    assert meter.newest is None
    assert not meter.is_fresh(START + 5)
    assert meter.refused == {fault: 5}


VERSIONS = ((0, b"0.2.8(50)"), (1, b"0.2.8(42)"))
IDENTIFIER = "TEST-T210D-000008"


@pytest.mark.parametrize("configured", [IDENTIFIER, IDENTIFIER.encode().hex().upper()])
def test_a_meter_that_is_named_is_the_only_one_that_is_used(configured: str) -> None:
    meter = meter_of()
    meter.identifiers = identifiers_of(configured)
    for arrived in range(3):
        assert isinstance(take(meter, later(NEW, arrived), START + arrived), Received)
    served = meter.served
    for wrong in (NEW.replace(b"(544553542D54323130442D303030303038)", each) for each in (b"(54455354)", b"()")):
        refused = take(meter, resealed(wrong), START + 3)
        assert isinstance(refused, RefusedTelegram)
        assert refused.reason is RefusalReason.OTHER_METER
        assert "TEST" not in refused.detail
    assert meter.served is served
    assert meter.has_recent_errors(START + 4)
    assert meter.refused[RefusalReason.OTHER_METER] == 2


def test_a_meter_that_reports_another_version_is_detected_again() -> None:
    meter = meter_of("5")
    found = [take(meter, resealed(later(NEW, n).replace(b"0.2.8(50)", version)), START + n) for n, version in VERSIONS]
    assert [each.detected for each in found if isinstance(each, Received)] == [VARIANTS["5"], VARIANTS["4"]]


def test_the_refusal_after_the_newest_telegram_is_the_one_to_report() -> None:
    meter = meter_of()
    take(meter, resealed(NEW), START)
    assert meter.refusal_since_newest(START - 60) is None
    refused = take(meter, BAD[RefusalReason.CHECKSUM], START + 1)
    assert meter.refusal_since_newest(START - 60) is refused
    assert meter.refusal_since_newest(START + 1) is None


def test_the_configured_version_decides_whether_a_checksum_must_be_there() -> None:
    for version, fault in (
        ("2.2", RefusalReason.UNCONFIRMED),
        ("5", RefusalReason.NO_CHECKSUM),
        ("4", RefusalReason.NO_CHECKSUM),
    ):
        result = take(meter_of(version), OLD)
        assert (result.reason if isinstance(result, RefusedTelegram) else None) is fault


def test_a_cut_telegram_without_the_line_that_tells_its_version_does_not_change_what_the_meter_is() -> None:
    meter = fed(meter_of(), NEW, [1.0])
    start, end = NEW.index(b"1-3:0.2.8"), NEW.index(b"0-0:96.1.1")
    result = take(meter, NEW[:start] + NEW[end : NEW.rindex(b"!")] + b"!\r\n", START + 2)
    assert isinstance(result, RefusedTelegram)
    assert result.reason is RefusalReason.NO_CHECKSUM


def test_another_meter_on_the_same_line_is_found_to_be_another_version() -> None:
    meter = fed(meter_of(), NEW, [1.0])
    result = take(meter, own_telegram("v42_kaifa-e0026"), START + 10)
    assert isinstance(result, Received)
    assert result.variant is VARIANTS["4"]


def test_faulty_lines_of_a_believed_telegram_are_counted() -> None:
    meter = fed(meter_of(), own_telegram("bad_non-numeric-power"), [1.0])
    assert meter.line_errors == 2
    assert meter.accepted == 2
    assert meter.has_recent_errors(START + 1)


# --- telegrams without a checksum


def test_telegrams_of_an_old_meter_that_follow_from_each_other_are_believed() -> None:
    meter = meter_of("2.2")
    fed_old(meter)
    assert isinstance(take(meter, LATER, START + 10), Received)
    assert meter.accepted == 2


def test_one_telegram_that_contradicts_the_past_is_refused_and_the_next_good_one_is_believed() -> None:
    meter = meter_of("2.2")
    fed_old(meter)
    bad = take(meter, old_with(b"11562.418", b"51562.418"), START + 10)
    assert isinstance(bad, RefusedTelegram)
    assert bad.reason is RefusalReason.IMPLAUSIBLE
    assert isinstance(take(meter, LATER, START + 20), Received)
    # The doubt of before does not count for the next one.
    assert isinstance(take(meter, old_with(b"11562.418", b"51562.418"), START + 30), RefusedTelegram)


def test_two_telegrams_that_agree_with_each_other_and_not_with_the_past_are_another_meter() -> None:
    meter = meter_of("2.2")
    fed_old(meter)
    assert isinstance(take(meter, OTHER_METER, START + 10), RefusedTelegram)
    received = take(meter, OTHER_METER, START + 20)
    assert isinstance(received, Received)
    assert received.readings.identification.startswith("KMP5")
    assert meter.newest is received


def test_an_exchanged_meter_is_doubted_as_any_other() -> None:
    meter = meter_of("2.2")
    fed_old(meter)
    assert isinstance(take(meter, old_with(b"11562.418", b"31562.418"), START + 10), RefusedTelegram)
    assert isinstance(take(meter, old_with(b"11562.418", b"31562.900"), START + 20), Received)
    # It agrees with the last but one, so the last one was wrong. It does not agree with the old meter.
    assert isinstance(take(meter, old_with(b"11562.418", b"31562.500"), START + 30), Received)
    assert isinstance(take(meter, OLD, START + 40), RefusedTelegram)


def test_the_first_telegram_without_a_checksum_is_shown_when_the_next_one_agrees() -> None:
    meter = meter_of("2.2")
    first = take(meter, OLD, START)
    assert isinstance(first, RefusedTelegram)
    assert first.reason is RefusalReason.UNCONFIRMED
    assert (meter.newest, meter.newest_refused, meter.unconfirmed) == (None, None, 1)
    assert not meter.has_recent_errors(START)
    assert status_values(meter, START)["gateway_form_errors"] == 0
    assert isinstance(take(meter, old_with(b"11562.418", b"51562.418"), START + 10), RefusedTelegram)
    assert isinstance(take(meter, old_with(b"11562.418", b"51562.419"), START + 20), Received)


def test_a_meter_that_is_only_looked_at_needs_one_telegram() -> None:
    assert isinstance(take(MeterState("probe", None, needs_two=False), OLD), Received)
    assert isinstance(take(MeterState("demo", None, is_simulated=True), OLD), Received)


def test_a_telegram_that_the_next_one_and_the_one_before_contradict_is_withdrawn() -> None:
    meter = meter_of("2.2")
    fed_old(meter)
    assert isinstance(take(meter, old_with(b"11562.418", b"11562.818"), START + 10), Received)
    received = take(meter, LATER, START + 20)
    assert isinstance(received, Received)
    assert meter.newest is received


def test_a_power_with_one_wrong_digit_is_absent_and_the_next_one_is_not() -> None:
    meter = meter_of("2.2")
    fed_old(meter)
    received = take(meter, old_with(b"0001.86*kW", b"0005.86*kW"), START + 10)
    assert isinstance(received, Received)
    assert not {"power_import", "power_export", "power_net"} & received.readings.values.keys()
    assert received.readings.values["energy_import_t1"] == 11_562_418
    assert received.withheld
    assert meter.guards.withheld == {Doubt.JUMPED: 2}
    after = take(meter, LATER, START + 20)
    assert isinstance(after, Received)
    assert after.readings.values["power_import"] == read(only(LATER)).values["power_import"]


def test_a_withheld_counter_takes_what_is_derived_from_it_with_it() -> None:
    meter = meter_of("5")
    take(meter, NEW, START)
    [before] = re.findall(rb"1-0:1.8.1\(([0-9.]+)\*kWh\)", NEW)
    body = NEW[: NEW.rindex(b"!") + 1].replace(before, b"000000.000")
    received = take(meter, body + b"%04X\r\n" % crc16(body), START + 1)
    assert isinstance(received, Received)
    values = received.readings.values
    assert not {"energy_import_t1", "energy_import", "energy_import_low"} & values.keys()
    assert {"energy_import_t2", "energy_import_normal", "power_net"} <= values.keys()
    [line] = [line for line in received.readings.lines if line.name == "energy_import_t1"]
    assert (line.value, line.error) == (None, "withheld: counter fell")
    assert (line.time, line.base_value, line.base_unit) == (None, None, None)
    assert received.readings.errors == ()
    assert isinstance(again := take(meter, NEW, START + 2), Received)
    assert again.readings.values["energy_import_t1"] == Decimal(before.decode()) * 1000


def test_two_telegrams_that_contradict_the_past_and_each_other_are_both_refused() -> None:
    meter = meter_of("2.2")
    fed_old(meter)
    for second, digits in ((10, b"51562.418"), (20, b"31562.418"), (30, b"71562.418")):
        result = take(meter, old_with(b"11562.418", digits), START + second)
        assert isinstance(result, RefusedTelegram)
        assert result.reason is RefusalReason.IMPLAUSIBLE
    assert meter.refused == {RefusalReason.IMPLAUSIBLE: 3, RefusalReason.UNCONFIRMED: 1}


def test_a_meter_that_was_silent_for_long_may_have_counted_much() -> None:
    higher = old_with(b"11562.418", b"11999.418")
    meter = meter_of("2.2")
    fed_old(meter)
    assert isinstance(take(meter, higher, START + 10), RefusedTelegram)
    assert isinstance(take(meter, higher, START + 86_400), Received)


# --- freshness


@pytest.mark.parametrize(
    ("raw", "stale_after_s"),
    [(NEW, STALE_AFTER_FAST_S), (own_telegram("v42_kaifa-e0026"), STALE_AFTER_SLOW_S), (OLD, STALE_AFTER_SLOW_S)],
)
def test_the_first_telegram_is_stale_after_what_its_version_says(raw: bytes, stale_after_s: float) -> None:
    meter = fed(meter_of(), raw, [])
    assert meter.stale_after_s == stale_after_s
    assert meter.is_fresh(START)
    assert meter.is_fresh(START + stale_after_s)
    assert not meter.is_fresh(START + stale_after_s + 0.001)


@pytest.mark.parametrize(
    ("intervals", "stale_after_s"),
    [
        ([10.0] * 5, STALE_AFTER_SLOW_S),
        ([1.0] * 5, STALE_AFTER_FAST_S),  # its clock moves faster than its version asks for
        ([1.0] * 5 + [20.0, 1.0, 20.0], STALE_AFTER_FAST_S),  # and telegrams are lost or held back then
        ([1.0], STALE_AFTER_SLOW_S),
        ([20.0] * 3 + [1.0], STALE_AFTER_SLOW_S),
        ([5.0] * 5, STALE_AFTER_SLOW_S),
        ([10.0, 0.0] * 5, STALE_AFTER_SLOW_S),  # each telegram is sent twice
        ([10.0] * 5 + [30.0, 0.0, 0.0], STALE_AFTER_SLOW_S),  # three were held up on the way
    ],
)
def test_the_limit_gets_shorter_for_a_clock_that_is_faster_and_never_longer(
    intervals: list[float], stale_after_s: float
) -> None:
    assert fed(meter_of(), own_telegram("v42_kaifa-e0026"), intervals).stale_after_s == stale_after_s


def test_copies_of_a_telegram_do_not_make_the_limit_shorter() -> None:
    meter = meter_of()
    for second in range(40):
        take(meter, later(own_telegram("v42_kaifa-e0026"), second // 10 * 10), START + second)
    assert meter.stale_after_s == STALE_AFTER_SLOW_S


@pytest.mark.parametrize("interval", [1.0, 4.0, 10.0, 60.0])
def test_the_limit_never_gets_longer_than_what_the_version_allows(interval: float) -> None:
    assert fed(meter_of(), NEW, [interval] * 8).stale_after_s == STALE_AFTER_FAST_S


def test_the_configured_limit_goes_before_everything() -> None:
    meter = fed(meter_of(stale_after_s=2.5), NEW, [1.0] * 10)
    assert meter.stale_after_s == 2.5
    assert meter.fresh_until == START + 10 + 2.5


def test_telegrams_of_which_only_the_clock_changes_are_as_fresh_as_others() -> None:
    meter = fed(meter_of(), NEW, [1.0] * 10)
    assert meter.is_fresh(START + 10 + STALE_AFTER_FAST_S)


def test_a_wrong_clock_of_the_meter_and_the_wall_clock_say_nothing_of_freshness() -> None:
    for clock in ("700101000000W", "680101000000W", "000101000000W"):
        meter = meter_of()
        [item] = feed([telegram_of("1-3:0.2.8(50)", f"0-0:1.0.0({clock})", "1-0:1.8.1(000001.000*kWh)")])
        meter.take(item, START, arrived_at=0.0)
        meter.serving.update(START + 1)
        assert meter.is_fresh(START + STALE_AFTER_FAST_S)
        assert not meter.is_fresh(START + STALE_AFTER_FAST_S + 0.1)


# --- the gateway's own values


def test_errors_are_recent_for_a_minute() -> None:
    meter = meter_of()
    take(meter, BAD[RefusalReason.CHECKSUM], START)
    assert meter.has_recent_errors(START + ERROR_WINDOW_S - 0.1)
    assert not meter.has_recent_errors(START + ERROR_WINDOW_S)


def test_the_status_before_the_first_telegram_has_no_age_and_no_time() -> None:
    meter = meter_of()
    assert dict(status_values(meter, 70_000.9)) == {
        "gateway_connected": 0,
        "gateway_recent_errors": 0,
        "gateway_simulated": 0,
        "gateway_heartbeat": 70_000 - 65_536,
        "gateway_telegrams": 0,
        "gateway_checksum_errors": 0,
        "gateway_form_errors": 0,
        "gateway_late": 0,
        "gateway_repeating": 0,
    }


def test_the_status_tells_age_times_interval_and_errors() -> None:
    meter = fed(meter_of(), NEW, [1.0] * 10 + [1.0625])
    meter.is_connected = True
    for raw in (*BAD.values(), BAD[RefusalReason.TRUNCATED]):
        take(meter, raw, START + 12)
    assert dict(status_values(meter, START + 13.0625)) == {
        "gateway_connected": 1,
        "gateway_recent_errors": 1,
        "gateway_simulated": 0,
        "gateway_heartbeat": 5013,
        "gateway_telegrams": 12,
        "gateway_checksum_errors": 2,
        "gateway_form_errors": 3,
        "gateway_late": 0,
        "gateway_repeating": 0,
        # The clock has a granularity of a second: the telegram may be as old as the slowest one before.
        "gateway_telegram_age": Decimal("2.062"),
        "gateway_arrival_time": int(WALL + START + 11.0625),
        "gateway_dsmr_version": 50,
        "gateway_telegram_time": 1610949843,
        "gateway_telegram_interval": Decimal("1.062"),
        "gateway_telegram_delay": Decimal("0.062"),
    }


@pytest.mark.parametrize(
    ("name", "version"),
    [("v22_iskra-mt382", 22), ("v40_landisgyr-e350", 40), ("v42_kaifa-e0026", 42), ("v50_sagemcom-t210d", 50)],
)
def test_the_version_is_the_one_the_meter_says_times_ten(name: str, version: int) -> None:
    meter = fed(meter_of(), own_telegram(name), [])
    assert status_values(meter, START)["gateway_dsmr_version"] == version


@pytest.mark.parametrize(("said", "version"), [("()", 50), ("(P)", 50), ("(421)", 40), ("(\u00b25)", 50), ("(42)", 42)])
def test_a_version_that_is_none_gives_that_of_the_variant(said: str, version: int) -> None:
    lines = [f"1-3:0.2.8{said}", "0-0:1.0.0(210118070352W)", "1-0:1.8.1(000001.000*kWh)"]
    body = ("\r\n".join(["/ISK5", "", *lines]) + "\r\n").encode("latin-1")
    raw = body + b"!" + f"{crc16(body + b'!'):04X}\r\n".encode()
    assert status_values(fed(meter_of(), raw, []), START)["gateway_dsmr_version"] == version


def test_a_simulated_meter_says_so_in_every_status() -> None:
    meter = MeterState("demo", VARIANTS["5"], is_simulated=True)
    assert status_values(meter, START)["gateway_simulated"] == 1
    assert status_values(fed(meter, NEW, []), START)["gateway_simulated"] == 1


def test_every_value_of_the_status_is_a_name_that_maps_may_use() -> None:
    meter = fed(meter_of(), NEW, [1.0] * 10)
    assert status_values(meter, START).keys() | {"gateway_fresh"} == GATEWAY_VALUES.keys()


ITEMS: list[Item] = [only(raw) for raw in (NEW, OLD, LATER, OTHER_METER, own_telegram("bad_non-numeric-power"))]
ITEMS += [item for raw in BAD.values() for item in feed([raw])]


@given(st.lists(st.tuples(st.sampled_from(ITEMS), st.floats(0, 100)), max_size=12), st.sampled_from([None, "2.2", "5"]))
@settings(max_examples=150)
def test_whatever_comes_the_newest_is_the_last_that_was_believed_and_all_are_counted(
    items: list[tuple[Item, float]], version: str | None
) -> None:
    meter, arrived, believed, refused = meter_of(version), START, None, 0
    for item, interval in items:
        arrived += interval
        result = meter.take(item, arrived, WALL)
        if isinstance(result, Received):
            believed = result
            assert result.arrived == arrived
        else:
            refused += 1
        assert meter.newest is believed
        assert meter.served is None or meter.served.measured <= arrived
    assert (meter.accepted, meter.refused.total()) == (len(items) - refused, refused)


def test_one_telegram_has_no_interval_and_begins_the_time_of_fresh_readings() -> None:
    meter = MeterState("m", None, needs_two=False)
    for second in range(3):
        meter.take(only(later(own_telegram("v50_sagemcom-t210d"), second)), 100.0 + second, 0.0)
        assert meter.interval_s == (1.0 if second else None)
    assert meter.is_fresh(102.0)
    assert 100.0 <= meter.fresh_since <= 102.0


def test_what_is_known_of_the_arrival_of_a_telegram_counts_for_its_age() -> None:
    meter = meter_of("2.2")
    take(meter, OLD, START)
    [item] = feed([OLD])
    meter.take(item, START + 10, WALL, is_first=True, waited_since=START + 4)
    assert meter.served
    assert (meter.served.measured, meter.served.arrived) == (START + 4, START + 10)


@pytest.mark.parametrize("is_connected", [True, False])
@pytest.mark.parametrize(("moment", "is_kept"), [(START + 0.1, True), (START + 3.0, True), (START + 60.0, False)])
def test_a_meter_is_offline_if_its_line_is_closed_and_nothing_is_fresh_or_waits(
    is_connected: bool, moment: float, is_kept: bool
) -> None:
    meter = meter_of()
    take(meter, NEW, START)
    assert meter.serving.is_pending
    meter.note_line(is_open=is_connected)
    meter.serving.update(moment)
    assert meter.is_offline(moment) is not (is_connected or is_kept)


def test_each_opening_of_the_line_is_noted_once() -> None:
    meter, noted = meter_of(), list[bool]()
    meter.when_connected.add(lambda: noted.append(meter.is_connected))
    for is_open, count in ((False, 0), (True, 1), (True, 1), (False, 1), (True, 2)):
        meter.note_line(is_open=is_open)
        assert (meter.is_connected, noted) == (is_open, [True] * count)


def test_lines_that_are_looked_at_change_nothing_and_mean_what_they_mean_for_this_meter() -> None:
    lines = only(NEW).lines
    meter = meter_of("5B")
    assert "energy_import_low" not in meter.peek(lines).values, "its tariffs are not known yet"
    received = take(meter, NEW, START)
    assert isinstance(received, Received)
    assert meter.peek(lines) == received.readings
    changed = meter.peek(lines.replace(b"02.486*kW", b"02.487*kW"))
    assert changed.values["power_import"] == 2487
    assert meter.newest is received
    assert meter.accepted == 1


def test_the_moment_that_the_way_of_a_telegram_proves_counts_for_its_age() -> None:
    meter = fed(meter_of(), NEW, [1.0] * 10)
    meter.written_after = START + 8.5
    take(meter, later(NEW, 11.0), START + 11)
    assert meter.served
    assert (meter.served.measured, meter.served.arrived) == (START + 8.5, START + 11)


def test_the_second_of_two_meters_of_one_identity_has_a_suffix() -> None:
    meter = meter_of()
    first = [
        "1-3:0.2.8(50)",
        "0-0:1.0.0(210118070352W)",
        "1-0:1.8.1(005000.000*kWh)",
        "1-0:1.8.2(007000.000*kWh)",
    ]
    take(meter, telegram_of(*first), START)
    second = [line.replace("005000", "001000").replace("007000", "002000") for line in first]
    other = take(meter, telegram_of(*second), START + 0.5)
    assert isinstance(other, Received)
    assert other.suffix == " (2)"
    assert meter.other_meter(START + 0.5)

"""Several M-Bus meters of one medium: the live one is the one whose stamp moves."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.live_channel import LiveChannels
from gateway.protocol.p1.names import source_lines
from gateway.protocol.p1.readings import Readings, read
from tests.protocol.p1.stream import only, telegram_of

YEAR_AHEAD = "270101120000W"


def hhmm(minute: int) -> str:
    return f"260101{minute // 60:02}{minute % 60:02}00W"


def gas(channel: int, stamp: str, m3: int, device: str) -> list[str]:
    n = f"0-{channel}"
    return [f"{n}:24.1.0(003)", f"{n}:96.1.0({device})", f"{n}:24.2.1({stamp})({m3:05}.000*m3)"]


def send(channels: LiveChannels, minute: int, *meters: list[str], clock: str | None = None) -> Readings:
    mbus = [line for meter in meters for line in meter]
    readings = read(only(telegram_of("1-3:0.2.8(50)", f"0-0:1.0.0({clock or hhmm(minute)})", *mbus)))
    return channels.choose(readings, 60.0 * minute)


def gas_of(readings: Readings) -> int | None:
    value = readings.values.get("gas_reading")
    return None if value is None else int(value)


@pytest.mark.parametrize("dead", [YEAR_AHEAD, hhmm(120), hhmm(355), hhmm(361)])
@pytest.mark.parametrize("is_swapped", [False, True])
def test_the_live_meter_is_the_one_whose_stamp_moves(dead: str, is_swapped: bool) -> None:
    channels, seen = LiveChannels(), []
    for minute in range(360, 400, 5):
        old, new = (2, 1) if is_swapped else (1, 2)
        meters = [gas(old, dead, 900, "41"), gas(new, hhmm(minute - 1), minute, "42")]
        seen.append(gas_of(send(channels, minute, *sorted(meters))))
    assert seen[0] in (360, None)
    assert seen[1:] == list(range(365, 400, 5))


@pytest.mark.parametrize("clock", ["250227040000W", "280101000000W"])
def test_a_meters_clock_that_is_wrong_by_months_does_not_hide_the_live_one(clock: str) -> None:
    channels, seen = LiveChannels(), []
    for minute in range(360, 380, 5):
        meters = gas(1, hhmm(120), 900, "41"), gas(2, hhmm(minute), minute, "42")
        seen.append(gas_of(send(channels, minute, *meters, clock=clock)))
    assert seen == [None, 365, 370, 375]


def test_two_meters_that_both_move_are_two() -> None:
    channels, seen = LiveChannels(), []
    for minute in range(360, 420):
        meters = gas(1, hhmm(minute // 5 * 5), 900, "41"), gas(2, hhmm(minute // 5 * 5 - 2), minute, "42")
        seen.append(gas_of(send(channels, minute, *meters)))
    assert set(seen) == {None}


def test_after_an_exchange_the_new_meter_takes_over_when_the_old_one_has_been_silent() -> None:
    channels, seen = LiveChannels(), []
    for minute in range(360, 420, 5):
        old = gas(1, hhmm(min(minute, 380)), 900, "41")
        seen.append(gas_of(send(channels, minute, old, *([gas(2, hhmm(minute), 1, "42")] if minute >= 380 else []))))
    assert seen[:4] == [900] * 4
    assert seen[-1] == 1
    assert set(seen[4:]) <= {None, 900, 1}
    changes = [value for value, before in zip(seen[1:], seen, strict=False) if value != before]
    assert changes in ([None, 1], [1])


def test_a_live_meter_that_is_silent_for_hours_stays_the_live_one_beside_a_dead_one() -> None:
    channels = LiveChannels()
    for minute in (360, 365):
        send(channels, minute, gas(1, YEAR_AHEAD, 900, "41"), gas(2, hhmm(minute), 7, "42"))
    assert gas_of(send(channels, 1000, gas(1, YEAR_AHEAD, 900, "41"), gas(2, hhmm(365), 7, "42"))) == 7


def test_a_new_meter_on_a_channel_has_not_moved() -> None:
    channels = LiveChannels()
    for minute in (360, 365):
        send(channels, minute, gas(1, hhmm(minute), 900, "41"), gas(2, YEAR_AHEAD, 7, "42"))
    readings = send(channels, 370, gas(1, hhmm(365), 900, "41"), gas(2, hhmm(370), 0, "43"))
    assert gas_of(readings) == 900


def test_a_new_meter_is_not_live_by_the_movement_of_the_one_that_it_replaced() -> None:
    channels = LiveChannels()
    for minute in (360, 365):
        send(channels, minute, gas(1, hhmm(minute), 900, "41"), gas(2, hhmm(minute - 1), 7, "42"))
    readings = send(channels, 370, gas(1, hhmm(370), 900, "41"), gas(2, hhmm(369), 0, "43"))
    assert gas_of(readings) == 900
    readings = send(channels, 375, gas(1, hhmm(375), 900, "41"), gas(2, hhmm(374), 0, "43"))
    assert gas_of(readings) is None, "it has moved now"


def test_the_lines_of_the_chosen_channel_are_the_sources_of_the_medium() -> None:
    channels = LiveChannels()
    for minute in (360, 365):
        readings = send(channels, minute, gas(1, YEAR_AHEAD, 900, "41"), gas(2, hhmm(minute), 7, "42"))
    [line] = [readings.lines[at] for at in source_lines(["gas_reading"], readings) if readings.lines[at].time]
    assert line.code == "0-2:24.2.1"
    assert readings.values["gas_identifier"] == "B"
    assert readings.values["gas_reading_age"] == 0
    assert readings.units["gas_reading"] == "m3"


def test_a_meter_without_a_stamp_never_counts_as_live() -> None:
    channels = LiveChannels()
    for minute in range(360, 380, 5):
        undated = gas(1, "000000000000W", minute + 900, "41")
        assert gas_of(send(channels, minute, undated, gas(2, hhmm(minute), minute, "42"))) == minute


def test_two_meters_that_move_in_turn_are_two_within_some_of_their_periods() -> None:
    channels, seen = LiveChannels(), []
    for minute in range(360, 380):
        first, second = hhmm(minute // 5 * 5), hhmm((minute - 2) // 5 * 5)
        readings = send(channels, minute, gas(1, first, 900, "41"), gas(2, second, minute, "42"))
        seen.append(gas_of(readings))
    assert seen[8:] == [None] * 12
    assert "gas_reading" not in readings.units

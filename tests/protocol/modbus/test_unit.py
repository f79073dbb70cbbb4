"""A unit: fresh up to the border and not beyond it, and each policy when it is not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.modbus.unit import NEVER, OnStale, Unit
from gateway.protocol.p1.obis import Value
from tests.protocol.modbus.small_units import block, number, register_map, small_map, small_unit

NO_ANSWER = ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND
NO_ADDRESS = ExceptionCode.ILLEGAL_DATA_ADDRESS
ARRIVED, STALE_AFTER_S = 1000.0, 12.5
BORDER = ARRIVED + STALE_AFTER_S
ABSENT = b"\xff\xff"


def received(on_stale: OnStale = OnStale.EXCEPTION, a: int | None = 7) -> Unit:
    return small_unit(on_stale=on_stale, a=a, fresh_until=BORDER)


def when_stale(on_stale: OnStale) -> bytes | ExceptionCode | None:
    """What a policy gives where a telegram with 7 was the last."""
    return {
        OnStale.EXCEPTION: NO_ANSWER,
        OnStale.SILENT: None,
        OnStale.ABSENT: ABSENT,
        OnStale.HOLD: b"\0\7",
    }[on_stale]


@pytest.mark.parametrize("on_stale", OnStale)
def test_registers_are_good_up_to_the_border_and_stale_right_behind_it(on_stale: OnStale) -> None:
    unit = received(on_stale)
    for moment in (NEVER, 0.0, ARRIVED, math.nextafter(BORDER, -math.inf), BORDER):
        assert unit.is_fresh(moment)
        assert unit.read(0, 1, moment) == b"\0\7"
    for moment in (math.nextafter(BORDER, math.inf), BORDER + 1, math.inf):
        assert not unit.is_fresh(moment)
        assert unit.read(0, 1, moment) == when_stale(on_stale)


@pytest.mark.parametrize("on_stale", OnStale)
def test_before_the_first_telegram_nothing_passes_for_a_value(on_stale: OnStale) -> None:
    unit = received(on_stale, a=None)
    for moment in (0.0, ARRIVED, 1e12):
        assert not unit.is_fresh(moment)
        # There is nothing yet that could be held.
        expected = NO_ANSWER if on_stale is OnStale.HOLD else when_stale(on_stale)
        assert unit.read(0, 1, moment) == expected


@pytest.mark.parametrize("on_stale", OnStale)
def test_a_new_telegram_makes_a_stale_unit_good_again(on_stale: OnStale) -> None:
    unit = received(on_stale)
    assert unit.read(0, 1, BORDER + 5) == when_stale(on_stale)
    unit.publish(unit.register_map.readings.encode({"a": 8}), BORDER + 10)
    assert unit.read(0, 1, BORDER + 5) == b"\0\x08"
    assert unit.read(0, 1, BORDER + 10) == b"\0\x08"


def test_a_telegram_that_is_old_when_it_comes_is_never_given_out_as_good() -> None:
    unit = received(a=None)
    unit.publish(unit.register_map.readings.encode({"a": 8}), ARRIVED - 1)
    assert unit.read(0, 1, ARRIVED) is NO_ANSWER


@pytest.mark.parametrize("on_stale", OnStale)
@pytest.mark.parametrize("moment", [ARRIVED, BORDER + 1])
def test_an_address_without_register_is_02_fresh_or_stale(on_stale: OnStale, moment: float) -> None:
    unit = received(on_stale)
    for address, count in ((130, 1), (129, 2), (500, 1), (1002, 1), (1001, 2), (65535, 1)):
        assert unit.read(address, count, moment) is NO_ADDRESS
    assert received(on_stale, a=None).read(130, 1, moment) is NO_ADDRESS


@pytest.mark.parametrize("count", [1, 2, 125])
def test_absent_registers_have_the_shape_of_good_ones(count: int) -> None:
    compiled = register_map(
        [block(0, 130, "zero")], [number(a, "a", "int32" if a % 4 else "float32") for a in range(0, 130, 2)]
    )
    unit = small_unit(compiled, OnStale.ABSENT, a=1, fresh_until=BORDER)
    good, stale = unit.read(1, count, BORDER), unit.read(1, count, BORDER + 1)
    assert isinstance(good, bytes)
    assert isinstance(stale, bytes)
    assert len(good) == len(stale) == 2 * count
    assert stale[:2] == b"\0\0"  # the second half of a NaN
    if count > 1:
        assert stale[2:4] == b"\x80\0"  # the first half of the most negative number


class Status:
    """What the gateway says of itself, and when it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, now: float) -> Mapping[str, Value]:
        self.asked.append(now)
        return {"gateway_fresh": 99, "gateway_simulated": 0}


@pytest.mark.parametrize("on_stale", OnStale)
def test_the_status_block_is_read_at_any_time_and_says_what_is_fresh(on_stale: OnStale) -> None:
    status = Status()
    unit = small_unit(on_stale=on_stale, a=None, status_values=status)
    assert unit.read(1000, 2, 5.0) == b"\0\0\0\0"
    unit.publish(unit.register_map.readings.encode({"a": 1}), BORDER)
    assert unit.read(1000, 2, BORDER) == b"\0\1\0\0"
    assert unit.read(1000, 2, BORDER + 0.001) == b"\0\0\0\0"
    assert unit.read(1001, 1, BORDER) == b"\0\0"
    assert status.asked == [5.0, BORDER, BORDER + 0.001, BORDER]


def test_a_status_value_that_is_missing_is_absent() -> None:
    assert small_unit().read(1001, 1, 0.0) == ABSENT


def test_a_read_over_readings_and_status_together_is_02() -> None:
    compiled = register_map(
        [block(0, 2, is_status=True), block(2, 4)],
        [number(0, "gateway_fresh"), number(1, "gateway_fresh"), number(2, "a"), number(3, "a")],
    )
    unit = small_unit(compiled, a=5, fresh_until=BORDER)
    assert unit.read(0, 2, BORDER) == b"\0\1\0\1"
    assert unit.read(2, 2, BORDER) == b"\0\5\0\5"
    for moment in (BORDER, BORDER + 1):
        assert unit.read(1, 2, moment) is NO_ADDRESS
        assert unit.read(0, 4, moment) is NO_ADDRESS


@pytest.mark.parametrize("on_stale", OnStale)
def test_a_test_pattern_is_shown_before_and_after_any_telegram(on_stale: OnStale) -> None:
    unit = small_unit(on_stale=on_stale, a=None, shows_test_pattern=True)
    for _ in range(2):
        for moment in (0.0, BORDER, 1e12):
            assert unit.read(41, 2, moment) == b"\0\x29\0\x2a"
            assert unit.read(130, 1, moment) is NO_ADDRESS
        unit.publish(unit.register_map.readings.encode({"a": 600}), BORDER)


def test_the_status_block_says_that_a_test_pattern_is_no_reading() -> None:
    unit = small_unit(a=3, shows_test_pattern=True, status_values=Status())
    assert unit.read(1000, 2, BORDER) == b"\0\0\0\1"


def test_units_of_one_map_share_nothing_that_changes() -> None:
    compiled = small_map()
    one, other = small_unit(compiled, a=1), small_unit(compiled, a=None)
    assert one.read(0, 1, 0.0) == b"\0\1"
    assert other.read(0, 1, 0.0) is NO_ANSWER
    other.publish(compiled.readings.encode({"a": 2}), BORDER)
    assert one.read(0, 1, 0.0) == b"\0\1"
    assert other.read(0, 1, 0.0) == b"\0\2"


def test_the_exception_codes_are_those_of_the_document() -> None:
    codes = {code.name: code.value for code in ExceptionCode}
    assert codes == {
        "ILLEGAL_FUNCTION": 0x01,
        "ILLEGAL_DATA_ADDRESS": 0x02,
        "ILLEGAL_DATA_VALUE": 0x03,
        "SERVER_DEVICE_FAILURE": 0x04,
        "SERVER_DEVICE_BUSY": 0x06,
        "GATEWAY_PATH_UNAVAILABLE": 0x0A,
        "GATEWAY_TARGET_FAILED_TO_RESPOND": 0x0B,
    }


def successors(**changes: Any) -> tuple[Unit, Unit]:
    """A unit before a reload, and the one after it, which has got the same telegram."""
    values: Mapping[str, Value] = {"a": 7}
    before, after = small_unit(a=None), small_unit(**{"a": None, **changes})
    for unit in (before, after):
        unit.publish(unit.register_map.readings.encode(values), BORDER)
    return before, after


def test_a_unit_that_is_the_same_after_a_reload_goes_on_with_its_snapshot() -> None:
    before, after = successors()
    after.succeed(before)
    assert after.snapshot is before.snapshot


def test_a_unit_that_responds_otherwise_after_a_reload_keeps_nothing() -> None:
    before, after = successors(on_stale=OnStale.HOLD)
    after.succeed(before)
    assert after.snapshot is not before.snapshot
    before, after = successors(compiled=register_map([block(0, 1)], [number(0, "a + 1")]))
    after.succeed(before)
    assert after.read(0, 1, ARRIVED) == b"\0\x08"


def test_a_unit_with_another_telegram_after_a_reload_shows_that_one() -> None:
    before, after = successors()
    after.publish(after.register_map.readings.encode({"a": 8}), BORDER)
    after.succeed(before)
    assert after.read(0, 1, ARRIVED) == b"\0\x08"
    before, after = successors()
    after.publish(before.snapshot, BORDER + 1)
    after.succeed(before)
    assert after.fresh_until == BORDER + 1
    nothing = small_unit(a=None)
    nothing.succeed(before)
    assert nothing.snapshot is None

"""The telegram that is served: the newest one whose age is known, and None rather than an old one for a new one."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from gateway.protocol.p1.age.verdict import Condition, Kind
from gateway.protocol.p1.country import interpret
from gateway.protocol.p1.readings import read
from gateway.protocol.p1.serving import Received, Serving
from gateway.protocol.p1.variants import VARIANTS
from tests.conftest import own_telegram
from tests.protocol.p1.stream import later, only, resealed

FAST, SLOW = own_telegram("v50_sagemcom-t210d"), own_telegram("v42_kaifa-e0026")
OTHER = own_telegram("v50_iskra-am550-solar")
WITHOUT_CLOCK = own_telegram("v22_iskra-mt382")
LIMIT_S = 5.0
FIRST_QUIET_S = 0.5
QUIET = 0.75
"""Cadences without a telegram after which a pending one is served."""


def received(raw: bytes, arrived: float) -> Received:
    """Return an accepted telegram that arrived at a moment."""
    telegram = only(raw)
    readings = read(telegram)
    version = str(readings.values.get("p1_version", ""))
    variant = VARIANTS[{"50": "5", "42": "4"}.get(version, "2.2")]
    readings = interpret(readings, variant, variant)
    return Received(telegram, readings, variant, arrived, arrived, variant, arrived)


def fed(raw: bytes, moments: Iterable[float]) -> Serving:
    """Return what has taken a telegram at each moment, with the clock of that moment."""
    serving = Serving()
    for number, moment in enumerate(moments):
        serving.take(received(later(raw, moment), moment), LIMIT_S, is_first=number == 0)
    return serving


def is_served(serving: Serving, moment: float) -> bool:
    """Return whether a telegram is served at a moment."""
    serving.update(moment)
    return serving.served is not None


def test_before_the_first_telegram_nothing_is_served_and_nothing_is_expected() -> None:
    serving = Serving()
    assert (serving.served, serving.next_change, serving.delay_s, serving.other_meter(0.0)) == (None,) * 4
    assert not serving.update(1000.0)
    assert (serving.condition, serving.reconnection_is_due) == (Condition.STARTING, False)
    serving.note_reconnection()


@pytest.mark.parametrize(
    ("raw", "quiet_s"),
    [(FAST, 0.75), (SLOW, 7.5), (WITHOUT_CLOCK, FIRST_QUIET_S)],
    ids=["each second", "each ten seconds", "without clock"],
)
def test_the_very_first_telegram_is_served_after_a_quiet_moment(raw: bytes, quiet_s: float) -> None:
    serving = fed(raw, [100.0])
    assert serving.is_pending
    assert serving.next_change == pytest.approx(100.0 + quiet_s)
    assert not is_served(serving, 100.0 + quiet_s - 0.01)
    assert is_served(serving, 100.0 + quiet_s + 0.01)
    assert not serving.is_pending
    assert serving.next_change is None
    assert serving.served is not None
    assert serving.served.measured == 100.0


@pytest.mark.parametrize(("raw", "cadence_s"), [(FAST, 1), (WITHOUT_CLOCK, 10)], ids=["each second", "without clock"])
def test_the_first_telegram_of_a_later_connection_waits_longer_without_a_known_clock(
    raw: bytes, cadence_s: int
) -> None:
    serving = fed(raw, [100.0])
    moment = 100.0 + 3 * cadence_s
    serving.take(received(later(raw, moment), moment), LIMIT_S, is_first=True)
    assert serving.next_change == pytest.approx(moment + QUIET * cadence_s)


@pytest.mark.parametrize(("raw", "cadence_s"), [(FAST, 1), (SLOW, 10)], ids=["each second", "each ten seconds"])
def test_a_meter_at_its_own_pace_is_served_at_once_from_the_second_telegram_on(raw: bytes, cadence_s: int) -> None:
    for count in range(2, 20):
        moments = [100.0 + cadence_s * n for n in range(count)]
        serving = fed(raw, moments)
        assert serving.served is not None
        assert serving.served.arrived == serving.served.measured == moments[-1]
        assert serving.next_change is None
    assert serving.delay_s == pytest.approx(0.0, abs=0.01)
    assert serving.condition is Condition.IN_TIME


def test_a_telegram_that_was_held_back_counts_from_the_moment_at_which_it_was_written() -> None:
    serving = fed(FAST, [100.0 + n for n in range(20)])
    serving.take(received(later(FAST, 120.0), 123.0), LIMIT_S)
    assert serving.served is not None
    assert serving.served.arrived == 123.0
    assert serving.served.measured == pytest.approx(120.0, abs=0.01)
    assert serving.delay_s == pytest.approx(3.0, abs=0.01)


def test_a_copy_keeps_the_age_of_the_telegram_that_it_repeats() -> None:
    serving = fed(FAST, [100.0 + n for n in range(20)])
    served = serving.served
    for moment in (120.0, 121.0, 122.0):
        serving.take(received(later(FAST, 119.0), moment), LIMIT_S)
        assert serving.served is served
    assert served is not None
    assert served.measured == 119.0
    assert serving.not_served[Kind.REPEAT] == 3


def test_a_telegram_of_the_past_is_never_served_again() -> None:
    serving = fed(FAST, [100.0 + n for n in range(20)])
    for number in range(10):
        serving.take(received(later(FAST, 105.0 + number), 120.0 + number), LIMIT_S)
        assert serving.served is not None
        assert serving.served.arrived == 119.0
    assert serving.not_served[Kind.REPLAY] == 10


def test_a_copy_before_the_clock_was_seen_to_move_withdraws_what_was_served() -> None:
    serving = fed(FAST, [100.0])
    assert is_served(serving, 100.8)
    serving.take(received(later(FAST, 100.0), 101.0), LIMIT_S)
    assert serving.served is None
    assert not is_served(serving, 200.0)


def test_new_values_on_the_same_second_are_served_with_the_age_of_that_second() -> None:
    serving = fed(FAST, [100.0 + n for n in range(20)])
    changed = resealed(later(FAST, 119.0).replace(b"1-0:1.7.0(02.486", b"1-0:1.7.0(02.487"))
    serving.take(received(changed, 119.5), LIMIT_S)
    assert serving.served is not None
    assert serving.served.telegram.raw == changed
    assert serving.served.measured == pytest.approx(119.0, abs=0.01)


def test_a_second_meter_on_the_line_is_not_served_before_the_first_one_is_silent_and_stale() -> None:
    serving = fed(FAST, [100.0 + n for n in range(10)])
    serving.take(received(OTHER, 109.5), LIMIT_S)
    identity = serving.other_meter(109.5)
    assert identity is not None
    assert identity.startswith("ISK5")
    assert serving.served is not None
    assert serving.served.arrived == 109.0
    assert serving.not_served[Kind.OTHER_METER] == 1
    for moment in (110.5, 111.5, 112.5, 113.5):
        serving.take(received(later(OTHER, moment - 109.5), moment), LIMIT_S)
        assert serving.served.arrived == 109.0
    serving.take(received(later(OTHER, 5), 114.5), LIMIT_S)
    assert serving.served is not None
    assert serving.served.arrived == 114.5


def test_without_a_clock_the_longest_wait_counts_where_a_telegram_may_have_waited() -> None:
    serving = fed(WITHOUT_CLOCK, [100.0, 110.0])
    serving.take(received(WITHOUT_CLOCK, 120.5), 35.0, waited_since=119.0)
    serving.update(130.0)
    assert serving.served is not None
    assert serving.served.measured == 119.0


def test_of_a_burst_without_a_clock_only_the_last_telegram_is_served() -> None:
    serving = fed(WITHOUT_CLOCK, [100.0, 110.0])
    for moment in (170.0, 170.1, 170.2):
        serving.take(received(WITHOUT_CLOCK, moment), 35.0)
        assert serving.served is not None
        assert serving.served.arrived == 110.0
    assert serving.next_change == pytest.approx(170.2 + QUIET * 10)
    assert serving.update(177.8)
    assert serving.served.arrived == 170.2


def test_of_many_telegrams_only_those_that_may_be_served_are_kept() -> None:
    serving = fed(FAST, [100.0 + n for n in range(100)])
    assert len(serving._kept) == 1


def test_a_simulated_meter_is_served_at_once() -> None:
    serving = Serving(is_simulated=True)
    for _ in range(2):
        telegram = received(FAST, 100.0)
        serving.take(telegram, LIMIT_S)
        assert serving.served is telegram
    assert not serving.is_pending


def test_a_copy_is_one_also_when_its_checksum_is_in_lower_case() -> None:
    """One flipped bit makes `A` an `a`, which is the same checksum."""
    raw = later(FAST, 103.0)
    end = raw.rindex(b"!")
    other = raw[:end] + raw[end:].lower()
    assert other != raw
    serving = fed(FAST, [100.0, 101.0, 102.0])
    serving.take(received(raw, 103.0), LIMIT_S)
    before = serving.served
    serving.take(received(other, 104.0), LIMIT_S)
    assert serving.newest_kind is Kind.REPEAT
    assert serving.served is before


def test_the_age_counts_from_the_moment_that_the_way_proves_if_it_is_earlier_than_the_clock_shows() -> None:
    serving = fed(FAST, [float(moment) for moment in range(100, 112)])
    for moment, written_after, measured in ((112.0, 111.2, 111.2), (113.0, 113.5, 113.0), (114.0, 90.0, 90.0)):
        item = received(later(FAST, moment), moment)._replace(written_after=written_after)
        serving.take(item, LIMIT_S)
        assert serving.served is not None
        assert serving.served.measured == pytest.approx(measured)


def test_a_telegram_that_waits_to_be_served_keeps_the_moment_that_its_way_proves() -> None:
    serving = Serving()
    serving.take(received(FAST, 100.0)._replace(written_after=97.0), LIMIT_S, is_first=True)
    assert is_served(serving, 101.0)
    assert serving.served is not None
    assert serving.served.measured == 97.0


def test_a_reconnection_for_a_constant_delay_is_due_until_it_is_noted() -> None:
    serving = fed(FAST, [100.0 + n for n in range(20)])
    for second in range(120, 320):
        serving.take(received(later(FAST, second), second + 20.0), LIMIT_S)
        if serving.reconnection_is_due:
            break
    assert serving.reconnection_is_due
    serving.note_reconnection()
    assert not serving.reconnection_is_due


def test_another_equipment_identifier_is_another_meter() -> None:
    serving = fed(FAST, [100.0 + n for n in range(20)])
    match = re.search(rb"0-0:96[.]1[.]1\(([0-9A-F]+)\)", FAST)
    assert match
    other = resealed(FAST.replace(match[1], match[1][:-2] + b"41"))
    serving.take(received(later(other, 120.0), 120.0), LIMIT_S)
    assert serving.other_meter(120.0) is not None


@pytest.mark.parametrize("code", [b"1-0:1.8.1", b"1-0:1.8.2", b"1-0:2.8.1", b"1-0:2.8.2"])
def test_a_telegram_with_a_lower_counter_and_an_older_stamp_is_of_the_past(code: bytes) -> None:
    serving = fed(FAST, [100.0 + n for n in range(20)])
    higher = resealed(re.sub(code + rb"\(\d{6}", code + b"(999998", FAST))
    for number in range(10):
        serving.take(received(later(higher, 120.0 + number), 120.0 + number), LIMIT_S)
    lower = resealed(re.sub(code + rb"\(\d{6}", code + b"(000001", FAST))
    for number in range(20):
        serving.take(received(later(lower, number - 500.0), 130.0 + number), LIMIT_S)
        assert serving.newest_kind is Kind.REPLAY
    assert serving.served is not None
    assert serving.served.arrived == 129.0

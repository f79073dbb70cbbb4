"""Two meters on one line that name themselves the same are told apart by their counters."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from gateway.protocol.p1.doubt import Doubt, Withheld
from gateway.protocol.p1.readings import Readings, read
from gateway.protocol.p1.twins import KEPT_S, SECOND, Twins, _Track
from tests.protocol.p1.stream import only, telegram_of

CODES = {"t1": "1-0:1.8.1", "t2": "1-0:1.8.2", "export": "1-0:2.8.1"}
NAMES = {"t1": "energy_import_t1", "t2": "energy_import_t2", "export": "energy_export_t1"}


def counters(second: int | None = None, **counts_wh: int) -> Readings:
    """Return the readings of a telegram with these counters, in Wh."""
    clock = [] if second is None else [f"0-0:1.0.0(2601011200{second:02}W)"]
    lines = [f"{CODES[name]}({wh / 1000:010.3f}*kWh)" for name, wh in counts_wh.items()]
    return read(only(telegram_of(*clock, *lines)))


def fell(*names: str) -> list[Withheld]:
    return [Withheld(NAMES[name], Doubt.FELL, None, None, "Wh") for name in names]


class Line:
    """Passes telegrams to `Twins`, with the counters that a guard has withheld."""

    def __init__(self) -> None:
        self.twins = Twins()

    def send(self, at: float, counts: Mapping[str, int], *withheld: str, second: int | None = None) -> str:
        readings = counters(second, **counts)
        self.twins.assign(readings, at)
        self.twins.note(readings, fell(*withheld), at)
        return self.twins.suffix


def two_meters() -> Line:
    """Return a line on which two meters are known; the counter t1 of the second one is 1 MWh."""
    line = Line()
    assert line.send(0.0, {"t1": 5_000_000, "t2": 7000}) == ""
    assert line.send(1.0, {"t1": 1_000_000, "t2": 3000}, "t1", "t2") == SECOND
    return line


def test_a_telegram_belongs_to_the_meter_whose_counters_it_continues() -> None:
    line = two_meters()
    assert line.send(2.0, {"t1": 5_000_001, "t2": 7000}) == ""
    assert line.send(3.0, {"t1": 1_000_001, "t2": 3000}) == SECOND


def test_a_counter_that_only_one_of_them_sends_does_not_tell_them_apart() -> None:
    line = two_meters()
    assert line.send(2.0, {"t1": 5_000_001, "t2": 7000, "export": 9}) == ""
    assert line.send(3.0, {"t1": 1_000_001, "export": 5_000_000}) == SECOND


def test_a_telegram_that_continues_neither_or_both_belongs_to_the_second_meter() -> None:
    line = two_meters()
    line.send(2.0, {"t1": 5_000_001, "t2": 7000})
    assert line.send(3.0, {"t1": 3_000_000, "t2": 5000}) == SECOND
    assert line.send(4.0, {"t1": 5_000_001, "t2": 7000}) == ""
    assert line.send(5.0, {"export": 1}) == SECOND


def test_a_telegram_of_neither_does_not_change_what_is_known() -> None:
    line = two_meters()
    line.send(2.0, {"t1": 3_000_000, "t2": 5000})
    assert line.send(3.0, {"t1": 3_000_000, "t2": 5000}) == SECOND
    assert line.send(4.0, {"t1": 5_000_001, "t2": 7000}) == ""


def test_the_meter_that_goes_on_alone_keeps_its_name() -> None:
    line = two_meters()
    for at in range(2, int(KEPT_S) + 3):
        assert line.send(float(at), {"t1": 1_000_000 + at, "t2": 3000}) == SECOND
    assert not line.twins._tracks
    assert line.send(KEPT_S + 4, {"t1": 1_000_200, "t2": 3000}) == SECOND


def test_two_telegrams_of_one_second_that_contradict_each_other_are_of_two_meters() -> None:
    line = Line()
    line.send(0.0, {"t1": 5_000_000}, second=5)
    assert line.send(0.5, {"t1": 6_000_000}, "t1", second=5) == SECOND


def test_a_telegram_of_the_same_second_whose_counters_may_have_risen_since_is_of_the_same_meter() -> None:
    line = Line()
    line.send(0.0, {"t1": 5_000_010}, second=5)
    assert line.send(0.5, {"t1": 5_000_000}, "t1", second=5) == ""


def test_one_counter_that_fell_is_no_second_meter_until_it_goes_on_after_others() -> None:
    line = Line()
    line.send(0.0, {"t1": 5_000_000, "t2": 7000})
    assert line.send(1.0, {"t1": 1_000_000, "t2": 7000}, "t1") == ""
    assert line.send(2.0, {"t1": 5_000_001, "t2": 7000}) == ""
    assert line.send(3.0, {"t1": 1_000_001, "t2": 7000}, "t1") == SECOND


def test_a_doubt_is_forgotten_after_some_time() -> None:
    line = Line()
    line.send(0.0, {"t1": 5_000_000, "t2": 7000})
    line.send(1.0, {"t1": 1_000_000, "t2": 7000}, "t1")
    line.send(2.0, {"t1": 5_000_001, "t2": 7000})
    assert line.send(KEPT_S + 2.0, {"t1": 1_000_001, "t2": 7000}, "t1") == ""


def test_counters_of_only_zeros_or_nines_are_no_second_meter() -> None:
    for wrong in (0, 999_999_999_999):
        line = Line()
        line.send(0.0, {"t1": 5_000_000, "t2": 7000})
        assert line.send(1.0, {"t1": wrong, "t2": wrong}, "t1", "t2") == ""


def test_an_identifier_shows_that_there_is_one_meter() -> None:
    twins = Twins()
    for at, wh in ((0.0, 5_000_000), (1.0, 1_000_000)):
        lines = f"1-0:1.8.1({wh / 1000:010.3f}*kWh)", "1-0:1.8.2(000007.000*kWh)"
        readings = read(only(telegram_of("0-0:96.1.1(41)", *lines)))
        twins.assign(readings, at)
        twins.note(readings, fell("t1", "t2") if at else [], at)
    assert twins.suffix == ""


def test_counters_of_which_some_go_on_are_no_second_meter() -> None:
    line = Line()
    line.send(0.0, {"t1": 5_000_000, "t2": 7000, "export": 9000})
    assert line.send(1.0, {"t1": 1_000_000, "t2": 3000, "export": 9000}, "t1", "t2") == ""


def test_the_only_counter_of_a_meter_may_go_wrong_once() -> None:
    line = Line()
    line.send(0.0, {"t1": 5_000_000})
    assert line.send(1.0, {"t1": 1_000_000}, "t1") == ""


def test_counters_that_continue_each_other_in_turn_are_of_two_meters() -> None:
    line = Line()
    line.send(0.0, {"t1": 5_000_000})
    assert line.send(1.0, {"t1": 1_000_000}, "t1") == ""
    assert line.send(2.0, {"t1": 5_000_001}, "t1") == ""
    assert line.send(3.0, {"t1": 1_000_001}, "t1") == SECOND


@pytest.mark.parametrize(
    ("old", "new", "elapsed_s", "goes_on"),
    [
        ("1000", "1000", 0, True),
        ("1000", "999", 0, False),
        ("1000", "1019", 0, True),
        ("1000", "1020", 0, False),
        ("1000.0", "1017.2", 0, True),
        ("1000.0", "1017.3", 0, False),
        ("1000", "1619", 36, True),
        ("1000", "1620", 36, False),
    ],
)
def test_counters_go_on_within_what_the_connection_carries(old: str, new: str, elapsed_s: int, goes_on: bool) -> None:
    track = _Track("", {"energy_import": Decimal(old)}, 100.0)
    assert track.is_continued_by({"energy_import": Decimal(new)}, 100.0 + elapsed_s) is goes_on


def test_the_counters_of_each_meter_are_followed() -> None:
    line = two_meters()
    for n in range(1, 11):
        assert line.send(2.0 + n / 100, {"t1": 5_000_000 + 15 * n, "t2": 7000}) == ""


def test_a_telegram_that_comes_again_later_is_of_no_second_meter() -> None:
    line = Line()
    line.send(0.0, {"t1": 5_000_100, "t2": 7000}, second=30)
    line.send(10.0, {"t1": 5_000_200, "t2": 7010}, second=40)
    assert line.send(11.0, {"t1": 5_000_000, "t2": 6990}, "t1", "t2", second=25) == ""

"""The parser passes on the telegrams that are believed, and says once what is wrong with the others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from unittest.mock import patch

import pytest

from gateway.nodes import dsmr_parser
from gateway.nodes.dsmr_parser import GAP_FAST_S, GAP_SLOW_S, MAX_LOGGED_ERRORS, SLOWEST_BYTES_PER_S, DsmrParser
from gateway.protocol.p1.meter import ERROR_WINDOW_S, MeterState, Received
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram
from gateway.protocol.p1.variants import VARIANTS
from gateway.runtime import clock
from gateway.runtime.clock import now
from gateway.runtime.status import Colour
from tests.conftest import own_telegram
from tests.nodes.parsing import ripen
from tests.protocol.p1.stream import later, resealed, telegram_of
from tests.waiting import running, until

GOOD = own_telegram("v50_sagemcom-t210d")
BAD = own_telegram("bad_checksum")
ODD_LINE = own_telegram("bad_non-numeric-power")
SLOW = own_telegram("v22_kamstrup-382jxc")


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")


class Bench:
    """A parser and what comes out of it."""

    def __init__(self, gap_s: float = GAP_FAST_S, version: str | None = None) -> None:
        self.meter = MeterState("m", VARIANTS[version] if version else None)
        self.meter.note_line(is_open=True)
        self.parser = DsmrParser("m/parser", self.meter, gap_s)
        self.out: list[Received] = []
        self.parser.verdicts.connect(self.parser, self._note)

    def _note(self, verdict: Received | RefusedTelegram, _arrived: float) -> None:
        if isinstance(verdict, Received):
            self.out.append(verdict)

    def feed(self, data: bytes, arrived: float, size: int | None = None, *, read: float | None = None) -> None:
        """Bring `data` that counts as having arrived at `arrived`, and is read then or at `read`."""
        with patch.object(dsmr_parser, "now", lambda: arrived if read is None else read):
            for at in range(0, len(data), size or len(data)):
                self.parser.receive(data[at : at + (size or len(data))], arrived)

    @property
    def raw(self) -> list[bytes]:
        return [received.telegram.raw for received in self.out]

    @property
    def refused(self) -> dict[RefusalReason, int]:
        return dict(self.meter.refused)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().removeprefix("node=m/parser: ") for record in caplog.records]


async def test_both_clocks_say_the_same_of_when_a_telegram_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsmr_parser, "now", lambda: 500.0)
    monkeypatch.setattr(clock, "now", lambda: 500.0)
    monkeypatch.setattr(clock, "unix_now", lambda: 1_700_000_000.0)
    bench = Bench()
    for arrived in (492.0, 500.0):
        bench.feed(GOOD, arrived)
    assert [received.arrived_at for received in bench.out] == [1_699_999_992, 1_700_000_000]


async def test_a_checked_telegram_is_passed_on_before_it_is_read_and_any_other_once_it_is_believed() -> None:
    bench, passed = Bench(), list[tuple[bytes, int]]()
    bench.parser.telegrams.connect(bench.parser, lambda telegram: passed.append((telegram.raw, bench.meter.accepted)))
    bench.feed(GOOD + BAD + GOOD, 0)
    assert passed == [(GOOD, 0), (GOOD, 1)]
    assert bench.raw == [GOOD, GOOD]
    slow, passed_slow = Bench(GAP_SLOW_S), list[tuple[bytes, int]]()
    slow.parser.telegrams.connect(slow.parser, lambda telegram: passed_slow.append((telegram.raw, slow.meter.accepted)))
    # The first one, and that of another meter, are used when the next one agrees.
    other = own_telegram("v22_iskra-mt382")
    slow.feed(SLOW + SLOW + other + other, 0)
    slow.parser.receive(b"", 100)
    assert passed_slow == [(SLOW, 1), (other, 2)]


async def test_a_telegram_of_another_meter_is_not_passed_on_if_one_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench, passed = Bench(), list[bytes]()
    bench.meter.identifiers = frozenset({"TEST-T210D-000008"})
    bench.parser.telegrams.connect(bench.parser, lambda telegram: passed.append(telegram.raw))
    other = resealed(GOOD.replace(b"303038)", b"303039)", 1))
    bench.feed(GOOD + other + later(GOOD, 1), 0)
    assert passed == bench.raw == [GOOD, later(GOOD, 1)]
    assert bench.refused == {RefusalReason.OTHER_METER: 1}
    assert any("telegram refused: other meter (it has another" in message for message in messages(caplog))


@pytest.mark.parametrize("size", [None, 1, 7, 512])
async def test_a_telegram_comes_out_once_whole_with_its_moment_however_it_came_in(size: int | None) -> None:
    bench = Bench()
    bench.feed(GOOD, arrived=100.0, size=size)
    bench.feed(GOOD, arrived=101.0, size=size)
    assert bench.raw == [GOOD, GOOD]
    assert [received.arrived for received in bench.out] == [100.0, 101.0]
    assert bench.meter.newest is bench.out[1]


@pytest.mark.parametrize("size", [None, 1])
async def test_a_bad_telegram_changes_nothing_and_is_counted_by_its_reason(size: int | None) -> None:
    bench = Bench()
    bench.feed(GOOD, 100.0, size)
    before = bench.meter.newest
    bench.feed(BAD, 101.0, size)
    assert bench.raw == [GOOD]
    assert bench.meter.newest is before
    assert bench.refused == {RefusalReason.CHECKSUM: 1}


@pytest.mark.parametrize("is_timer_first", [False, True])
async def test_a_standstill_in_the_middle_of_a_telegram_is_not_the_meters_silence(is_timer_first: bool) -> None:
    bench = Bench()
    third = len(GOOD) // 3
    bench.feed(GOOD[:third], 100.0)
    bench.parser._looked = 100.1
    # The process stands still for two seconds, and the rest of the telegram waits in the kernel.
    if is_timer_first:
        bench.parser._look(102.2)
    bench.feed(GOOD[third : 2 * third], arrived=100.2, read=102.2)
    bench.parser._look(102.5)
    bench.parser._look(103.0)
    # Nothing waits any more, so bytes count as new again.
    bench.feed(GOOD[2 * third :], arrived=103.1)
    assert (bench.raw, bench.refused) == ([GOOD], {})


async def test_a_telegram_that_stops_while_the_process_runs_is_refused_after_the_gap() -> None:
    bench = Bench()
    bench.feed(GOOD[:300], 100.0)
    bench.parser._looked = 100.1
    for look in (100.6, 101.0):
        bench.parser._look(look)
        assert bench.refused == {}
    bench.parser._look(101.1)
    assert bench.refused == {RefusalReason.TRUNCATED: 1}


async def test_a_problem_is_reported_once_and_its_end_after_a_minute_of_good_telegrams(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    for number in range(50):
        bench.feed(BAD if number % 2 else later(GOOD, number), 100.0 + number)
    bench.feed(GOOD[:300], 150.0)
    bench.feed(later(GOOD, 52), 152.0)
    assert len(messages(caplog)) == 3, "a noisy line does not fill the log"
    bench.feed(later(GOOD, 50 + ERROR_WINDOW_S), 150.0 + ERROR_WINDOW_S)
    bench.feed(later(GOOD, 51 + ERROR_WINDOW_S), 151.0 + ERROR_WINDOW_S)
    bench.feed(BAD, 152.0 + ERROR_WINDOW_S)
    found, first, second, good, again = messages(caplog)
    identification = GOOD[1 : GOOD.index(b"\r")].decode()
    assert found == f"found DSMR 5, /{identification}: {len(bench.out[0].readings.lines)} readings"
    assert first.startswith("telegram refused: checksum (")
    assert second.startswith("telegram refused: truncated (")
    assert good == "no errors in telegrams for a minute"
    assert again == first


async def test_a_withheld_reading_is_logged_once_with_both_values(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for number, kwh in enumerate([5, 0, 5, 0, 5, 0]):
        bench.feed(telegram_of("1-3:0.2.8(50)", f"1-0:1.8.1(00000{kwh}.000*kWh)"), 100.0 + number)
    told = [text for text in messages(caplog) if "withheld" in text]
    assert told == [
        "energy_import_t1 is withheld: counter fell (5000 to 0 Wh). It is absent until the meter has sent it twice"
    ]
    assert bench.parser.details()["readings_withheld (counter fell)"] == 3


async def test_a_copy_of_an_old_telegram_is_logged_as_such_and_not_as_withheld(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    for second in [*range(20), 5, 20, 21]:
        clock, counter = f"0-0:1.0.0(2511291200{second:02d}W)", f"1-0:1.8.1(000010.0{second:02d}*kWh)"
        bench.feed(telegram_of("1-3:0.2.8(50)", clock, counter), 100.0 + second if second != 5 else 119.5)
    logged = [text for text in messages(caplog) if "found" not in text]
    assert logged == ["the source sends telegrams of the past; their readings are not served"]


async def test_the_first_telegram_without_a_checksum_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(version="2.2")
    bench.feed(SLOW, 100.0)
    assert messages(caplog) == ["the meter sends no checksum: its readings are shown when two telegrams agree"]
    assert bench.out == []


async def test_of_many_different_problems_a_few_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for number in range(3 * MAX_LOGGED_ERRORS):
        bench.feed(telegram_of(f"1-0:1.7.0({number:02}x*kW)"), 100.0 + number)
    assert bench.meter.line_errors == 3 * MAX_LOGGED_ERRORS
    assert sum("cannot be read" in text for text in messages(caplog)) == MAX_LOGGED_ERRORS


async def test_an_unreadable_line_is_reported_with_its_text(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.feed(ODD_LINE, 100.0)
    assert bench.raw == [ODD_LINE]
    assert bench.meter.line_errors == 1
    told = messages(caplog)[0]
    assert told.startswith("telegram line ")
    assert "'--.---*kW' is not a number ('1-0:1.7.0(" in told


async def test_another_meter_on_the_line_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for number, name in enumerate(["v50_sagemcom-t210d", "v50_sagemcom-t210d", "v42_kaifa-e0026"]):
        bench.feed(own_telegram(name), 100.0 + number)
    found = [text.partition(",")[0] for text in messages(caplog) if text.startswith("found")]
    assert found == ["found DSMR 5", "found DSMR 4"]


@pytest.mark.parametrize(
    ("name", "version", "shown"),
    [
        ("v50_sagemcom-t210d", "5B", "DSMR 5"),
        ("v50_sagemcom-t210d", "2.2", "DSMR 5"),
        ("v42_kaifa-e0026", "5", "DSMR 4"),
        ("v50_sagemcom-t210d", "5", None),
        ("v42_kaifa-e0026", "4", None),
        ("se_aidon", "5S-FI", None),
        ("v50_sagemcom-t210d", None, None),
    ],
)
async def test_a_version_that_the_telegrams_contradict_is_reported_once(
    name: str, version: str | None, shown: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(version=version)
    for number in range(3):
        bench.feed(own_telegram(name), 100.0 + 10 * number)
    told = [text for text in messages(caplog) if "is configured" in text]
    expected = f"dsmr_version {version} is configured, but the telegrams are those of {shown}. Write dsmr_version: "
    assert [text.startswith(expected) for text in told] == [True] * (shown is not None)
    verb = "configured as" if shown else "found"
    assert messages(caplog)[0].startswith(f"{verb} {bench.out[0].variant.title}, /")


async def test_the_status_shows_a_version_that_the_telegrams_do_not_have() -> None:
    bench = Bench(version="4")
    bench.feed(GOOD, 100.0)
    ripen(bench.parser, 110.0)
    bench.parser._show(111.0)
    assert str(bench.parser.status) == "yellow dot: configured 4, telegrams of 5"


@pytest.mark.parametrize(("gap_s", "pause_s", "counts"), [(1.0, 0.9, [1, 0]), (1.0, 1.1, [0, 1]), (3.0, 2.9, [1, 0])])
async def test_a_telegram_goes_on_after_a_short_pause_and_not_after_a_long_one(
    gap_s: float, pause_s: float, counts: Sequence[int]
) -> None:
    bench = Bench(gap_s)
    half = len(GOOD) // 2
    bench.feed(GOOD[:half], 100.0)
    bench.feed(GOOD[half:], 100.0 + pause_s)
    assert [len(bench.out), bench.meter.refused[RefusalReason.TRUNCATED]] == counts


async def test_halves_around_a_pause_make_no_telegram_without_a_checksum() -> None:
    bench, half = Bench(version="2.2"), len(SLOW) // 2
    for at in (100.0, 110.0):
        bench.feed(SLOW, at)
    bench.feed(SLOW[:half], 120.0)
    bench.feed(SLOW[half:], 120.4)
    assert [len(bench.out), bench.meter.refused[RefusalReason.TRUNCATED]] == [1, 1]
    bench.feed(SLOW, 130.0)
    assert len(bench.out) == 2


async def test_a_line_that_always_pauses_in_telegrams_is_read() -> None:
    bench, half = Bench(version="2.2"), len(SLOW) // 2
    for number in range(6):
        bench.feed(SLOW[:half], 100.0 + 10 * number)
        bench.feed(SLOW[half:], 100.4 + 10 * number)
    assert [len(bench.out), bench.meter.refused[RefusalReason.TRUNCATED]] == [4, 1]


async def test_halves_on_both_sides_of_a_lost_line_make_no_telegram() -> None:
    bench = Bench()
    half = len(GOOD) // 2
    bench.feed(GOOD[:half], 100.0)
    bench.parser.line_lost()
    bench.feed(GOOD[half:], 100.0)
    assert bench.out == []
    bench.feed(GOOD, 101.0)
    assert bench.raw == [GOOD]


async def test_a_telegram_without_checksum_ends_when_the_line_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsmr_parser, "TICK_S", 0.01)
    # Its end line without the line end: nothing but silence tells that no checksum follows.
    bench = Bench(gap_s=0.1, version="2.2")
    async with running(bench.parser):
        arrived = now()
        bench.feed(SLOW, arrived)
        bench.feed(SLOW.rstrip(b"\r\n"), arrived)
        assert bench.out == []
        await until(lambda: bench.out)
        assert now() - arrived > 0.1
    assert bench.out[0].arrived == arrived


async def test_half_a_telegram_is_given_up_when_the_line_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsmr_parser, "TICK_S", 0.01)
    bench = Bench(gap_s=0.1)
    async with running(bench.parser):
        bench.feed(GOOD[:300], now())
        await until(lambda: bench.refused)
    assert bench.refused == {RefusalReason.TRUNCATED: 1}
    assert bench.out == []


async def test_the_status_says_how_telegrams_fare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsmr_parser, "TICK_S", 0.01)
    bench = Bench()
    assert str(bench.parser.status) == "grey ring: not started"
    async with running(bench.parser):
        assert str(bench.parser.status) == "grey ring: no telegram yet"
        bench.feed(BAD, now())
        await until(lambda: str(bench.parser.status) == "red dot: 1 refused, none accepted yet")
        bench.feed(GOOD, now())
        await until(lambda: str(bench.parser.status) == "yellow dot: errors in the last minute")
        bench.meter._last_error = now() - 61
        await until(lambda: bench.parser.status.colour is Colour.GREEN)
        assert bench.parser.status.text == f"5, {len(bench.out[0].readings.lines)} readings"
        bench.feed(BAD, now())
        await until(lambda: str(bench.parser.status) == "yellow dot: wrong checksum")


async def test_the_status_says_for_how_long_there_was_no_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsmr_parser, "TICK_S", 0.01)
    bench = Bench()
    async with running(bench.parser):
        bench.feed(GOOD, now() - 42)
        await until(lambda: str(bench.parser.status) == "red dot: no telegram for 42 s")


async def test_the_parser_of_a_closed_line_rests_while_nothing_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsmr_parser, "TICK_S", 0.01)
    bench = Bench(gap_s=0.1, version="2.2")
    rest = bench.parser._rest
    bench.meter.note_line(is_open=False)
    bench.feed(GOOD, now())
    async with running(bench.parser):
        await until(lambda: bench.parser.status.colour is Colour.YELLOW)
        assert not rest.is_on
        bench.meter.serving.update(now())
        bench.feed(GOOD, now() - 42)
        await until(lambda: rest.is_on)
        assert str(bench.parser.status) == "red dot: no telegram for 42 s"
        bench.meter.note_line(is_open=True)
        assert not rest.is_on
        bench.feed(GOOD[:300], now())
        await until(lambda: bench.refused)


async def test_every_output_gets_the_readings_of_each_telegram_in_time() -> None:
    bench = Bench()
    some: list[Received | None] = []
    others: list[Received | None] = []
    bench.parser.readings.connect(bench.parser, some.append)
    bench.parser.readings.connect(bench.parser, others.append)
    for second in range(12):
        bench.feed(later(GOOD, second), 100.0 + second)
    assert some == others
    # The first one may be part of a backlog: it is served only if nothing follows it.
    assert [each and each.telegram.raw for each in some] == [later(GOOD, second) for second in range(1, 12)]


async def test_a_telegram_that_drips_in_is_as_old_as_its_first_bytes() -> None:
    bench = Bench()
    for second in range(12):
        bench.feed(later(GOOD, second), 100.0 + second)
    dripping = later(GOOD, 12)
    for at in range(0, len(dripping), 10):
        bench.feed(dripping[at : at + 10], 112.0 + at * 30 / len(dripping))
    received = bench.out[-1]
    assert received.telegram.raw == dripping
    assert received.arrived <= 112.0 + GAP_FAST_S + len(dripping) / SLOWEST_BYTES_PER_S
    assert not bench.meter.is_fresh(142.0)


async def test_readings_are_ready_before_the_checksum_and_served_after_it() -> None:
    bench = Bench()
    drafts: list[Readings] = []
    served: list[Received | None] = []
    bench.parser.drafts.connect(bench.parser, drafts.append)
    bench.parser.readings.connect(bench.parser, served.append)
    for second in range(3):
        bench.feed(later(GOOD, second), 100.0 + second)
    for second, last in ((3, later(GOOD, 3)[-8:]), (4, b"\n!0000\r\n")):
        bench.feed(later(GOOD, second)[:-8], 100.0 + second)
        assert len(drafts) == second - 2
        assert served[-1] is not None
        assert served[-1].readings is not drafts[-1]
        bench.feed(last, 100.0 + second)
    assert served[-1].readings is drafts[0]


async def test_two_meters_on_one_line_are_not_mixed_and_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    served: list[Received | None] = []
    bench.parser.readings.connect(bench.parser, served.append)
    other = own_telegram("v50_iskra-am550-solar")
    for second in range(30):
        bench.feed(later(GOOD, second), 100.0 + second)
        bench.feed(later(other, second), 100.5 + second)
    assert {each and each.readings.identification for each in served} == {GOOD[1 : GOOD.index(b"\r")].decode()}
    assert sum(text.startswith("two meters send on this line") for text in messages(caplog)) == 1


async def test_the_first_telegram_of_a_connection_is_served_after_a_quiet_moment() -> None:
    bench = Bench()
    served: list[Received | None] = []
    bench.parser.readings.connect(bench.parser, served.append)
    bench.feed(GOOD, 100.0)
    assert served == []
    ripen(bench.parser, 100.0)
    assert [each and each.measured for each in served] == [100.0]


async def test_a_source_that_repeats_itself_and_one_that_sends_the_past_are_not_served_and_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    served: list[Received | None] = []
    for second in range(12):
        bench.feed(later(GOOD, second), 100.0 + second)
    bench.parser.readings.connect(bench.parser, served.append)
    for second in range(12, 40):
        bench.feed(later(GOOD, 11), 100.0 + second)
    for second in range(40, 50):
        bench.feed(later(GOOD, second - 40), 100.0 + second)
    assert served == []
    assert not bench.meter.is_fresh(111.0 + 5.1)
    assert [text.partition(":")[0] for text in messages(caplog)[1:]] == [
        "the source repeats its last telegram",
        "the source sends telegrams of the past; their readings are not served",
    ]


def test_a_slow_line_may_pause_for_longer() -> None:
    assert GAP_SLOW_S > GAP_FAST_S


async def test_no_timer_runs_on_after_the_quiet_moment_in_which_a_telegram_became_the_served_one() -> None:
    bench = Bench()
    bench.feed(GOOD, 100.0)
    assert bench.meter.served is None
    assert bench.parser._ripe is not None
    ripen(bench.parser, 100.0)
    assert bench.meter.served is bench.out[0]
    assert bench.parser._ripe is None

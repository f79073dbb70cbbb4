"""The simulated meter: shapes per version, counters that agree with power, and the clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.obis_line import parse_timestamp
from gateway.protocol.p1.telegram import RefusedTelegram, Telegram, TelegramReader
from gateway.simulation.forms import simulated_meter
from gateway.simulation.household import ROLLOVER_WH, SLOT_S

METERS = {version: simulated_meter(version) for version in ("2.2", "4", "5")}
HOUR_S = 3600
ENERGIES = ("1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2")

MARCH = int(datetime(2025, 3, 30, 1, tzinfo=UTC).timestamp())
"""When summer time begins: 2:00 W is 3:00 S."""
OCTOBER = int(datetime(2025, 10, 26, 1, tzinfo=UTC).timestamp())
"""When it ends: 3:00 S is 2:00 W."""

versions = st.sampled_from(sorted(METERS))
times = st.integers(0, int(datetime(2099, 1, 1, tzinfo=UTC).timestamp()))
# Stamps have two digits for the year: outside of these years they can be read in two ways, or mean "never".
dated_times = st.integers(
    int(datetime(2001, 1, 2, tzinfo=UTC).timestamp()), int(datetime(2068, 12, 31, tzinfo=UTC).timestamp())
)

OCTETS = r"(?:[0-9A-F]{2})+"
STAMP = r"[0-9]{12}[SW]"
LINES_2_2 = {
    "0-0:96.1.1": rf"\({OCTETS}\)",
    **dict.fromkeys(ENERGIES, r"\([0-9]{5}\.[0-9]{3}\*kWh\)"),
    "0-0:96.14.0": r"\(000[12]\)",
    **dict.fromkeys(("1-0:1.7.0", "1-0:2.7.0"), r"\([0-9]{4}\.[0-9]{2}\*kW\)"),
    "0-0:17.0.0": r"\(0999\.00\*kW\)",
    "0-0:96.3.10": r"\(1\)",
    "0-0:96.13.1": r"\(\)",
    "0-0:96.13.0": r"\(\)",
    "0-1:24.1.0": r"\(3\)",
    "0-1:96.1.0": rf"\({OCTETS}\)",
    "0-1:24.3.0": r"\([0-9]{8}0000\)\(00\)\(60\)\(1\)\(0-1:24\.2\.1\)\(m3\)\r\n\([0-9]{5}\.[0-9]{3}\)",
    "0-1:24.4.0": r"\(1\)",
}
LINES_4 = {
    "1-3:0.2.8": r"\(42\)",
    "0-0:1.0.0": rf"\({STAMP}\)",
    "0-0:96.1.1": rf"\({OCTETS}\)",
    **dict.fromkeys(ENERGIES, r"\([0-9]{6}\.[0-9]{3}\*kWh\)"),
    "0-0:96.14.0": r"\(000[12]\)",
    **dict.fromkeys(("1-0:1.7.0", "1-0:2.7.0"), r"\([0-9]{2}\.[0-9]{3}\*kW\)"),
    **dict.fromkeys(("0-0:96.7.21", "0-0:96.7.9"), r"\([0-9]{5}\)"),
    "1-0:99.97.0": rf"\(1\)\(0-0:96\.7\.19\)\({STAMP}\)\([0-9]{{10}}\*s\)",
    **dict.fromkeys(("1-0:32.32.0", "1-0:52.32.0", "1-0:72.32.0"), r"\([0-9]{5}\)"),
    **dict.fromkeys(("1-0:32.36.0", "1-0:52.36.0", "1-0:72.36.0"), r"\([0-9]{5}\)"),
    "0-0:96.13.1": r"\(\)",
    "0-0:96.13.0": r"\(\)",
    **dict.fromkeys(("1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0"), r"\([0-9]{3}\*A\)"),
    **dict.fromkeys(("1-0:21.7.0", "1-0:41.7.0", "1-0:61.7.0"), r"\([0-9]{2}\.[0-9]{3}\*kW\)"),
    **dict.fromkeys(("1-0:22.7.0", "1-0:42.7.0", "1-0:62.7.0"), r"\([0-9]{2}\.[0-9]{3}\*kW\)"),
    "0-1:24.1.0": r"\(003\)",
    "0-1:96.1.0": rf"\({OCTETS}\)",
    "0-1:24.2.1": rf"\({STAMP}\)\([0-9]{{5}}\.[0-9]{{3}}\*m3\)",
}
VOLTAGES = ("1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0")
LINES_5 = {code: form for code, form in LINES_4.items() if code != "0-0:96.13.1"}
LINES_5 |= {"1-3:0.2.8": r"\(50\)", **dict.fromkeys(VOLTAGES, r"\([0-9]{3}\.[0-9]\*V\)")}
LINES = {"2.2": LINES_2_2, "4": LINES_4, "5": LINES_5}


def read(raw: bytes) -> dict[str, str]:
    """The value groups of each line by its OBIS code; a code that comes twice fails."""
    lines = re.findall(r"^(\d-\d:[\d.]+)((?:\([^()]*\)(?:\r\n(?=\())?)+)\r\n", raw.decode("ascii"), re.MULTILINE)
    assert len(dict(lines)) == len(lines)
    return dict(lines)


def number(groups: str) -> int:
    """The last number in `groups` in thousandths: W, Wh, mV or dm3."""
    return int(Decimal(re.findall(r"\(([0-9.]+)(?:\*\w+)?\)", groups)[-1]) * 1000)


def numbers(raw: bytes, *codes: str) -> list[int]:
    lines = read(raw)
    return [number(lines[code]) for code in codes]


def local(year: int, month: int, day: int, hour: int, minute: int = 0, second: int = 0) -> int:
    zone = ZoneInfo("Europe/Amsterdam")
    return int(datetime(year, month, day, hour, minute, second, tzinfo=zone).timestamp())


@pytest.mark.parametrize("version", ["", "3", "5Z", "../protocol/names"])
def test_unknown_version_is_refused(version: str) -> None:
    with pytest.raises(LookupError, match=f"there is no simulated meter of version '{version}'"):
        simulated_meter(version)


@given(versions, times)
@example("2.2", 0)
@example("5", OCTOBER - 1)
def test_every_telegram_has_the_lines_of_its_version(version: str, at: int) -> None:
    raw = METERS[version].telegram(at)
    assert raw.startswith(b"/SIM5\\2GATEWAY-DEMO\r\n\r\n")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    lines = read(raw)
    assert lines.keys() == LINES[version].keys()
    for code, groups in lines.items():
        assert re.fullmatch(LINES[version][code], groups), f"{code}{groups}"
    data_lines = raw.split(b"\r\n")[2:-2]
    assert len(data_lines) == len(lines) + (version == "2.2")


@given(versions, times)
def test_every_telegram_is_framed_and_checked(version: str, at: int) -> None:
    raw = METERS[version].telegram(at)
    (telegram,) = TelegramReader().feed(raw)
    assert isinstance(telegram, Telegram)
    assert telegram.raw == raw
    assert telegram.checked == (version != "2.2")
    assert re.fullmatch(rb"!\r\n" if version == "2.2" else rb"![0-9A-F]{4}\r\n", raw[telegram.end :])


def test_a_changed_digit_breaks_the_checksum() -> None:
    raw = METERS["5"].telegram(MARCH)
    (telegram,) = TelegramReader().feed(raw.replace(b"(50)", b"(51)"))
    assert isinstance(telegram, RefusedTelegram)


@given(versions, st.integers(-5, 5), st.lists(times, min_size=2, max_size=4))
@settings(max_examples=10)
def test_a_telegram_depends_on_version_seed_and_time_alone(version: str, seed: int, asked: list[int]) -> None:
    meter, other = simulated_meter(version, seed), simulated_meter(version, seed)
    forwards = [meter.telegram(at) for at in asked]
    backwards = [other.telegram(at) for at in reversed(asked)]
    assert forwards == backwards[::-1]


def test_a_telegram_is_the_same_on_every_machine() -> None:
    lines = read(simulated_meter("5", seed=7).telegram(local(2026, 6, 17, 14, 40, 3)))
    assert bytes.fromhex(lines["0-0:96.1.1"].strip("()")) == b"SIMULATED00000007"
    assert bytes.fromhex(lines["0-1:96.1.0"].strip("()")) == b"SIMULATEDG0000007"
    assert [lines[code] for code in (*ENERGIES, "1-0:1.7.0", "1-0:2.7.0", "0-1:24.2.1")] == [
        "(019492.005*kWh)",
        "(003012.054*kWh)",
        "(002581.171*kWh)",
        "(006216.400*kWh)",
        "(00.000*kW)",
        "(00.510*kW)",
        "(260617144000S)(01115.981*m3)",
    ]


def test_houses_differ() -> None:
    houses = [read(simulated_meter("4", seed).telegram(OCTOBER)) for seed in range(3)]
    assert len({house["1-0:21.7.0"] for house in houses}) > 1
    assert len({house["0-0:96.1.1"] for house in houses}) == 3


HOURS = {
    "sun": local(2026, 6, 17, 13),
    "evening": local(2026, 1, 14, 17, 30),
    "car": local(2026, 1, 13, 0, 0),
    "to tariff 1": local(2026, 3, 3, 22, 30),
    "to tariff 2": local(2026, 3, 4, 6, 30),
    "off a slot's start": local(2026, 3, 4, 9) + SLOT_S // 2,
    "new week": local(2026, 3, 9, 0) - HOUR_S // 2,
    "to summer time": MARCH - HOUR_S // 2,
    "to normal time": OCTOBER - HOUR_S // 2,
}


@pytest.mark.parametrize("start", HOURS.values(), ids=HOURS.keys())
@pytest.mark.parametrize(("version", "cadence_s", "rounding_w"), [("2.2", SLOT_S, 5), ("4", SLOT_S, 0), ("5", 1, 0)])
def test_counters_are_the_integral_of_power(version: str, cadence_s: int, rounding_w: int, start: int) -> None:
    meter = METERS[version]
    # A telegram's power lasts until the next one only where both keep step with the slots.
    start -= start % cadence_s
    imported_ws = exported_ws = 0
    for at in range(start, start + HOUR_S, cadence_s):
        power_import, power_export = numbers(meter.telegram(at), "1-0:1.7.0", "1-0:2.7.0")
        imported_ws += power_import * cadence_s
        exported_ws += power_export * cadence_s
    before, after = numbers(meter.telegram(start), *ENERGIES), numbers(meter.telegram(start + HOUR_S), *ENERGIES)
    import_t1, import_t2, export_t1, export_t2 = (late - early for early, late in zip(before, after, strict=True))
    # Each of the two counters is rounded down to 1 Wh, so neither can be a whole Wh off.
    slack_ws = (2 + rounding_w) * HOUR_S
    assert abs((import_t1 + import_t2) * HOUR_S - imported_ws) < slack_ws
    assert abs((export_t1 + export_t2) * HOUR_S - exported_ws) < slack_ws


def test_counters_do_not_drift_from_power_in_a_day_of_25_hours() -> None:
    meter, start, end = METERS["4"], local(2025, 10, 26, 0), local(2025, 10, 27, 0)
    assert end - start == 25 * HOUR_S
    powers = [numbers(meter.telegram(at), "1-0:1.7.0", "1-0:2.7.0") for at in range(start, end, SLOT_S)]
    net_ws = SLOT_S * sum(imported - exported for imported, exported in powers)
    before, after = numbers(meter.telegram(start), *ENERGIES), numbers(meter.telegram(end), *ENERGIES)
    import_t1, import_t2, export_t1, export_t2 = (late - early for early, late in zip(before, after, strict=True))
    assert import_t2 == export_t2 == 0
    assert abs((import_t1 - export_t1) * HOUR_S - net_ws) < 2 * HOUR_S


def test_weeks_count_alike_on_either_side_of_summer_time() -> None:
    mondays = [local(2026, month, day, 0) for month, day in ((1, 5), (1, 12), (6, 1), (6, 8), (11, 2), (11, 9))]
    totals = [numbers(METERS["5"].telegram(at), *ENERGIES) for at in mondays]
    winter, summer, winter_again = (
        [late - early for early, late in zip(totals[index], totals[index + 1], strict=True)] for index in (0, 2, 4)
    )
    for first, second, third in zip(winter, summer, winter_again, strict=True):
        assert first > 0
        assert abs(second - first) <= 1
        assert abs(third - first) <= 1


@given(versions, times, st.integers(1, 2 * HOUR_S))
@example("5", MARCH - 1, 1)
@example("5", OCTOBER - 1, 1)
@example("4", MARCH - HOUR_S, 2 * HOUR_S)
@example("4", OCTOBER - HOUR_S, 2 * HOUR_S)
def test_counters_never_fall_nor_jump(version: str, at: int, elapsed_s: int) -> None:
    codes = (*ENERGIES, "0-1:24.3.0" if version == "2.2" else "0-1:24.2.1")
    before, after = (
        numbers(METERS[version].telegram(at), *codes),
        numbers(METERS[version].telegram(at + elapsed_s), *codes),
    )
    for code, early, late in zip(codes, before, after, strict=True):
        most = 3 * 25 * 230 * elapsed_s // HOUR_S + 1 if code in ENERGIES else 300 * 3
        assert 0 <= (late - early) % ROLLOVER_WH <= most, code


@given(st.sampled_from(["4", "5"]), times)
def test_phases_add_up_to_the_total(version: str, at: int) -> None:
    raw = METERS[version].telegram(at)
    imported, exported = numbers(raw, "1-0:1.7.0", "1-0:2.7.0")
    phase_imports = numbers(raw, "1-0:21.7.0", "1-0:41.7.0", "1-0:61.7.0")
    phase_exports = numbers(raw, "1-0:22.7.0", "1-0:42.7.0", "1-0:62.7.0")
    assert imported - exported == sum(phase_imports) - sum(phase_exports)
    assert 0 in (imported, exported)
    assert all(0 in pair for pair in zip(phase_imports, phase_exports, strict=True))


@given(times)
def test_currents_are_power_by_voltage(at: int) -> None:
    raw = METERS["5"].telegram(at)
    for first_c in (21, 41, 61):
        codes = (f"1-0:{first_c}.7.0", f"1-0:{first_c + 1}.7.0", f"1-0:{first_c + 11}.7.0", f"1-0:{first_c + 10}.7.0")
        imported_w, exported_w, millivolts, milliamperes = numbers(raw, *codes)
        assert 207_000 <= millivolts <= 253_000
        assert milliamperes <= 25_000
        # What is reactive flows as well, and the meter shows whole amperes.
        active_ma = (imported_w + exported_w) * 1e6 / millivolts
        assert active_ma - 505 <= milliamperes <= 1.04 * active_ma + 700


def test_the_meter_nets_its_phases_at_noon() -> None:
    meter, noon = METERS["4"], local(2026, 6, 17, 13)
    telegrams = [meter.telegram(at) for at in range(noon, noon + HOUR_S, SLOT_S)]
    l1_import, l3_export, net_import, net_export = zip(
        *(numbers(raw, "1-0:21.7.0", "1-0:62.7.0", "1-0:1.7.0", "1-0:2.7.0") for raw in telegrams), strict=True
    )
    assert min(l1_import) > 0
    assert max(l3_export) > 0
    assert max(net_export) > 0
    assert len(set(zip(net_import, net_export, strict=True))) > 100


@pytest.mark.parametrize("version", METERS)
@pytest.mark.parametrize(
    ("at", "tariff"),
    [
        (local(2026, 3, 4, 6, 59, 59), 1),
        (local(2026, 3, 4, 7), 2),
        (local(2026, 3, 4, 22, 59, 59), 2),
        (local(2026, 3, 4, 23), 1),
        (local(2026, 7, 1, 6, 59, 59), 1),
        (local(2026, 7, 1, 7), 2),
        (local(2026, 3, 6, 22, 59, 59), 2),
        (local(2026, 3, 7, 12), 1),
        (local(2026, 3, 8, 12), 1),
        (local(2026, 3, 9, 6, 59, 59), 1),
        (local(2026, 3, 9, 7), 2),
    ],
)
def test_tariff_1_is_for_nights_and_weekends(version: str, at: int, tariff: int) -> None:
    before, after = METERS[version].telegram(at), METERS[version].telegram(at + 1)
    assert read(before)["0-0:96.14.0"] == f"(000{tariff})"
    idle = ("1-0:1.8.2", "1-0:2.8.2") if tariff == 1 else ("1-0:1.8.1", "1-0:2.8.1")
    assert numbers(before, *idle) == numbers(after, *idle)


@pytest.mark.parametrize("is_low", [True, False])
def test_only_the_tariff_in_force_counts(*, is_low: bool) -> None:
    start = local(2026, 6, 20 if is_low else 17, 11)
    before, after = (numbers(METERS["5"].telegram(at), *ENERGIES) for at in (start, start + 3 * HOUR_S))
    t1_import, t2_import, t1_export, t2_export = (late - early for early, late in zip(before, after, strict=True))
    assert (t1_import + t1_export > 0) == is_low
    assert (t2_import + t2_export > 0) == (not is_low)


@given(st.sampled_from(["4", "5"]), dated_times)
@example("4", OCTOBER - 1)
@example("5", OCTOBER)
def test_the_clock_tells_the_time(version: str, at: int) -> None:
    stamp = read(METERS[version].telegram(at))["0-0:1.0.0"].strip("()")
    assert parse_timestamp(stamp) == at


@pytest.mark.parametrize(
    ("at", "stamp"),
    [
        (OCTOBER - HOUR_S - 1, "251026015959S"),
        (OCTOBER - HOUR_S, "251026020000S"),
        (OCTOBER - 1, "251026025959S"),
        (OCTOBER, "251026020000W"),
        (OCTOBER + HOUR_S - 1, "251026025959W"),
        (OCTOBER + HOUR_S, "251026030000W"),
        (MARCH - 1, "250330015959W"),
        (MARCH, "250330030000S"),
    ],
)
def test_the_clock_follows_summer_time(at: int, stamp: str) -> None:
    assert read(METERS["5"].telegram(at))["0-0:1.0.0"] == f"({stamp})"


def test_both_october_hours_count() -> None:
    before, between, after = (
        sum(numbers(METERS["5"].telegram(at), *ENERGIES[:2])) for at in (OCTOBER - HOUR_S, OCTOBER, OCTOBER + HOUR_S)
    )
    assert between - before == pytest.approx(after - between, abs=1)
    assert between > before


@pytest.mark.parametrize(("version", "period_s"), [("4", HOUR_S), ("5", 300)])
def test_gas_is_read_once_in_a_period(version: str, period_s: int) -> None:
    meter, start = METERS[version], local(2026, 1, 14, 7)
    for period in range(start, start + 3 * HOUR_S, period_s):
        first = read(meter.telegram(period))["0-1:24.2.1"]
        assert parse_timestamp(first[1:14]) == period
        assert read(meter.telegram(period + period_s - 1))["0-1:24.2.1"] == first
        following = read(meter.telegram(period + period_s))["0-1:24.2.1"]
        assert following[1:14] > first[1:14]
        assert number(following) >= number(first)


def test_gas_of_2_2_has_a_stamp_without_season_and_its_value_below() -> None:
    lines = METERS["2.2"].telegram(local(2026, 7, 1, 7, 31)).split(b"\r\n")
    line = next(index for index, text in enumerate(lines) if text.startswith(b"0-1:24.3.0("))
    assert lines[line].startswith(b"0-1:24.3.0(260701070000)(00)")
    later = METERS["2.2"].telegram(local(2026, 7, 1, 8)).split(b"\r\n")
    assert number(later[line + 1].decode()) - number(lines[line + 1].decode()) == 280

"""Every version and country has its simulated meter, whose telegrams mean what the house did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.objects import CosemObject, MBusObject
from dsmr_parser.parsers import TelegramParser

import gateway.simulation.forms as module
from gateway.files.document import FileError
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.obis import Value
from gateway.protocol.p1.reading import Reading
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import TelegramReader
from gateway.protocol.p1.variants import VARIANTS
from gateway.simulation.forms import simulated_meter, simulated_versions
from gateway.simulation.household import SLOT_S, Scenario
from gateway.simulation.meter import SimulatedMeter

METERS = {version: simulated_meter(version) for version in simulated_versions()}
TAKEN_FOR = {"5S-FI": "5S"}
"""Finland's telegrams are Sweden's, by another clock."""
HOUR_S = 3600
WINTER_EVENING = int(datetime(2026, 1, 14, 17, tzinfo=UTC).timestamp())
SUMMER_NOON = int(datetime(2026, 6, 17, 11, tzinfo=UTC).timestamp())
MOMENTS = [WINTER_EVENING + 7, SUMMER_NOON, int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp())]

SPECIFICATIONS: dict[str, dict[str, Any]] = {
    "2.2": telegram_specifications.V2_2,
    "4": telegram_specifications.V4,
    "5": telegram_specifications.V5,
    "5B": telegram_specifications.BELGIUM_FLUVIUS,
    "5L": telegram_specifications.LUXEMBOURG_SMARTY,
    "5S": telegram_specifications.SWEDEN,
    "5EONHU": telegram_specifications.EON_HUNGARY,
    "ISKRA_IE": telegram_specifications.ISKRA_IE,
    "SAGEMCOM_T210_D_R": telegram_specifications.SAGEMCOM_T210_D_R,
    "Q3D": telegram_specifications.Q3D,
}


def received(meter: SimulatedMeter, at: int) -> Received:
    """What a gateway that knows nothing of the meter makes of its telegram."""
    (item,) = TelegramReader().feed(meter.telegram(at))
    result = MeterState("m", None, needs_two=False).take(item, 0, at)
    assert isinstance(result, Received), result
    assert result.readings.errors == ()
    return result


def values(meter: SimulatedMeter, at: int) -> dict[str, Value]:
    return dict(received(meter, at).readings.values)


def number(found: dict[str, Value], *names: str) -> Decimal:
    return sum((Decimal(found[name]) for name in names if name in found), Decimal(0))


def test_every_version_and_country_can_be_simulated() -> None:
    assert simulated_versions() == tuple(VARIANTS)


@pytest.mark.parametrize("at", MOMENTS)
@pytest.mark.parametrize("version", METERS)
def test_its_telegrams_are_believed_and_recognised(version: str, at: int) -> None:
    found = received(METERS[version], at)
    assert found.variant is VARIANTS[TAKEN_FOR.get(version, version)]
    assert found.telegram.checked == VARIANTS[version].has_checksum
    assert all(reading.name != reading.code for reading in found.readings.lines if reading.code not in UNNAMED)


UNNAMED = {"0-0:96.13.2", "0-0:96.13.3", "0-0:96.13.4", "0-0:96.13.5", "1-1:31.4.0"}
"""Messages of other parties and the limits in both directions: lines of Luxembourg that only their code names."""


@pytest.mark.parametrize("at", MOMENTS)
@pytest.mark.parametrize("version", SPECIFICATIONS)
def test_dsmr_parser_reads_the_same(version: str, at: int) -> None:
    found = received(METERS[version], at)
    # Meters there encrypt their telegrams; what is within is parsed alike.
    specification = {**SPECIFICATIONS[version], "general_global_cipher": False}
    parsed = TelegramParser(specification).parse(found.telegram.raw.decode("ascii"), throw_ex=True)
    items = [
        (name, item) for name, item in parsed if type(item) in (CosemObject, MBusObject) and item.value is not None
    ]
    if version.startswith("5S"):
        # dsmr_parser takes a W in summer for an hour too early.
        items = [(name, item) for name, item in items if name != "P1_MESSAGE_TIMESTAMP"]
    assert len(items) > 5
    for name, item in items:
        assert any(_says(reading, item) for reading in found.readings.lines), name


@pytest.mark.parametrize("at", MOMENTS)
def test_dsmr_parser_reads_the_same_peaks(at: int) -> None:
    raw = METERS["5B"].telegram(at).decode("ascii")
    parsed = TelegramParser(telegram_specifications.BELGIUM_FLUVIUS).parse(raw, throw_ex=True)
    months = parsed.BELGIUM_MAXIMUM_DEMAND_13_MONTHS
    assert len(months) == 13
    for month in months:
        ends, peaked = (each.astimezone(ZoneInfo("Europe/Brussels")) for each in (month.datetime, month.occurred))
        assert (ends.day, ends.hour, ends.minute) == (1, 0, 0)
        assert (ends - timedelta(seconds=1)).month == peaked.month
        assert month.value >= parsed.BELGIUM_CURRENT_AVERAGE_DEMAND.value
    assert [month.datetime for month in months] == sorted((month.datetime for month in months), reverse=True)


def _says(reading: Reading, parsed: CosemObject | MBusObject) -> bool:
    """Whether a line says what dsmr_parser found in some line."""
    if str(parsed.value) in reading.text and isinstance(parsed.value, str):
        return True
    if isinstance(parsed.value, datetime):
        return reading.value == int(parsed.value.timestamp())
    is_time_alike = not isinstance(parsed, MBusObject) or reading.time == int(parsed.datetime.timestamp())
    return reading.value == parsed.value and is_time_alike and parsed.unit in (reading.unit, None)


@pytest.mark.parametrize("start", [WINTER_EVENING, SUMMER_NOON], ids=["evening", "noon"])
@pytest.mark.parametrize("version", [each for each in METERS if each != "WARMTELINK"])
def test_counters_are_the_integral_of_power(version: str, start: int) -> None:
    meter = METERS[version]
    imported_ws = exported_ws = Decimal(0)
    for at in range(start, start + HOUR_S, SLOT_S):
        now = values(meter, at)
        # A meter that sends the net power with its sign shows that it does when the sign is a minus.
        exported = number(now, "power_export")
        net = number(now, "power_net") if "power_net" in now else number(now, "power_import") - exported
        imported_ws += max(net, Decimal(0)) * SLOT_S
        exported_ws += max(-net, Decimal(0)) * SLOT_S
    before, after = values(meter, start), values(meter, start + HOUR_S)
    slack_wh = 2 + (5 if version == "2.2" else 0)
    for direction, expected_ws in (("import", imported_ws), ("export", exported_ws)):
        names = (f"energy_{direction}_t1", f"energy_{direction}_t2")
        if names[0] not in before:
            names = (f"energy_{direction}", "")
        if names[0] in before:
            assert abs(number(after, *names) - number(before, *names) - expected_ws / HOUR_S) < slack_wh


@pytest.mark.parametrize("at", MOMENTS)
@pytest.mark.parametrize("version", METERS)
def test_totals_are_the_sums_of_their_parts(version: str, at: int) -> None:
    found = values(METERS[version], at)
    for name in ("energy_import", "energy_export", "reactive_energy_import", "reactive_energy_export"):
        if name in found and f"{name}_t1" in found:
            assert found[name] == number(found, f"{name}_t1", f"{name}_t2"), name
    if "energy_combined" in found:
        assert found["energy_combined"] == number(found, "energy_import", "energy_export")
        quadrants = number(found, *(f"reactive_energy_q{each}" for each in range(1, 5)))
        # Each counter is rounded down for itself.
        assert abs(quadrants - number(found, "reactive_energy_import", "reactive_energy_export")) <= 4
    if "power_import_l1" in found and version != "Q3D":
        phases = number(found, *(f"power_import_l{each}" for each in (1, 2, 3)))
        phases -= number(found, *(f"power_export_l{each}" for each in (1, 2, 3)))
        assert phases == number(found, "power_import") - number(found, "power_export")


@pytest.mark.parametrize("version", ["5B", "5EONHU"])
def test_tariff_1_is_the_days_in_belgium_and_hungary(version: str) -> None:
    found, dutch = values(METERS[version], WINTER_EVENING), values(METERS["5"], WINTER_EVENING)
    assert (found["tariff"], dutch["tariff"]) == (1, 2)
    assert found["energy_import_t1"] == dutch["energy_import_t2"]
    assert found["energy_import_t2"] == dutch["energy_import_t1"]


def test_sweden_keeps_normal_time_and_finland_too() -> None:
    for version, clock in (("5S", b"(260617120000W)"), ("5S-FI", b"(260617130000W)")):
        if version in METERS:
            assert b"0-0:1.0.0" + clock in METERS[version].telegram(SUMMER_NOON)
    assert b"0-0:1.0.0(260617130000S)" in METERS["5"].telegram(SUMMER_NOON)


@pytest.mark.parametrize("version", ["2.2", "4", "5", "5B"])
def test_an_exchanged_gas_meter_stops_counting_beside_the_new_one(version: str) -> None:
    meter = simulated_meter(version, scenario=Scenario.GAS_SWAP, started_at=WINTER_EVENING)
    channels = 2 if version == "5B" else 1
    before = values(meter, WINTER_EVENING + 299)
    after, later = values(meter, WINTER_EVENING + 300), values(meter, WINTER_EVENING + 3 * HOUR_S)
    new = f"mbus{channels + 1}"
    assert f"{new}_reading" not in before
    assert after[f"{new}_reading"] == 0
    assert 0 < later[f"{new}_reading"] < 1  # type: ignore[operator]
    assert later["mbus1_reading"] == after["mbus1_reading"] >= before["mbus1_reading"]  # type: ignore[operator]
    assert later["mbus1_reading_time"] == after["mbus1_reading_time"]
    assert later[f"{new}_reading_time"] == WINTER_EVENING + 3 * HOUR_S
    assert later[f"{new}_type"] == later["mbus1_type"] == 3
    assert later[f"{new}_identifier"] != later["mbus1_identifier"]


@pytest.mark.parametrize("version", ["5S", "Q3D", "ISKRA_IE"])
def test_where_there_is_no_gas_meter_none_is_exchanged(version: str) -> None:
    with pytest.raises(ValueError, match="has no gas meter"):
        simulated_meter(version, scenario=Scenario.GAS_SWAP)


def test_scenarios_make_the_house_that_they_promise() -> None:
    usual, solar, ev, uneven = (
        simulated_meter("5", scenario=each) for each in (None, Scenario.SOLAR, Scenario.EV, Scenario.THREE_PHASE)
    )
    noon, evening = values(solar, SUMMER_NOON), values(ev, WINTER_EVENING + 2 * HOUR_S)
    assert all(noon[f"power_export_l{phase}"] > 500 for phase in (1, 2, 3))  # type: ignore[operator]
    assert noon["power_export"] > 2 * Decimal(values(usual, SUMMER_NOON)["power_export"])  # type: ignore[operator]
    assert all(evening[f"power_import_l{phase}"] > 3300 for phase in (1, 2, 3))  # type: ignore[operator]
    both_ways = [values(uneven, SUMMER_NOON + at) for at in range(0, HOUR_S, 300)]
    assert any(each["power_import_l1"] > 3000 and each["power_export_l3"] > 0 for each in both_ways)  # type: ignore[operator]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_FOLDER", tmp_path)
    return tmp_path


FORM = "zone: Europe/Amsterdam\ntelegram: |\n  /SIM5\n\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("zone: Europe/Amsterdam\n", r"5\.yaml:1:1: telegram: is missing"),
        (FORM + "  {mbus}\n  !\n", r"5\.yaml:2:1: telegram: \{mbus\} and mbus: need each other"),
        (
            FORM + "  1-0:1.8.1({energy_imprt_t1:0.0*kWh})\n  !\n",
            r"5\.yaml:2:1: telegram: a meter has no value energy_imp",
        ),
        (FORM + "  1-0:1.8.1({energy_import_t1:9.9*kWh})\n  !\n", r"5\.yaml:2:1: telegram: .*9\.9\*kWh.* not a form"),
        (FORM + "  0-0:1.0.0({clock:000})\n  !\n", r"5\.yaml:2:1: telegram: a text cannot have the form of a number"),
        (FORM + "  0-0:1.0.0({clok})\n  !\n", r"5\.yaml:2:1: telegram: a meter has no value clok"),
        (FORM.replace("Europe/Amsterdam", "Europe/Gouda") + "  !\n", r"5\.yaml:1:1: zone: .*Europe/Gouda"),
    ],
)
def test_a_broken_file_is_reported_with_its_place(folder: Path, text: str, told: str) -> None:
    (folder / "5.yaml").write_text(text)
    with pytest.raises(FileError, match=told):
        simulated_meter("5")


def test_a_new_meter_takes_a_file_alone(folder: Path) -> None:
    (folder / "4.yaml").write_text(FORM + "  1-3:0.2.8(42)\n  1-0:1.7.0({power_import:000.0*W})\n  !\n")
    assert simulated_versions() == ("4",)
    assert simulated_meter("4").telegram(0).startswith(b"/SIM5\r\n\r\n1-3:0.2.8(42)\r\n1-0:1.7.0(")

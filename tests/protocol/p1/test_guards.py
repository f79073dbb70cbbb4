"""Guards of one line: what is withheld, with all that follows from it, and for which meter."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.counter_guard import Doubt
from gateway.protocol.p1.guards import METERS_KEPT, Guards, identity_of
from gateway.protocol.p1.meter import MeterState, Received
from gateway.protocol.p1.readings import Readings, read
from gateway.simulation.forms import simulated_meter, simulated_versions
from gateway.simulation.household import Scenario
from tests.conftest import SHARED_TELEGRAMS, needs_shared_telegrams
from tests.protocol.p1.stream import feed, only, telegram_of

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


def test_only_some_meters_are_kept() -> None:
    guards = Guards()
    for device in range(40, 60):
        sent(guards, float(device), device, 5000)
    assert len(guards._meters) == METERS_KEPT


def test_what_is_derived_from_a_withheld_reading_is_withheld_too() -> None:
    guards = Guards()
    sent(guards, 0, 41, 5_000_000)
    values = sent(guards, 1, 41, 0).values
    assert not {"energy_import_t1", "energy_import"} & values.keys()
    assert {"energy_import_t2", "equipment_identifier"} <= values.keys()


def test_a_meter_without_an_identifier_is_known_by_its_identification() -> None:
    assert identity_of(read(only(telegram_of("1-0:1.8.1(000001.000*kWh)")))) == "ISk5\\2M550T-1012"


@pytest.mark.parametrize("scenario", [None, *Scenario])
@pytest.mark.parametrize("version", [version for version in simulated_versions() if version != "Q3D"])
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

"""A simulated household: one week for each seed, counters that agree with power, and the effect of scenarios."""

from __future__ import annotations

import pytest

from gateway.simulation.household import HOUR_S, SLOT_S, SLOTS_PER_HOUR, WEEK_S, Scenario, simulate_week, tariff_of

SLOTS = WEEK_S // SLOT_S
WEEK = simulate_week(1)
DAY_SLOTS = 24 * SLOTS_PER_HOUR


def test_a_week_has_each_slot_of_each_phase() -> None:
    assert [len(phase) for phase in WEEK.powers] == [len(phase) for phase in WEEK.reactive] == [SLOTS] * 3


def test_a_seed_selects_a_household_and_always_the_same_one() -> None:
    assert simulate_week(1).powers == WEEK.powers
    assert simulate_week(2).powers != WEEK.powers


def test_import_and_export_of_both_tariffs_add_up_to_the_net_power() -> None:
    totals = {
        name: WEEK.sums(f"energy_{name}")[-1] for name in ("import_low", "import_normal", "export_low", "export_normal")
    }
    net = sum(sum(phase) for phase in WEEK.powers)
    assert totals["import_low"] + totals["import_normal"] - totals["export_low"] - totals["export_normal"] == net
    assert all(totals.values())


def test_the_reactive_quadrants_add_up_to_the_reactive_power() -> None:
    total = sum(WEEK.sums(f"reactive_energy_q{quadrant}")[-1] for quadrant in range(1, 5))
    assert total == sum(abs(sum(phases)) for phases in zip(*WEEK.reactive, strict=True))


@pytest.mark.parametrize("name", ["gas", "water", "heat", "energy_import_low", "reactive_energy_q1"])
def test_the_sums_of_a_counter_begin_at_zero_and_never_decrease(name: str) -> None:
    sums = WEEK.sums(name)
    assert (len(sums), sums[0]) == (SLOTS + 1, 0)
    assert list(sums) == sorted(sums)


@pytest.mark.parametrize("name", ["oil", "energy_import", "energy_q5"])
def test_a_counter_that_does_not_exist_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        WEEK.sums(name)


@pytest.mark.parametrize(
    ("hour", "tariff"), [(0, 1), (6, 1), (7, 2), (22, 2), (23, 1), (4 * 24 + 12, 2), (5 * 24 + 12, 1), (6 * 24 + 12, 1)]
)
def test_the_low_tariff_is_at_night_and_at_weekends(hour: int, tariff: int) -> None:
    assert tariff_of(hour) == tariff


def test_a_car_charges_on_three_phases_each_evening() -> None:
    charging = simulate_week(1, Scenario.EV).powers
    for day in range(7):
        at = day * DAY_SLOTS + 20 * HOUR_S // SLOT_S
        assert all(phase[at] > 3000 for phase in charging)


def test_a_solar_roof_exports_on_all_phases_at_noon() -> None:
    sunny = simulate_week(1, Scenario.SOLAR).powers
    at = 13 * HOUR_S // SLOT_S
    assert sum(phase[at] for phase in sunny) < 0


def test_phases_import_and_export_at_the_same_time() -> None:
    mixed = simulate_week(1, Scenario.THREE_PHASE).powers
    assert any(l1 > 2000 and l3 < 0 for l1, _, l3 in zip(*mixed, strict=True))

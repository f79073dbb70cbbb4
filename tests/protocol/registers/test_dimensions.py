"""Units of expressions: what they come to, and which ones do not go together."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.names import NAMES
from gateway.protocol.registers.dimensions import UnitError, dimension_of
from gateway.protocol.registers.expression import compile_expression


def unit(text: str) -> str | None:
    return dimension_of(compile_expression(text).tree)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("power_import", "W"),
        ("voltage_l1", "V"),
        ("energy_import", "Wh"),
        ("tariff", None),
        ("5", None),
        ("-power_net", "W"),
        ("power_import - power_export", "W"),
        ("energy_import_t1 + energy_import_t2", "Wh"),
        ("max(power_net_l1, power_net_l2, power_net_l3)", "W"),
        ("abs(power_net)", "W"),
        ("first(energy_import, energy_import_t1)", "Wh"),
        ("sign(current_l1, power_net_l1)", "A"),
        ("sign(tariff, power_net)", None),
        ("unless(power_net, voltage_l2, current_l3)", "W"),
        ('obis("1-0:1.7.0")', "W"),
        ('obis("1-0:1.7.0") - power_export', "W"),
    ],
)
def test_a_sum_or_a_choice_has_the_unit_of_its_parts(text: str, expected: str | None) -> None:
    assert unit(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("power_net * 2", "W"),
        ("2 * power_net", "W"),
        ("power_net / 3", "W"),
        ("power_net * tariff / 4", "W"),
        ("(power_import - power_export) / 2", "W"),
        ("energy_import / energy_export", None),
        ("voltage_l1 * current_l1", None),
        ("power_net / voltage_l1", None),
        ("1 / power_net", None),
        ("tariff * 2", None),
    ],
)
def test_a_factor_without_unit_keeps_the_unit_and_one_with_a_unit_loses_it(text: str, expected: str | None) -> None:
    assert unit(text) == expected


@pytest.mark.parametrize(
    "number", ["0", "100", "0.5", "-100", "--1", "2 * 3", "(1 + 2)", "-(4 / 2)", "abs(-5)", "max(1, 2)"]
)
@pytest.mark.parametrize(
    "form", ["power_net + {}", "power_net - {}", "{} - power_net", "max(power_net, {})", "first({}, power_net)"]
)
def test_a_plain_number_goes_with_any_unit(form: str, number: str) -> None:
    assert unit(form.format(number)) == "W"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("voltage_l1 + power_net", "voltage_l1, power_net cannot be combined: they are in V and W"),
        ("energy_import - power_import", "in W and Wh"),
        ("power_import - reactive_power_import", "in W and var"),
        ("power_net + tariff", "in W and a number without unit"),
        ("tariff - power_net", "in W and a number without unit"),
        ("power_net + energy_import / energy_export", "in W and a number without unit"),
        ("min(voltage_l1, current_l1)", "in A and V"),
        ("first(gas_reading, energy_import)", "in Wh and m3"),
        ("max(1, voltage_l1, power_net)", "in V and W"),
    ],
)
def test_parts_of_different_units_are_refused(text: str, why: str) -> None:
    with pytest.raises(UnitError, match=why):
        unit(text)


@pytest.mark.parametrize(
    "form",
    [
        "-{}",
        "{} * 2",
        "2 * {}",
        "{} / 2",
        "2 / {}",
        "{} / power_net",
        "power_net / {}",
        "power_net * {}",
        "abs({})",
        "first(power_net, {})",
        "power_net - {}",
        "sign({}, power_net)",
        "sign(current_l1, {})",
        "unless({}, power_net)",
        "unless(power_net, current_l1, {})",
    ],
)
def test_different_units_are_found_wherever_they_stand(form: str) -> None:
    with pytest.raises(UnitError):
        unit(form.format("(voltage_l1 + power_net)"))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_has_its_own_unit(name: str) -> None:
    assert unit(name) == NAMES[name].unit
    assert unit(f"first({name}, 0)") == NAMES[name].unit


def test_the_message_names_the_parts_and_their_units() -> None:
    with pytest.raises(UnitError) as caught:
        unit("max(voltage_l1, power_net, tariff)")
    assert str(caught.value) == (
        "voltage_l1, power_net, tariff cannot be combined: they are in V and W and a number without unit"
    )

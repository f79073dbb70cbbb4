"""A reading that is written as an OBIS code gets its name, and the spelling for codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.maps.codes import code_hint
from tests.maps.faults import faults_in


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1-0:32.7.0", 'Write voltage_l1, the name of this reading, or obis("1-0:32.7.0")'),
        ("1-0:32.7.0*255", 'Write voltage_l1, the name of this reading, or obis("1-0:32.7.0")'),
        ("32.7.0", 'Write voltage_l1, the name of this reading, or obis("1-0:32.7.0")'),
        ("96.14.0", 'Write tariff, the name of this reading, or obis("0-0:96.14.0")'),
        (" obis(1-0:1.8.1) ", 'Write energy_import_t1, the name of this reading, or obis("1-0:1.8.1")'),
        ("1-0:99.99.9", 'Write obis("1-0:99.99.9")'),
        ("power_net / 0", ""),
        ("230.5", ""),
    ],
)
def test_a_code_gets_the_spelling_that_a_map_has(text: str, hint: str) -> None:
    assert code_hint(text) == hint


def test_a_register_with_a_code_for_its_value_is_refused_with_the_name(tmp_path: Path) -> None:
    [problem] = faults_in(tmp_path, 'address: 0, name: a, type: uint16, value: "1-0:32.7.0", unit: V')
    assert problem.endswith('power_net / 1000. Write voltage_l1, the name of this reading, or obis("1-0:32.7.0")')


def test_a_bit_and_a_condition_with_a_code_are_refused_with_the_name(tmp_path: Path) -> None:
    problems = faults_in(
        tmp_path,
        'address: 0, name: a, type: bitfield, bits: {0: "0-0:96.3.10", 1: breaker}',
        head="requires: ['1-0:1.7.0']\n",
    )
    assert [problem.rpartition(". Write ")[2].split(",")[0] for problem in problems] == ["power_import", "breaker"]


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("0-0:96.1.1", 'Write "{equipment_identifier}"'),
        ("1-0:99.99.9", "A string takes readings by name: docs/register-maps.md"),
    ],
)
def test_a_string_does_not_hold_the_code_itself(tmp_path: Path, code: str, hint: str) -> None:
    [problem] = faults_in(tmp_path, f'address: 0, name: a, type: string, length: 8, value: "{code}"')
    assert problem.endswith(f"'{code}' is an OBIS code, and clients would read the code itself. {hint}")

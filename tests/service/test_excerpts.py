"""The lines around a problem, without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.problems.problem import Place, problem_of
from gateway.service.excerpts import MASK, excerpts, mask

TEXT = """\
meters:
  house:
    simulat: true
    stale_after: 10s
  barn: {}
modbus: []
"""


def test_the_lines_around_the_place_are_shown_with_the_length_of_its_word(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(TEXT)
    place = Place(str(file), 3, 5, "meters.house.simulat")
    (found,) = excerpts([problem_of("unknown-key", "unknown key", place=place)]).values()
    assert [number for number, _ in found.lines] == [1, 2, 3, 4, 5]
    assert found.lines[2] == (3, "    simulat: true")
    assert found.length == len("simulat")


def test_a_place_without_a_line_or_a_file_has_no_lines(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(TEXT)
    places = [Place(str(file)), Place("DSMR_GATEWAY_METER", 1, 1), Place(str(tmp_path), 1, 1), Place(str(file), 99, 1)]
    assert not excerpts(problem_of("a", "b", place=place) for place in places)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("source: mqtt://user:hunter2@broker/topic", f"source: mqtt://{MASK}@broker/topic"),
        ('brokers: ["mqtt://a", "mqtt://user:hunt/er@2@broker"]', f'brokers: ["mqtt://a", "mqtt://{MASK}@broker"]'),
        ("  password: hunter2", f"  password: {MASK}"),
        ('  {user: a, "token": abc}', f'  {{user: a, "token": {MASK}'),
        ("key: 00112233445566778899aabbccddeeff", f"key: {MASK}"),
        ("  - 00112233445566778899aabbccddeeff", f"  - {MASK}"),
        ("password_file: /etc/secret.txt", "password_file: /etc/secret.txt"),
        ("port: /dev/ttyUSB0", "port: /dev/ttyUSB0"),
    ],
)
def test_secrets_in_a_line_are_masked(line: str, shown: str) -> None:
    assert mask(line) == shown

"""The parts of a configuration fit each other, and every fault is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config
from tests.config.faults import faults_in, load

TWO = "meters:\n  house: {port: /dev/a}\n  barn: {host: 192.0.2.7, port: 2001}\n"


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    for text in ("", "# nothing\n", "meter:\n", "meters: {}\n"):
        config = load(tmp_path, text)
        assert config == Config() or not config.meters
        assert [meter.device for meter in config.all_meters().values()] == ["/dev/ttyUSB0"]


def test_meters_have_names_and_a_single_one_is_called_meter(tmp_path: Path) -> None:
    assert list(load(tmp_path, "meter: {port: /dev/a}").all_meters()) == ["meter"]
    config = load(tmp_path, f"{TWO}modbus: [{{units: {{1: {{meter: house}}, 2: {{meter: barn}}}}}}]")
    assert list(config.all_meters()) == ["house", "barn"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("metre: {}", ["1:1: metre: unknown key. Did you mean meter?"]),
        (
            "broker: {}",
            [
                (
                    "1:1: broker: unknown key. Known here: meter, meters, meters_file, defaults, modbus, passthrough,"
                    " push, mqtt, status_page, metrics, log, audit, state_dir"
                )
            ],
        ),
        ("meter: {}\nmeters: {a: {}}", ["1:1: meter: meter: and meters: are both given. Keep one of them"]),
        (
            f"{TWO}modbus: [{{units: {{1: {{}}}}}}]",
            ["4:19: modbus[0].units.1: there are several meters, and none is chosen. Add meter: house or barn"],
        ),
        (
            f"{TWO}modbus: [{{units: {{1: {{meter: huose}}}}}}]",
            ["4:23: modbus[0].units.1.meter: there is no meter 'huose'. Did you mean house?"],
        ),
        (
            "meter: {}\nmodbus: [{units: {1: {meter: zzz}}}]",
            ["2:23: modbus[0].units.1.meter: there is no meter 'zzz'. There are: meter"],
        ),
        (
            f"{TWO}modbus: [{{units: {{1: {{meter: house}}}}}}]\npassthrough: [{{}}]",
            ["5:15: passthrough[0]: there are several meters, and none is chosen. Add meter: house or barn"],
        ),
        (
            "passthrough: [{content: decrypted}]",
            ["1:16: passthrough[0].content: the telegrams of the meter are not decrypted. Add decryption to the meter"],
        ),
        (
            "meter: {decryption: {key_file: key}}\npassthrough: [{greet: newest}]",
            ["2:16: passthrough[0].greet: the newest telegram is kept in clear text, and the readers get encrypted"],
        ),
        (
            f"{TWO}modbus: [{{units: {{1: {{meter: house}}}}}}]\npassthrough: [{{meter: barn, writable: true}}]",
            ["5:29: passthrough[0].writable: the meter is not on a serial port. Only a serial port of this machine"],
        ),
        (
            "modbus: [{units: {1: {map: dsrm}, 2: {map: no.yaml}}}]",
            [
                "1:23: modbus[0].units.1.map: there is no register map 'dsrm'. Did you mean dsmr?",
                "1:39: modbus[0].units.2.map: there is no file ",
            ],
        ),
        (
            "modbus: [{listen: 5020}, {listen: ':5020'}]\npassthrough: [{listen: 5020}]",
            [
                "1:27: modbus[1].listen: :5020 is the address of modbus[0] already. Choose another port",
                "2:16: passthrough[0].listen: :5020 is the address of modbus[0] already. Choose another port",
            ],
        ),
        (
            "modbus: [{listen: 5020}, {listen: '192.0.2.1:5021'}]\nstatus_page: {listen: '127.0.0.1:5020'}",
            ["2:15: status_page.listen: 127.0.0.1:5020 is the address of modbus[0] already. Choose another port"],
        ),
        ("modbus: []", ["1:1: modbus: "]),
        (
            "modbus: [{serial: {port: /dev/a}, listen: 3, units: {1: {map: dsrm, meter: b}}}]",
            [
                "1:10: modbus[0]: a server on a serial line has no listen, transport, tls, allow or priority. Remove",
                "1:58: modbus[0].units.1.map: there is no register map 'dsrm'. Did you mean dsmr?",
                "1:69: modbus[0].units.1.meter: there is no meter 'b'. There are: meter",
            ],
        ),
        (
            "modbus: {listen: 502}",
            ['1:1: modbus: a list is expected (found keys with values). Begin each item with "- "'],
        ),
        (
            "modbus: [{units: {1: {map: cg-em24, on_stale: absent}}}]",
            ["1:37: modbus[0].units.1.on_stale: clients of cg-em24 would read the codes for absent values as"],
        ),
    ],
)
def test_an_invalid_value_is_reported(tmp_path: Path, text: str, told: list[str]) -> None:
    found = faults_in(tmp_path, text)
    assert all(fault.startswith(start) for fault, start in zip(found, told, strict=True)), found


def test_faults_of_all_parts_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        "meter: {prot: /dev/a, dsmr_version: 7, watchdog: x}\n"
        "modbus:\n  - {lisen: 3}\n  - units:\n      1: {mpa: x}\n      300: {}\n"
        "passthrough:\n  - {mode: rwa}\n"
    )
    assert {fault.split(" ")[1] for fault in faults_in(tmp_path, text)} == {
        "meter.prot:",
        "meter.dsmr_version:",
        "meter.watchdog:",
        "modbus[0].lisen:",
        "modbus[1].units.1.mpa:",
        "modbus[1].units.300:",
        "passthrough[0].mode:",
    }


def test_faults_between_all_parts_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        "meter: {}\nmeters: {a: {}}\n"
        "modbus:\n  - {listen: 1, units: {1: {meter: b}, other: 2}}\n  - {listen: 1, units: {1: {map: dsmrr}}}\n"
        "passthrough:\n  - {listen: 1, meter: c}\n"
    )
    assert [fault.split(" ")[1] for fault in faults_in(tmp_path, text)] == [
        "meter:",
        "modbus[0].units.1.meter:",
        "modbus[0].units.other:",
        "modbus[1].listen:",
        "modbus[1].units.1.map:",
        "passthrough[0].listen:",
        "passthrough[0].meter:",
    ]


def test_ports_that_do_not_get_in_each_others_way_are_left_alone(tmp_path: Path) -> None:
    text = (
        "modbus: [{listen: ':5020'}, {listen: ':5020', transport: udp, allow: [192.0.2.0/24]}, "
        "{listen: '127.0.0.1:0'}, {listen: '127.0.0.1:0'}, {serial: {port: /dev/a}}, {serial: {port: /dev/b}}]"
    )
    assert len(load(tmp_path, text).modbus) == 6


def test_problems_of_all_stages_are_reported_at_once_and_nothing_else(tmp_path: Path) -> None:
    text = (
        "meters:\n  house: {port: /dev/p1}\n  barn: {host: 192.0.2.7, port: 2001}\n"
        "modbus:\n"
        "  - lisen: 5020\n"
        "    units:\n"
        "      1: {meter: house, map: dsrm}\n"
        "      2: {meter: barn, map: none.yaml}\n"
        "      3: {meter: shed}\n"
    )
    none = tmp_path / "none.yaml"
    assert faults_in(tmp_path, text) == [
        "5:5: modbus[0].lisen: unknown key. Did you mean listen?",
        "7:25: modbus[0].units.1.map: there is no register map 'dsrm'. Did you mean dsmr?",
        f"8:24: modbus[0].units.2.map: there is no file {none}. Relative paths begin at the folder of gateway.yaml",
        "9:11: modbus[0].units.3.meter: there is no meter 'shed'. There are: house, barn",
    ]


def test_problems_of_a_map_and_of_yaml_are_reported_with_those_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("registers:\n  - {address: 0, name: a, type: uint16, value: pwer_net}\n")
    text = "meter: {watchdog: 30s, watchdog: 1m}\nmodbus: [{units: {1: {map: own.yaml, meter: x}}, tlls: 1}]\n"
    found = [fault.replace(str(tmp_path / "own.yaml"), "own.yaml") for fault in faults_in(tmp_path, text)]
    assert [fault.split(" ")[1] for fault in found] == [
        "meter.watchdog:",
        "modbus[0].units.1.meter:",
        "modbus[0].tlls:",
        "registers[0].value:",
    ]
    assert found[3].startswith("own.yaml:2:")


@pytest.mark.parametrize(
    "text",
    [
        "meter: {prot: x, host: 5}\nmodbus: [{units: {1: {meter: meter}}}]",
        "meters: {house: {prot: x}, barn: {}}\nmodbus: [{units: {1: {meter: house}}}]",
        "modbus: [{listen: x}, {listen: y}]",
        "modbus: [{listen: ':502', units: {1: {mpa: dsmr}}}]",
        "modbus: [{units: {1: {meter: 5}}}]",
        "passthrough: [{listen: 1, mode: rwa, meter: 7}]",
        "modbus: [{serial: {baudrate: 9600}}]",
    ],
)
def test_a_default_in_place_of_an_invalid_value_has_no_problems_of_its_own(tmp_path: Path, text: str) -> None:
    for fault in faults_in(tmp_path, text):
        assert "there is no meter" not in fault
        assert "address of" not in fault
        assert "none is chosen" not in fault


UNIT_BESIDE_UNITS = 'modbus:\n  - listen: ":502"\n    units:\n    1: {map: dsmr}\n'
LISTEN_IN_UNIT = 'modbus:\n  - units:\n      1:\n        listen: ":502"\n'
UNITS_BESIDE_MODBUS = 'modbus:\n  - listen: ":502"\nunits:\n  1: {map: dsmr}\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "meter:\nport: /dev/a\n",
            "2:1: port: unknown key. It belongs in meter. Indent it by two spaces more than line 1",
        ),
        (
            "meter:\n  simulate: true\nwatchdog: 9\n",
            "3:1: watchdog: unknown key. It belongs in meter. Indent it with 2 spaces",
        ),
        (
            "meter:\n  port: /dev/a\n  modbus: []\n",
            "3:3: meter.modbus: unknown key. It belongs beside meter, not in it. Begin a line with it",
        ),
        (
            LISTEN_IN_UNIT,
            "4:9: modbus[0].units.1.listen: unknown key. It belongs beside units, not in it. Indent it with 4 spaces",
        ),
        (UNITS_BESIDE_MODBUS, "3:1: units: unknown key. It belongs in an item of modbus. Indent it with 4 spaces"),
        (
            'modbus:\nlisten: ":502"\n',
            (
                "2:1: listen: unknown key. It belongs in modbus. "
                'Write "- listen: ..." below line 1, indented by two spaces'
            ),
        ),
        (
            UNIT_BESIDE_UNITS,
            "4:5: modbus[0].1: unknown key. It belongs in units. Indent it by two spaces more than line 3",
        ),
    ],
)
def test_a_key_on_the_wrong_level_is_reported_with_its_level(tmp_path: Path, text: str, expected: str) -> None:
    assert faults_in(tmp_path, text)[-1] == expected

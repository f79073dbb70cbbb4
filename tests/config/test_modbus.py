"""`modbus:` says what is served where; everything has a default, and what cannot be is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.modbus import ModbusConfig, UnitConfig, long_waits
from gateway.protocol.modbus.unit import OnStale
from tests.config.faults import faults_in, load


def server(folder: Path, text: str) -> ModbusConfig:
    (config,) = load(folder, f"modbus:\n  - {{{text}}}").modbus
    return config


def test_without_a_word_the_native_map_is_served_on_the_standard_port(tmp_path: Path) -> None:
    for config in (server(tmp_path, ""), *load(tmp_path, "").modbus):
        assert str(config) == ":502"
        assert config.transport == "tcp"
        assert config.units == {1: UnitConfig(meter=None, map="dsmr", on_stale=OnStale.EXCEPTION)}
        assert config.other is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("listen: 5020", ":5020"),
        ("listen: '[::1]:5020'", "[::1]:5020"),
        ("transport: udp, allow: [192.0.2.0/24]", ":502 udp"),
        ("transport: rtu_over_tcp, listen: ':5020'", ":5020 rtu_over_tcp"),
        ("serial: {port: /dev/ttyUSB1}", "/dev/ttyUSB1"),
        ("tls: {certificate: a.pem, key: a.key}", ":802"),
        ("tls: {certificate: a.pem, key: a.key}, listen: ':8802'", ":8802"),
    ],
)
def test_a_server_is_named_after_what_clients_connect_to(tmp_path: Path, text: str, shown: str) -> None:
    assert str(server(tmp_path, text)) == shown


def test_units_have_their_options_and_one_may_answer_for_all_others(tmp_path: Path) -> None:
    config = server(
        tmp_path,
        "units: {1: {}, 2: {map: abb-b23, on_stale: silent, stale_after: 7s}, 240: {test_pattern: true}, other: 2}",
    )
    assert list(config.units) == [1, 2, 240]
    assert config.other == 2
    second = config.units[2]
    assert (second.map, second.on_stale, second.stale_after) == ("abb-b23", OnStale.SILENT, 7)
    assert config.units[240].test_pattern


def test_a_unit_may_hold_repeated_requests_back(tmp_path: Path) -> None:
    units = server(
        tmp_path, "units: {1: {}, 2: {repeat: wait}, 3: {repeat: wait, wait_up_to: 900ms}, 4: {repeat: busy}}"
    ).units
    assert [unit.repeat for unit in units.values()] == ["serve", "wait", "wait", "busy"]
    assert [unit.wait_up_to for unit in units.values()] == [None, None, 0.9, None]


def test_a_wait_that_is_longer_than_the_patience_of_most_clients_gets_a_remark(tmp_path: Path) -> None:
    config = server(
        tmp_path, "units: {1: {repeat: wait, wait_up_to: 3s}, 7: {repeat: wait, wait_up_to: 3100ms}}, listen: 5020"
    )
    (remark,) = long_waits([config])
    assert remark == "unit 7 of :5020: wait_up_to is 3.1 s; many clients wait 1 to 3 s for a response"


def test_a_serial_line_has_the_settings_of_its_guide_unless_configured(tmp_path: Path) -> None:
    serial = server(tmp_path, "serial: {port: /dev/a}").serial
    assert serial is not None
    assert (serial.baudrate, serial.bytesize, serial.parity, serial.stopbits) == (19200, 8, "E", 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lisen: 3", "2:6: modbus[0].lisen: unknown key. Did you mean listen?"),
        (
            "listen: ':65536'",
            "2:6: modbus[0].listen: this is not an address to listen on (found ':65536'). Write it like",
        ),
        ("transport: tpc", "2:6: modbus[0].transport: 'tpc' is not one of tcp, rtu_over_tcp, udp. Did you mean tcp?"),
        ("units: {256: {}}", "2:14: modbus[0].units.256: at most 255 is expected"),
        ("units: {-1: {}}", "2:14: modbus[0].units.-1: 0 or more is expected"),
        ("units: {one: {}}", "2:14: modbus[0].units.one: a whole number is expected"),
        ("units: {1: {mpa: dsmr}}", "2:18: modbus[0].units.1.mpa: unknown key. Did you mean map?"),
        ("units: {1: {on_stale: hodl}}", "2:18: modbus[0].units.1.on_stale: 'hodl' is not one of exception, silent, "),
        ("units: {1: {stale_after: x}}", "2:18: modbus[0].units.1.stale_after: this is not a duration (found 'x')"),
        ("units: {1: {}, '1': {}}", "2:21: modbus[0].units.1: the key is given twice, first on line 2"),
        ("units: {1: {}, other: 2}", "2:21: modbus[0].units.other: unit 2 is not configured. Configured are: 1"),
        ("units: {}", "2:6: modbus[0].units: "),
        ("units: {other: 1}", "2:6: modbus[0].units: "),
        ("units: [1]", "2:6: modbus[0].units: keys with values are expected (found a list)"),
        ("max_clients: 0", "2:6: modbus[0].max_clients: 1 or more is expected (found 0)"),
        ("max_clients: 501", "2:6: modbus[0].max_clients: at most 500 is expected (found 501)"),
        (
            "units: {1: {}, other: all}",
            "2:5: modbus[0]: other: 'all' in units is not a unit id. Write the number of a unit",
        ),
        ("tls: {certificate: a.pem}", "2:6: modbus[0].tls.key: is missing"),
        (
            "tls: {certificate: a, key: b}, transport: rtu_over_tcp",
            "2:5: modbus[0]: tls needs transport: tcp (found rtu_over_tcp)",
        ),
        ("serial: {}", "2:6: modbus[0].serial.port: is missing"),
        ("serial: {port: /dev/a}, listen: 3", "2:5: modbus[0]: a server on a serial line has no listen, "),
        ("serial: {port: /dev/a}, units: {0: {}}", "2:5: modbus[0]: on a serial line, unit id 0 is the broadcast"),
        (
            "units: {1: {wait_up_to: 1s}}",
            "2:14: modbus[0].units.1: wait_up_to needs repeat: wait (found serve). Add repeat: wait, or remove it",
        ),
        ("units: {1: {repeat: busy, wait_up_to: 1s}}", "2:14: modbus[0].units.1: wait_up_to needs repeat: wait"),
        ("units: {1: {repeat: hold}}", "2:18: modbus[0].units.1.repeat: "),
        ("units: {1: {repeat: wait, wait_up_to: 0s}}", "2:32: modbus[0].units.1.wait_up_to: "),
        (
            "serial: {port: /dev/a}, units: {1: {repeat: wait}}",
            "2:5: modbus[0]: on a serial line a request that waits keeps all other devices waiting. Configure repeat: ",
        ),
        (
            "transport: udp",
            "2:5: modbus[0]: UDP without allow: anybody can make the gateway send to others, with a false sender's ",
        ),
        (
            "transport: udp, allow: [192.0.2.7], max_clients: 3",
            "2:5: modbus[0]: UDP has no connections. Remove max_clients, ",
        ),
        ("identification: {vendor_name: " + "x" * 101 + "}", "2:23: modbus[0].identification.vendor_name: "),
    ],
)
def test_a_fault_of_a_server_is_reported(tmp_path: Path, text: str, told: str) -> None:
    (found,) = faults_in(tmp_path, f"modbus:\n  - {{{text}}}")
    assert found.startswith(told)


def test_an_invalid_network_is_reported(tmp_path: Path) -> None:
    for key in ("allow", "priority"):
        (told,) = faults_in(tmp_path, f"modbus:\n  - {{{key}: [192.0.2.0/24, 192.0.2.300]}}")
        assert told.startswith(
            f"2:{len(key) + 23}: modbus[0].{key}[1]: this is not a network (found '192.0.2.300')."
        ), told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "meter: {on_stale: silent}\nmodbus: [{units: {1: {}}}]",
            "1:9: meter.on_stale: unknown key. It belongs in modbus[0].units.1",
        ),
        ("meter: {on_stale: silent}", "1:9: meter.on_stale: unknown key. It belongs in modbus[0].units.1"),
        (
            "modbus: [{listen: 5020, on_stale: silent}]",
            "1:25: modbus[0].on_stale: unknown key. It belongs in modbus[0].units.1",
        ),
        (
            "on_stale: silent\nmodbus: [{units: {1: {}}}]",
            "1:1: on_stale: unknown key. It belongs in modbus[0].units.1",
        ),
        (
            "meter: {}\nmodbus: [{stale_after: 9s, units: {1: {}}}]",
            "2:11: modbus[0].stale_after: unknown key. It belongs in modbus[0].units.1",
        ),
        (
            "modbus: [{units: {on_stale: silent, 1: {}}}]",
            "1:10: modbus[0]: on_stale is a key of a unit, and units has unit ids. Write it below the number",
        ),
    ],
)
def test_a_key_of_a_unit_on_another_level_is_reported_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    (found,) = faults_in(tmp_path, text)
    assert found.startswith(told)

"""`defaults:`, values for the keys that a meter, a unit or a server does not give itself."""

from __future__ import annotations

from pathlib import Path

from tests.config.faults import faults_in, load

DEFAULTS = (
    "defaults:\n"
    '  meter: {dsmr_version: "5", port: 2001, poll: 500ms, baudrate: 9600, watchdog: 20s}\n'
    "  unit: {map: abb-b23, on_stale: silent, repeat: wait, wait_up_to: 500ms}\n"
    "  modbus: {max_clients: 4, idle_timeout: 60s, identification: {vendor_name: Ours}}\n"
)


def test_what_is_given_wins_and_the_rest_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text(
        "name,host,dsmr_version,watchdog,listen,unit,map,max_clients\na,192.0.2.1,,,:5020,1,,\nb,192.0.2.2,4,5s,:5021,1,dsmr,9\n"
    )
    config = load(tmp_path, DEFAULTS + "meters_file: meters.csv\n")
    a, b = config.meters.values()
    assert (a.host, a.port, a.dsmr_version, a.watchdog) == ("192.0.2.1", "2001", "5", 20)
    assert (b.host, b.port, b.dsmr_version, b.watchdog) == ("192.0.2.2", "2001", "4", 5)
    first, second = config.modbus
    assert (first.max_clients, second.max_clients, second.idle_timeout) == (4, 9, 60)
    assert (first.units[1].map, second.units[1].map, second.units[1].on_stale) == ("abb-b23", "dsmr", "silent")


def test_a_default_holds_for_those_that_can_have_the_key(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        DEFAULTS + "meters:\n"
        "  polled: {source: 'http://192.0.2.1/telegram'}\n"
        "  streamed: {source: 'ws://192.0.2.2/ws'}\n"
        "  cable: {port: /dev/p1}\n"
        "  host: {host: 192.0.2.3}\n"
        "modbus:\n"
        "  - {listen: 1, units: {1: {meter: polled, repeat: serve}}}\n"
        "  - {listen: 1, transport: udp, allow: [192.0.2.0/24], units: {1: {meter: cable}}}\n"
        "  - {serial: {port: /dev/rtu}, units: {1: {meter: host, repeat: busy}}}\n",
    )
    assert {name: meter.poll for name, meter in config.meters.items()} == {
        "polled": 0.5,
        "streamed": None,
        "cable": None,
        "host": None,
    }
    assert [name for name, meter in config.meters.items() if meter.baudrate] == ["cable"]
    assert [name for name, meter in config.meters.items() if meter.port == "2001"] == ["host"]
    assert config.modbus[0].units[1].wait_up_to is None
    assert config.modbus[1].units[1].wait_up_to == 0.5
    assert config.modbus[1].idle_timeout is None
    assert config.modbus[2].identification.vendor_name == "Ours"


def test_keys_inside_a_key_are_completed(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "defaults: {modbus: {identification: {vendor_name: Ours, model_name: P1}}}\n"
        "modbus: [{identification: {model_name: P2}}]\n",
    )
    assert (config.modbus[0].identification.vendor_name, config.modbus[0].identification.model_name) == ("Ours", "P2")


def test_defaults_alone_are_a_whole_configuration(tmp_path: Path) -> None:
    config = load(tmp_path, "defaults: {meter: {simulate: true}, unit: {map: abb-b23}, modbus: {max_clients: 4}}")
    (meter,) = config.all_meters().values()
    (server,) = config.modbus
    assert (meter.simulate, server.max_clients, server.units[1].map) == (True, 4, "abb-b23")


def test_a_default_that_is_not_valid_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text("name,host,port,unit\na,192.0.2.1,1,1\nb,192.0.2.2,1,2\n")
    root = (
        "meters_file: meters.csv\n"
        "defaults:\n"
        "  meter: {dsmr_version: 7, wachdog: 5s}\n"
        "  unit: {on_stale: never, meter: a}\n"
        "  modbus: {listen: 5020}\n"
        "  meters: {}\n"
    )
    found = faults_in(tmp_path, root)
    assert [each.split(": ")[1] for each in found] == [
        "defaults.meter.dsmr_version",
        "defaults.meter.wachdog",
        "defaults.unit.on_stale",
        "defaults.unit.meter",
        "defaults.modbus.listen",
        "defaults.meters",
    ], found

"""Exports of a unit on a serial line: the settings of the line, and a serial port to replace."""

from __future__ import annotations

import tomllib

import pytest
import yaml

from gateway.exports import FORMATS, ExportedUnit, ExportError, Target, export
from gateway.maps.load import load_map, map_names
from gateway.protocol.p1.variants import SerialSettings
from tests.exports.readers import node_red_nodes

PROGRAMS = [form for form in FORMATS if "serial" in FORMATS[form].transports]


def on_line(line: SerialSettings) -> ExportedUnit:
    return ExportedUnit(load_map(map_names()["abb-b23"]), Target("/dev/ttyRS485", 0, 11, "serial", line))


FAST_EVEN = on_line(SerialSettings(19_200, 8, "E"))
SLOW_ODD = on_line(SerialSettings(9600, 8, "O", 2))


@pytest.mark.parametrize("form", [form for form in PROGRAMS if form != "node-red"])
def test_a_remark_has_the_settings_and_says_what_to_replace(form: str) -> None:
    head = export(form, [FAST_EVEN]).splitlines()[:2]
    assert head == [
        "# RTU, 19200 baud, 8E1, to '/dev/ttyRS485' of the gateway.",
        "# Replace /dev/ttyUSB0 by the serial port of the machine that runs this program.",
    ]


def test_evcc_gets_baud_rate_comset_and_unit_id_of_the_line() -> None:
    (meter,) = yaml.safe_load(export("evcc", [FAST_EVEN]))["meters"]
    for source in (meter["power"], meter["energy"]):
        del source["register"]
        source.pop("scale", None)
        assert source == {"source": "modbus", "device": "/dev/ttyUSB0", "baudrate": 19_200, "comset": "8E1", "id": 11}


def test_evcc_gets_no_line_that_it_cannot_open() -> None:
    with pytest.raises(ExportError, match="evcc reads serial lines with 8N1 or 8E1, /dev/ttyRS485 has 8O2"):
        export("evcc", [SLOW_ODD])


def test_home_assistant_gets_a_serial_hub() -> None:
    (hub,) = yaml.safe_load(export("home-assistant", [SLOW_ODD]))["modbus"]
    assert {sensor["slave"] for sensor in hub.pop("sensors")} == {11}
    assert hub == {
        "name": "dsmr_gateway_dev_ttyrs485",
        "type": "serial",
        "method": "rtu",
        "port": "/dev/ttyUSB0",
        "baudrate": 9600,
        "bytesize": 8,
        "parity": "O",
        "stopbits": 2,
    }


def test_telegraf_gets_a_controller_on_a_file() -> None:
    (plugin,) = tomllib.loads(export("telegraf", [SLOW_ODD]))["inputs"]["modbus"]
    expected = {
        "controller": "file:///dev/ttyUSB0",
        "transmission_mode": "RTU",
        "baud_rate": 9600,
        "data_bits": 8,
        "parity": "O",
        "stop_bits": 2,
    }
    assert plugin.items() >= expected.items()


def test_node_red_gets_a_serial_client() -> None:
    (client,) = node_red_nodes(export("node-red", [SLOW_ODD]))["modbus-client"]
    assert client["name"] == "gateway /dev/ttyRS485, 9600 8O2: set the serial port"
    expected = {
        "clienttype": "simpleser",
        "serialPort": "/dev/ttyUSB0",
        "serialType": "RTU-BUFFERD",
        "unit_id": "11",
        "serialBaudrate": "9600",
        "serialDatabits": "8",
        "serialParity": "odd",
        "serialStopbits": "2",
        "parallelUnitIdsAllowed": False,
    }
    assert client.items() >= expected.items()

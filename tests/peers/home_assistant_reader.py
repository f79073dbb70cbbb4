"""Run with Home Assistant's own libraries: what its modbus integration makes of configurations.

    python home_assistant_reader.py check FILE...     # a list of what it does not take
    python home_assistant_reader.py read FILE         # the values of the sensors by name

It stands alone: nothing of the gateway or its tests is loaded.
"""

import json
import sys
from pathlib import Path

import yaml
from homeassistant.components import modbus
from homeassistant.components.modbus.sensor import ModbusRegisterSensor
from homeassistant.components.sensor.const import DEVICE_CLASS_UNITS
from pymodbus.client import ModbusTcpClient


def configured(file):
    """The hub of a configuration, as Home Assistant checks and completes it."""
    (hub,) = modbus.CONFIG_SCHEMA(yaml.safe_load(Path(file).read_text("utf-8")))["modbus"]
    return hub


def check(files):
    """What is not taken: a whole file, or a unit that does not go with its device class."""
    refused = []
    for file in files:
        try:
            sensors = configured(file)["sensors"]
        except Exception as error:
            refused.append(f"{file}: {error}")
            continue
        for sensor in sensors:
            device_class = sensor.get("device_class")
            if device_class and sensor.get("unit_of_measurement") not in DEVICE_CLASS_UNITS[device_class]:
                refused.append(f"{file}: {sensor['name']}: {device_class} in {sensor.get('unit_of_measurement')}")
    return refused


class Hub:
    """As much of its hub as a sensor asks for when it is made."""

    name = "hub"


def read(file):
    """The values, each asked for and decoded as the sensor does it."""
    hub = configured(file)
    client = ModbusTcpClient(hub["host"], port=hub["port"])
    client.connect()
    values = {}
    for entry in hub["sensors"]:
        sensor = ModbusRegisterSensor(None, Hub(), entry, 0)
        ask = client.read_holding_registers if entry["input_type"] == "holding" else client.read_input_registers
        answer = ask(entry["address"], count=sensor._count, slave=entry["slave"])
        said = sensor.unpack_structure_result(answer.registers)
        values[entry["name"].partition(" (")[0]] = None if said in (None, "nan") else float(said)
    client.close()
    return values


if __name__ == "__main__":
    print(json.dumps(check(sys.argv[2:]) if sys.argv[1] == "check" else read(sys.argv[2])))

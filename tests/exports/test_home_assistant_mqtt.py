"""What Home Assistant is told about a meter: a sensor for each reading that has one, and when it is available."""

from __future__ import annotations

import json

import pytest

from gateway.exports.home_assistant_mqtt import Device, discovery, discovery_topic, sensors_of

HOUSE = Device("site-12", "house", "DSMR 5", "1.0", "p/readings", "p/availability", "p/status", 5)


def test_a_sensor_has_the_unit_and_class_that_home_assistant_knows() -> None:
    names = ["power_net", "energy_import_t1", "gas_reading", "heat_reading", "power_factor_l1", "voltage_sags_l1"]
    found = json.loads(discovery(HOUSE, names))["components"]
    shown = {name: (each.get("device_class"), each.get("unit_of_measurement")) for name, each in found.items()}
    assert shown == {
        "power_net": ("power", "W"),
        "energy_import_t1": ("energy", "kWh"),
        "gas_reading": ("gas", "m³"),
        "heat_reading": ("energy", "GJ"),
        "power_factor_l1": (None, None),
        "voltage_sags_l1": (None, None),
    }
    assert found["energy_import_t1"]["name"] == "Energy import T1"
    assert found["energy_import_t1"]["state_class"] == "total_increasing"
    assert found["voltage_sags_l1"]["entity_category"] == "diagnostic"
    assert {each["expire_after"] for each in found.values()} == {5}


def test_readings_that_change_without_need_or_identify_somebody_have_no_sensor() -> None:
    names = ["power_net", "clock", "mbus1_reading", "gas_reading_time", "equipment_identifier", "text_message", "9.9.9"]
    assert sensors_of(names) == {"power_net"}


def test_a_sensor_is_available_while_the_gateway_is_online_and_the_meter_fresh() -> None:
    config = json.loads(discovery(HOUSE, ["power_net"]))
    assert config["availability_mode"] == "all"
    assert [each["topic"] for each in config["availability"]] == ["p/status", "p/availability"]


def test_meters_of_two_edges_never_share_an_id() -> None:
    devices = [HOUSE._replace(edge=edge, meter=meter) for edge, meter in (("a", "b_c"), ("a_b", "c"), ("b", "c"))]
    assert len({discovery_topic(each) for each in devices}) == 3
    sensors = [json.loads(discovery(each, ["power_net"]))["components"]["power_net"]["unique_id"] for each in devices]
    assert len(set(sensors)) == 3


@pytest.mark.parametrize("meters", [("a b", "a_b"), ("Straße", "Stra_e"), ("a/b", "a b")])
def test_two_meters_never_share_an_id(meters: tuple[str, str]) -> None:
    topics = {discovery_topic(HOUSE._replace(meter=meter)) for meter in meters}
    assert len(topics) == 2
    assert all(topic.count("/") == 3 and topic.isascii() and " " not in topic for topic in topics)

"""pysunspec2 at the SunSpec maps: it finds the models by itself and says what their points are worth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.peers.harness import Gateway
from tests.peers.ten_maps import ten_maps

sunspec = pytest.importorskip("sunspec2.modbus.client")

LIMIT_S = 60
DSMR, SUNSPEC_203, SUNSPEC_213 = 1, 240, 241


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Shows a house that exports 3127 W, 3811 W of it on L2."""
    with ten_maps(tmp_path_factory.mktemp("sunspec")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def one_phase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Shows a meter with one phase and no voltages."""
    maps = {1: "dsmr", 2: "sunspec-201"}
    with ten_maps(tmp_path_factory.mktemp("sunspec-201"), "v40_landisgyr-e350", maps) as gateway:
        yield gateway


def scan(gateway: Gateway, unit: int) -> Any:
    """The device as pysunspec2 finds it."""
    device = sunspec.SunSpecModbusClientDeviceTCP(
        slave_id=unit, ipaddr="127.0.0.1", ipport=gateway.port, timeout=LIMIT_S
    )
    device.scan()
    device.close()
    return device


def points(model: Any) -> dict[str, Any]:
    """Point → its value in its unit; None for what is not implemented."""
    return {name: point.cvalue for name, point in model.points.items() if not name.endswith("_SF")}


def told(values: dict[str, Any]) -> dict[str, Any]:
    """The points that have a value, the model's header left out."""
    return {name: value for name, value in values.items() if value is not None and name not in ("ID", "L", "Evt")}


@pytest.mark.parametrize(("unit", "model"), [(SUNSPEC_203, 203), (SUNSPEC_213, 213)])
def test_the_meter_is_found_with_its_identity(gateway: Gateway, unit: int, model: int) -> None:
    device = scan(gateway, unit)
    assert device.base_addr == 40000
    assert [each.model_id for each in device.model_list] == [1, model]
    common = points(device.common[0])
    assert common["Mn"] == "Fronius"
    assert common["Md"] == "Smart Meter 63A"
    assert re.fullmatch(r"P1-\d{6}", common["SN"])
    assert common["DA"] == unit


def test_whole_numbers_and_scale_factors_say_what_the_meter_says(gateway: Gateway) -> None:
    (model,) = scan(gateway, SUNSPEC_203).models[203]
    assert told(points(model)) == pytest.approx({
        "A": -13, "AphA": 1, "AphB": -16, "AphC": 2,
        "PhV": 236.9, "PhVphA": 236.2, "PhVphB": 238.9, "PhVphC": 235.5,
        "W": -3130, "WphA": 190, "WphB": -3810, "WphC": 500,
        "TotWhExp": 11_432_955, "TotWhImp": 17_324_375,
    })  # fmt: skip


def test_floating_point_says_what_the_meter_says(gateway: Gateway) -> None:
    (model,) = scan(gateway, SUNSPEC_213).models[213]
    values = {name: value for name, value in told(points(model)).items() if value == value}  # noqa: PLR0124 is NaN
    assert values == pytest.approx({
        "A": -13, "AphA": 1, "AphB": -16, "AphC": 2,
        "PhV": 710.6 / 3, "PhVphA": 236.2, "PhVphB": 238.9, "PhVphC": 235.5,
        "W": -3127, "WphA": 188, "WphB": -3811, "WphC": 496,
        "TotWhExp": 11_432_955, "TotWhImp": 17_324_375,
    }, rel=1e-7)  # fmt: skip


def test_a_meter_with_one_phase_has_no_others(one_phase: Gateway) -> None:
    device = scan(one_phase, 2)
    (model,) = device.models[201]
    assert told(points(model)) == {
        "A": 3, "AphA": 3, "W": 714, "WphA": 714, "TotWhImp": 2_815_207, "TotWhImpPhA": 2_815_207,
    }  # fmt: skip


def test_a_unit_that_is_no_sunspec_meter_is_refused_at_once(gateway: Gateway) -> None:
    with pytest.raises(sunspec.SunSpecModbusClientError, match="Error scanning SunSpec base addresses"):
        scan(gateway, DSMR)


def test_ten_maps_show_the_power_of_one_telegram(gateway: Gateway) -> None:
    powers = {
        1: ((100, 2), b"\xff\xff\xf3\xc9"),
        2: ((0x28, 2), b"\x85\xda\xff\xff"),
        3: ((0x28, 2), b"\x85\xda\xff\xff"),
        4: ((0x34, 2), b"\xc5\x43\x70\x00"),
        5: ((0x34, 2), b"\xc5\x43\x70\x00"),
        6: ((0x5B14, 2), b"\xff\xfb\x3a\x84"),
        7: ((0xC568, 2), b"\xff\xff\xfe\xc7"),
        8: ((0x2012, 2), b"\xc6\xf4\x4c\x00"),
        SUNSPEC_203: ((40087, 1), b"\xfe\xc7"),
        SUNSPEC_213: ((40097, 2), b"\xc5\x43\x70\x00"),
    }
    # The manuals of units 4 and 5 give function code 3 a table of its own, for settings.
    function_codes = {4: 4, 5: 4}
    with gateway.client() as client:
        for unit, ((address, count), expected) in powers.items():
            pdu = bytes([function_codes.get(unit, 3)]) + address.to_bytes(2, "big") + count.to_bytes(2, "big")
            client.send(pdu, unit=unit)
            answer = client.receive()
            assert (answer.unit, answer.pdu[2:]) == (unit, expected)

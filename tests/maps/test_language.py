"""What emulation maps need of the map language beyond the plain table."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.files.document import FileError
from gateway.maps.load import load_map
from gateway.nodes.register_map import RegisterMapNode
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.modbus.unit import OnStale, Unit
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import Telegram
from gateway.protocol.p1.variants import VARIANTS
from tests.conftest import own_telegram
from tests.maps.serving import readings_in


def write(folder: Path, registers: str, head: str = "") -> Path:
    path = folder / "map.yaml"
    path.write_text(
        f"title: t\nsource: tests\n{head}registers:\n" + "".join(f"  - {{{line}}}\n" for line in [registers])
    )
    return path


def shown(path: Path, values: dict[str, Decimal | int | str]) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of the map's one register, and the names of registers whose value does not fit."""
    snapshot = load_map(path).readings.encode(values)
    (segment,) = snapshot.segments
    return segment.data, snapshot.unfit


@pytest.mark.parametrize(
    ("type_name", "code"),
    [("uint16", "ffff"), ("int16", "8000"), ("uint32", "ffffffff"), ("int32", "80000000"), ("float32", "7fc00000")],
)
def test_absent_is_a_value_and_shows_the_code_of_its_type(tmp_path: Path, type_name: str, code: str) -> None:
    path = write(tmp_path, f"address: 0, name: a, type: {type_name}, value: absent, unit: V, scale: 0.1")
    assert shown(path, {"voltage_l1": Decimal(230)}) == (bytes.fromhex(code), ())


def test_a_number_that_does_not_fit_is_the_code_for_absent_or_limited_as_the_map_says(tmp_path: Path) -> None:
    register = "address: 0, name: a, type: int16, value: power_net, unit: W, absent: 32767"
    path = write(tmp_path, register)
    assert shown(path, {"power_net": Decimal(32766)}) == (b"\x7f\xfe", ())
    assert shown(path, {"power_net": Decimal(32767)}) == (b"\x7f\xff", ("a",))
    path = write(tmp_path, f"{register}, overflow: limit")
    # The code for absent is not a number of the register.
    assert shown(path, {"power_net": Decimal(32767)}) == (b"\x7f\xfe", ("a",))
    assert shown(path, {"power_net": Decimal(-40000)}) == (b"\x80\x01", ("a",))
    assert shown(path, {}) == (b"\x7f\xff", ())
    path = write(tmp_path, f"{register}, word_order: little")
    assert shown(path, {"power_net": Decimal(99999)}) == (b"\x7f\xff", ("a",))


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"power_net": 5}, 5),
        ({"power_net": 5, "power_net_l1": 4}, 5),
        ({"power_net": 5, "power_net_l2": 0}, 0xFFFF),
        ({"power_net": 5, "power_net_l3": 0}, 0xFFFF),
        ({"power_net_l1": 4}, 0xFFFF),
    ],
)
def test_unless_is_there_while_none_of_the_others_is(tmp_path: Path, values: dict[str, int], word: int) -> None:
    value = "unless(power_net, power_net_l2, power_net_l3)"
    path = write(tmp_path, f'address: 0, name: a, type: uint16, value: "{value}", unit: W')
    assert shown(path, dict(values)) == (word.to_bytes(2, "big"), ())


def test_unless_takes_the_unit_of_what_it_shows(tmp_path: Path) -> None:
    load_map(write(tmp_path, 'address: 0, name: a, type: uint16, value: "first(unless(3, power_net_l2), 0)"'))
    with pytest.raises(FileError, match="so the register needs a unit"):
        load_map(write(tmp_path, 'address: 0, name: a, type: uint16, value: "unless(power_net, current_l2)"'))
    with pytest.raises(FileError, match="takes 2 to 9 arguments, not 1"):
        load_map(write(tmp_path, 'address: 0, name: a, type: uint16, value: "unless(power_net)", unit: W'))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{equipment_identifier}", "TEST-A"),
        ("{equipment_identifier:-4}", "ST-A"),
        ("{equipment_identifier:-9}", "TEST-A"),
        ("a{equipment_identifier:-1}-{identification:-2}", "aA-XY"),
    ],
)
def test_a_text_may_show_the_last_characters_of_a_reading(tmp_path: Path, template: str, text: str) -> None:
    path = write(tmp_path, f'address: 0, name: a, type: string, length: 4, value: "{template}"')
    values: dict[str, Decimal | int | str] = {"equipment_identifier": "TEST-A", "identification": "WXY"}
    assert shown(path, values) == (text.encode().ljust(8, b"\0"), ())
    assert shown(path, {"identification": "WXY"}) == (bytes(8), ())


REQUIRES = "requires: [power_net, 'first(current_l1, current_l2)']\n"


def test_what_a_map_requires_is_checked_like_any_expression(tmp_path: Path) -> None:
    register = "address: 0, name: a, type: uint16, value: 1"
    loaded = load_map(write(tmp_path, register, REQUIRES))
    assert loaded.lacking({"power_net": 1, "current_l2": 0}) == []
    assert loaded.lacking({"power_net": 1}) == ["first(current_l1, current_l2)"]
    assert load_map(write(tmp_path, register)).lacking({}) == []
    with pytest.raises(FileError, match=r"map.yaml:3:\d+: .*no reading is called power_nett(.|\n)*power_net"):
        load_map(write(tmp_path, register, "requires: [power_nett]\n"))
    with pytest.raises(FileError, match=r"map.yaml:3:\d+: .*is not an expression such as"):
        load_map(write(tmp_path, register, "requires: ['1 +']\n"))


def test_a_map_requires_what_the_map_requires_that_it_extends(tmp_path: Path) -> None:
    base = write(tmp_path, "address: 0, name: a, type: uint16, value: 1", REQUIRES)
    base.rename(tmp_path / "base.yaml")
    (tmp_path / "plain.yaml").write_text("title: t\nextends: base.yaml\n")
    (tmp_path / "other.yaml").write_text("title: t\nextends: base.yaml\nrequires: []\n")
    assert len(load_map(tmp_path / "plain.yaml").requires) == 2
    assert load_map(tmp_path / "other.yaml").requires == {}


def test_a_telegram_that_lacks_what_a_map_requires_leaves_the_one_before_until_it_is_stale(tmp_path: Path) -> None:
    register = "address: 0, name: a, type: int32, value: power_net, unit: W"
    unit = Unit(load_map(write(tmp_path, register, "requires: [power_net]\n")), OnStale.EXCEPTION, lambda _: {})
    node = RegisterMapNode("m/1", MeterState("m", None, None), unit, stale_after_s=5)
    node.snapshots.connect(node, unit)
    (whole,) = readings_in(own_telegram("v50_sagemcom-t210d"))
    (lacking,) = readings_in(own_telegram("bad_non-numeric-power"))
    assert "power_net" not in lacking.values

    def receive(readings: Readings, arrived: float) -> None:
        telegram = Telegram(b"", end=0, checked=True)
        node.receive(Received(telegram, readings, VARIANTS["5"], arrived, arrived, VARIANTS["5"], measured=arrived))

    receive(lacking, 0)
    assert unit.read(0, 2, 1) is ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND
    receive(whole, 2)
    assert unit.read(0, 2, 3) == (2486).to_bytes(4, "big")
    for second in range(3, 9):
        receive(lacking, second)
    assert unit.read(0, 2, 7) == (2486).to_bytes(4, "big")
    assert unit.read(0, 2, 7.1) is ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND
    receive(whole, 9)
    assert unit.read(0, 2, 9) == (2486).to_bytes(4, "big")


def test_a_moment_is_in_a_register_as_unix_seconds(tmp_path: Path) -> None:
    path = write(tmp_path, "address: 0, name: a, type: unix_time, value: gas_reading_time, word_order: little")
    assert shown(path, {"gas_reading_time": 0x12345678}) == (bytes.fromhex("56781234"), ())
    assert shown(path, {}) == (bytes.fromhex("ffffffff"), ())
    assert load_map(path).registers[0].type_name == "uint32"


@pytest.mark.parametrize(("value", "word"), [(-2, "fffe"), (0, "0000"), (10, "000a"), ("absent", "8000")])
def test_a_scale_factor_is_a_power_of_ten_as_sunspec_has_it(tmp_path: Path, value: object, word: str) -> None:
    path = write(tmp_path, f"address: 0, name: a, type: scale_factor, value: {value}")
    assert shown(path, {}) == (bytes.fromhex(word), ())
    assert load_map(path).registers[0].type_name == "int16"


def line_of_code(folder: Path, code: str, rest: str = "unit: W") -> Path:
    return write(folder, f'address: 0, name: a, type: int16, value: obis("{code}"), {rest}')


def test_any_line_is_reached_by_its_code(tmp_path: Path) -> None:
    assert shown(line_of_code(tmp_path, "1-0:1.7.0"), {"power_import": Decimal(7)}) == (b"\0\x07", ())
    path = line_of_code(tmp_path, "1-1:1.7.0", "unit: W, scale: 10")
    assert shown(path, {"1-1:1.7.0": Decimal(70), "power_import": Decimal(90)}) == (b"\0\x07", ())
    assert shown(path, {"own_channel_1": 1, "power_import": Decimal(90)}) == (b"\0\x09", ())
    assert shown(path, {"power_import": Decimal(90)}) == (b"\x80\0", ())
    path = line_of_code(tmp_path, "0-0:96.50.68", "unit: kW")
    assert shown(path, {"0-0:96.50.68": Decimal(3000)}) == (b"\0\x03", ())
    assert shown(path, {"0-0:96.50.68": "(A)(B)"}) == (b"\x80\0", ())
    [register] = load_map(path).registers
    assert register.uses == {"0-0:96.50.68"}


def test_a_code_is_a_part_of_an_expression(tmp_path: Path) -> None:
    path = write(tmp_path, "address: 0, name: a, type: int16, value: \"first(obis('1-0:99.9.9'), 2) - 1\"")
    assert shown(path, {"1-0:99.9.9": Decimal(7)}) == (b"\0\x06", ())
    assert shown(path, {}) == (b"\0\x01", ())


@pytest.mark.parametrize("code", ["1.7.0", "1-0:1.7", "1-0:1.7.0*255", "1-0:256.7.0", "", "power_import"])
def test_a_code_of_another_form_is_a_fault(tmp_path: Path, code: str) -> None:
    with pytest.raises(FileError, match="code as it is on the line"):
        load_map(line_of_code(tmp_path, code))


def test_the_unit_of_a_known_code_is_checked(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot hold a value in W"):
        load_map(line_of_code(tmp_path, "1-0:1.7.0", "unit: V"))
    with pytest.raises(FileError, match="are in W and Wh"):
        load_map(
            write(tmp_path, "address: 0, name: a, type: int16, unit: W, value: \"obis('1-0:1.7.0') + energy_import\"")
        )


def test_what_a_map_keeps_is_a_reading_and_holds_for_the_maps_that_extend_it(tmp_path: Path) -> None:
    register = "address: 0, name: a, type: uint16, value: voltage_l1, unit: V"
    path = write(tmp_path, register, "keeps: [voltage_l1]\n")
    (tmp_path / "child.yaml").write_text(f"title: t\nextends: {path.name}\n")
    for each in (path, tmp_path / "child.yaml"):
        assert load_map(each).vanished({}, {"voltage_l1": Decimal(230)}) == ["voltage_l1"]
    with pytest.raises(FileError, match="no reading is called voltag_l1"):
        load_map(write(tmp_path, register, "keeps: [voltag_l1]\n"))

"""One native layout for every meter: what a version's own map shows is what `dsmr` shows, and loses nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gateway.maps.load import load_map, map_names
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import TelegramReader
from gateway.protocol.p1.variants import VARIANTS
from tests.conftest import OWN_TELEGRAMS, SHARED_TELEGRAMS, needs_shared_telegrams, shared_manifest
from tests.maps.serving import loaded_map
from tests.protocol.p1.stream import telegram_of

NATIVE = {name: path for name, path in map_names().items() if path.parent.name == "native"}
MAP_OF = {key: f"dsmr-{key.lower().replace('_', '-')}" for key in VARIANTS} | {"5S-FI": "dsmr-5s"}
"""Variant → the native map that is its own."""
MOST_PER_FILE = 3


def received(stream: bytes) -> list[Received]:
    reader, meter = TelegramReader(), MeterState("m", None, needs_two=False)
    taken = [meter.take(item, float(i), float(i)) for i, item in enumerate(reader.feed(stream) + reader.silence())]
    return [item for item in taken if isinstance(item, Received)][:MOST_PER_FILE]


def words(name: str, telegram: Received) -> dict[str, bytes | None]:
    register_map = loaded_map(NATIVE[name])
    snapshot = register_map.readings.encode(telegram.readings.values)
    return {r.name: snapshot.read(r.address, r.length) for r in register_map.registers}


def test_each_variant_has_a_native_map_and_each_native_map_a_variant() -> None:
    assert set(MAP_OF.values()) | {"dsmr", "dsmr-strict"} == NATIVE.keys()


def test_the_strict_map_serves_no_code_for_an_absent_number_and_keeps_its_status_readable() -> None:
    strict = load_map(NATIVE["dsmr-strict"])
    values = received((OWN_TELEGRAMS / "v42_kaifa-e0026.txt").read_bytes())[0].readings.values
    for shown in (values, {}):
        snapshot, lenient = strict.readings.encode(shown), loaded_map(NATIVE["dsmr"]).readings.encode(shown)
        for register in strict.registers:
            if register.type_name in ("string", "bitfield") or register.address < 100:
                continue
            data = snapshot.read(register.address, register.length)
            assert data == (
                None if register.evaluate(shown) is None else lenient.read(register.address, register.length)
            )
        assert strict.status.encode(shown).read(0, 40) == loaded_map(NATIVE["dsmr"]).status.encode(shown).read(0, 40)


@pytest.mark.parametrize("name", sorted(NATIVE))
def test_an_address_has_one_meaning_in_all_of_them(name: str) -> None:
    def layout(path: Path) -> list[tuple[object, ...]]:
        return [(r.address, r.name, r.type_name, r.value, r.unit, r.scale) for r in load_map(path).registers]

    assert layout(NATIVE[name]) == layout(NATIVE["dsmr"])


@pytest.mark.parametrize("path", sorted(OWN_TELEGRAMS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_meters_own_map_shows_what_dsmr_shows(path: Path) -> None:
    for telegram in received(path.read_bytes()):
        assert words(MAP_OF[telegram.variant.key], telegram) == words("dsmr", telegram)


@needs_shared_telegrams
def test_no_third_party_telegram_says_what_its_variants_map_leaves_out() -> None:
    seen = set()
    for row in shared_manifest():
        for telegram in received((SHARED_TELEGRAMS / row["file"]).read_bytes()):
            seen.add(telegram.variant.key)
            assert words(MAP_OF[telegram.variant.key], telegram) == words("dsmr", telegram), row["file"]
    assert seen >= {"2.2", "4", "5", "5B", "5S", "5EONHU", "ISKRA_IE", "SAGEMCOM_T210_D_R", "Q3D", "WARMTELINK"}


def number(shown: dict[str, bytes | None], name: str) -> int:
    return int.from_bytes(shown[name] or b"", "big")


def test_a_belgian_meters_peaks_relays_tariffs_and_gas_stand_at_their_addresses() -> None:
    head, april = "(1-0:1.6.0)(1-0:1.6.0)", "(200501000000S)(200423192538S)(03.695*kW)"
    march, february = "(200401000000S)(200305122139S)(05.980*kW)", "(200301000000S)(200210035421W)(04.318*kW)"
    (telegram,) = received(
        telegram_of(
            "0-0:96.1.4(50221)",
            "0-0:1.0.0(200512135409S)",
            "1-0:1.8.1(000000.034*kWh)",
            "1-0:1.8.2(000015.758*kWh)",
            "1-0:1.4.0(02.351*kW)",
            "1-0:1.6.0(200509134558S)(02.589*kW)",
            f"0-0:98.1.0(3){head}{february}{march}{april}",
            "0-0:96.14.0(0002)",
            "0-0:96.3.10(1)",
            *(f"0-{n}:96.3.10({n % 2})" for n in range(1, 5)),
            "0-1:24.1.0(003)",
            "0-1:24.2.3(200512134558S)(00112.384*m3)",
            header=r"/FLU5\253769484_A",
        )
    )
    assert telegram.variant.key == "5B"
    snapshot = loaded_map(NATIVE["dsmr-5b"]).readings.encode(telegram.readings.values)

    def at(address: int, count: int = 2) -> int:
        return int.from_bytes(snapshot.read(address, count) or b"", "big")

    assert (at(422), at(426), at(428)) == (2351, 2589, 1589024758)
    assert [at(434 + 4 * month) for month in range(4)] == [3695, 5980, 4318, 0xFFFFFFFF]
    assert [at(436 + 4 * month) for month in range(4)] == [1587662738, 1583403699, 1581303261, 0xFFFFFFFF]
    assert struct.unpack(">3f", snapshot.read(1164, 6) or b"") == (3695, 5980, 4318)
    assert (at(408, 1), [at(430 + n, 1) for n in range(4)]) == (1, [1, 0, 1, 0])
    assert (at(224, 1), at(225, 1), at(260, 4), at(264, 4)) == (2, 1, 15758, 34)
    assert (at(350), at(300, 1), at(312, 1)) == (112384, 3, 0xFFFF)


def test_a_date_never_passes_for_a_power() -> None:
    swapped = "1-0:1.6.0(02.589*kW)(260112223000)"
    for line in (swapped, "1-0:1.6.0(260112223000)(260112223000)", "1-0:1.6.0(260112223000)"):
        (telegram,) = received(telegram_of("0-0:96.1.4(50221)", "1-0:1.8.1(000000.034*kWh)", line))
        shown = words("dsmr-5b", telegram)
        assert number(shown, "demand_peak") == (2589 if line == swapped else 0xFFFFFFFF)
        assert number(shown, "demand_peak_time") == (1768253400 if line == swapped else 0xFFFFFFFF)


def test_a_power_factor_in_thousandths_and_one_above_one() -> None:
    lines = ("0-0:1.0.0(250701120000S)", "1-0:1.8.0(01391785.630*kWh)", "1-0:14.7.0(0000.049*kHz)")
    (telegram,) = received(telegram_of(*lines, "1-0:13.7.0(00998)", "1-0:33.7.0(-00750)", header="/ESO5\\253_C"))
    assert telegram.variant.key == "LT"
    shown = words("dsmr-lt", telegram)
    assert (number(shown, "power_factor"), number(shown, "power_factor_l1")) == (998, 0x10000 - 750)
    assert number(shown, "frequency") == 4900
    (telegram,) = received(telegram_of(*lines, "1-0:13.7.0(4.556)", "1-0:33.7.0(0.982)", "1-0:53.7.0(1)"))
    shown = words("dsmr", telegram)
    assert [number(shown, f"power_factor{s}") for s in ("", "_l1", "_l2", "_l3")] == [0x8000, 982, 1000, 0x8000]


def test_of_two_gas_meters_the_one_that_was_read_recently_counts() -> None:
    for old, new in ((1, 2), (2, 1)):
        channels = (f"0-{old}:24.1.0(003)", f"0-{old}:24.2.1(200101000000W)(00981.443*m3)",
                    f"0-{new}:24.1.0(003)", f"0-{new}:24.2.1(260101000000W)(06805.499*m3)")  # fmt: skip
        lines = ("1-3:0.2.8(50)", "1-0:1.8.1(000000.034*kWh)", *channels)
        (telegram,) = received(telegram_of("0-0:1.0.0(260101000412W)", *lines))
        assert number(words("dsmr-5", telegram), "gas_reading") == 6805499
        # Without a clock, neither of them is known to be the one that goes on.
        (telegram,) = received(telegram_of(*lines))
        assert number(words("dsmr-5", telegram), "gas_reading") == 0xFFFFFFFF

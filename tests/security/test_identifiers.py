"""Finding 9: clients get the identifiers of a meter only from a unit that is configured to show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.modbus import UnitConfig
from gateway.maps.load import load_map, map_names
from gateway.nodes.status_page.registers import MASK
from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.modbus.unit import Unit
from gateway.protocol.p1.identifiers import identifies, pseudonym
from gateway.protocol.p1.names import NAMES
from gateway.protocol.registers.decoding import decode
from gateway.protocol.registers.register import Register
from gateway.runtime.clock import now
from gateway.service.node_settings import unit_of
from tests.conftest import own_telegram
from tests.maps.serving import FRESH_UNTIL, loaded_map, readings_in
from tests.nodes.status_page.bench import PAGE, serving

TELEGRAMS = ("v50_iskra-am550-solar", "v50_sagemcom-t210d", "be_fluvius", "lu_smarty", "de_q3d", "v22_iskra-mt382")
SECRETS = {name: f"PRIVATE-{name}".upper() for name in NAMES if identifies(name)}
"""A value of each reading that identifies, which can be recognised in a response."""


def unit(name: str, *, identifiers: bool, values: Any = None) -> Unit:
    config = UnitConfig(map=name, identifiers=identifiers)
    made = unit_of(config, loaded_map(map_names()[name]), lambda _now: {})
    made.publish(made.register_map.readings.encode(SECRETS if values is None else values), FRESH_UNTIL)
    return made


def shown(served: Unit) -> dict[str, object]:
    """Return what clients read, by register; None for one that is refused while it is absent."""
    registers = served.register_map.registers
    return {each.name: decode(each, data) if (data := read(served, each)) else None for each in registers}


def read(served: Unit, register: Register) -> bytes:
    data = served.read(register.place, register.length, FRESH_UNTIL)
    if register.refuses_absent and data is ExceptionCode.SERVER_DEVICE_FAILURE:
        return b""
    assert isinstance(data, bytes)
    return data


@pytest.mark.parametrize("name", sorted(map_names()))
def test_no_map_shows_an_identifier_unless_its_unit_is_configured_to(name: str) -> None:
    private, shows = unit(name, identifiers=False), unit(name, identifiers=True)
    for register in private.register_map.registers:
        text = read(private, register)
        assert b"PRIV" not in text
        assert b"IDENT" not in text
        if register.identifies:
            assert b"I" in read(shows, register)
            assert "unless the unit has identifiers: true" in register.description


@pytest.mark.parametrize("telegram", TELEGRAMS)
def test_no_identifier_of_a_real_telegram_is_in_any_map(telegram: str) -> None:
    (readings,) = readings_in(own_telegram(telegram))
    texts = [str(value).encode() for name, value in readings.values.items() if identifies(name)]
    ends = [text[-7:] for text in texts if len(text) >= 7]
    assert ends
    for name in map_names():
        snapshot = unit(name, identifiers=False, values=readings.values).snapshot
        assert snapshot
        whole = b"".join(segment.data for segment in snapshot.segments)
        assert not [end for end in ends if end in whole]


def test_the_native_maps_texts_are_then_absent() -> None:
    table = shown(unit("dsmr", identifiers=False))
    private = [register for register in loaded_map(map_names()["dsmr"]).registers if 500 <= register.address < 700]
    assert len(private) == 10
    assert all(table[register.name] is None for register in private)


@pytest.mark.parametrize(
    "name",
    ["cg-em24", "cg-em24-rs485", "cg-em340", "cg-et112", "victron-p1link", "sunspec-201", "sunspec-203", "sunspec-213"],
)
def test_a_client_that_needs_a_serial_number_gets_a_pseudonym_that_stays_the_same(name: str) -> None:
    first, again = shown(unit(name, identifiers=False)), shown(unit(name, identifiers=False))
    assert first["serial_number"] == again["serial_number"] == pseudonym(SECRETS["equipment_identifier"])
    other = shown(unit(name, identifiers=False, values={"equipment_identifier": "ANOTHER"}))
    assert other["serial_number"] not in (first["serial_number"], None)
    assert shown(unit(name, identifiers=False, values={}))["serial_number"] is None


def test_a_pseudonym_follows_the_identifier_when_the_next_telegram_has_another() -> None:
    served = unit("cg-em24", identifiers=False)
    encoder = served.register_map.readings
    after = encoder.encode({"equipment_identifier": "NEXT"}, served.snapshot)
    served.publish(after, FRESH_UNTIL)
    assert shown(served)["serial_number"] == pseudonym("NEXT")
    assert after == encoder.encode({"equipment_identifier": "NEXT"})


def test_pseudonym_without_an_identifier_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    register = "{address: 0, name: a, type: string, length: 4, value: x, pseudonym: true}"
    path.write_text(f"title: t\nsource: s\nregisters:\n  - {register}\n")
    with pytest.raises(Exception, match=r"the value has none\. Remove pseudonym"):
        load_map(path)


async def test_the_page_says_why_a_register_is_absent_and_masks_requests_too(tmp_path: Path) -> None:
    units = "{1: {map: dsmr}, 2: {map: dsmr, identifiers: true}, 3: {map: cg-em24}}"
    text = f'meter: {{simulate: true}}\nmodbus:\n  - {{listen: "127.0.0.1:0", units: {units}}}\n{PAGE}'
    async with serving(tmp_path, text) as bench:
        responder = bench.wiring.servers[0].responder
        for unit_id in (1, 2):
            responder.respond(bytes.fromhex("03 0204 0008"), unit_id, now(), CountedClient("client", now()))
        requests = (await bench.get("/api/requests")).data["requests"]
        assert {request["unit_id"]: request["words"] for request in requests} == {1: " ".join(["0000"] * 8), 2: MASK}
        for query in ("unit=1", "unit=2", "unit=3", "unit=1&identifiers=true"):
            body = (await bench.get(f"/api/registers?server=0&{query}")).body
            assert b"SIMULATED" not in body, query
        withheld = {
            unit_id: [
                register["name"]
                for register in (await bench.get(f"/api/registers?server=0&unit={unit_id}")).data["registers"]
                if register["is_withheld"]
            ]
            for unit_id in (1, 2, 3)
        }
        assert "equipment_identifier" in withheld[1]
        assert withheld[2] == withheld[3] == []

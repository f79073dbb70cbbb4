"""The requests that real clients send, and what each register must show, worked out by hand from a telegram's text.

Every file in `requests/` is taken up by itself:

    map: cg-em24                        # a map that comes with the gateway
    telegram: v50_iskra-am550-solar     # one of tests/telegrams
    requests:
      - client: who sends this
        function: 3
        address: 0x0000
        count: 80
        values: {0x0000: s32l 2362}     # register → type and number as the client decodes it, not scaled yet
        rest: 0                         # every word that `values` leaves out, or a type and number over and over
      - {client: a scanner, function: 3, address: 0x8960, count: 2, exception: 2}
      - {client: one of a unit with `identifiers: true`, identifiers: true, function: 3, …}

Types: u16 s16 u32 s32 u64 s64 f32 f64, with an l behind for low word first, and textN of N registers.
"""

from __future__ import annotations

import re
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from gateway.maps.load import map_names
from gateway.protocol.p1.readings import Readings
from tests.conftest import own_telegram
from tests.maps.serving import CODES, Server, readings_in

FILES = sorted((Path(__file__).parent / "requests").glob("*.yaml"))
TYPE = re.compile(r"(?:(?P<code>[usf]\d\d)(?P<low_first>l?)|text(?P<registers>\d+))(?: (?P<value>.*))?")


class Case(NamedTuple):
    """One request of a file."""

    file: str
    map: str
    telegram: str
    request: dict[str, Any]


def cases() -> list[Case]:
    found = []
    for path in FILES:
        document = yaml.safe_load(path.read_text())
        found += [Case(path.stem, document["map"], document["telegram"], each) for each in document["requests"]]
    return found


def encode_registers(text: str) -> list[int]:
    """The words of a number or text as a request's file writes it."""
    match = TYPE.fullmatch(text)
    assert match, text
    if match["registers"]:
        data = (match["value"] or "").encode("ascii").ljust(2 * int(match["registers"]), b"\0")
        assert len(data) == 2 * int(match["registers"]), text
    else:
        number = float(match["value"]) if match["code"].startswith("f") else int(match["value"], 0)
        data = struct.pack(">" + CODES[match["code"]], number)
    words = list(struct.unpack(f">{len(data) // 2}H", data))
    return words[::-1] if match["low_first"] else words


def expected_words(request: dict[str, Any]) -> list[int | None]:
    """Return the whole response; None for a word that the file does not give."""
    first, count = request["address"], request["count"]
    rest = request.get("rest")
    filling: list[int | None] = [*encode_registers(rest)] if isinstance(rest, str) else [rest]
    words = (filling * count)[:count]
    for address, text in request.get("values", {}).items():
        for offset, word in enumerate(encode_registers(text), start=address - first):
            # A client may ask for the first word of a number alone.
            if offset < count:
                words[offset] = word
    return words


def show(telegram: str, map_name: str, *, identifiers: bool = False) -> tuple[Server, Readings]:
    """A server of the map that has taken the telegram."""
    server = Server(map_names()[map_name], identifiers=identifiers)
    (readings,) = readings_in(own_telegram(telegram))
    server.show(readings.values)
    return server, readings


def case_id(case: Case) -> str:
    request = case.request
    identifiers = "-identifiers" if request.get("identifiers") else ""
    where = f"{request['function']}-{request['address']:#06x}x{request['count']}{identifiers}"
    return f"{case.file}-{request['client']}-{where}"


@pytest.mark.parametrize("case", cases(), ids=case_id)
def test_a_client_is_answered_what_the_telegram_says(case: Case) -> None:
    request = case.request
    server, _ = show(case.telegram, case.map, identifiers=request.get("identifiers", False))
    function, address, count = request["function"], request["address"], request["count"]
    answer = server.ask(struct.pack(">BHH", function, address, count))
    if "exception" in request:
        assert answer == bytes((function | 0x80, request["exception"]))
        return
    assert answer[:2] == bytes((function, 2 * count))
    words = list(struct.unpack(f">{count}H", answer[2:]))
    expected = expected_words(request)
    assert None not in expected, "values and rest must say what every word of the answer is"
    wrong = {f"{address + i:#06x}": f"{words[i]:#06x}, not {expected[i]:#06x}" for i in range(count)
             if words[i] != expected[i]}  # fmt: skip
    assert wrong == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_requests_names_its_source_and_clients(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert "://" in document["source"]
    assert all(request["client"] for request in document["requests"])
    assert document["map"] in map_names()


def test_every_emulation_has_the_requests_of_its_clients() -> None:
    asked = {yaml.safe_load(path.read_text())["map"] for path in FILES}
    assert {name for name, path in map_names().items() if path.parent.name == "emulation"} <= asked


def test_a_telegram_without_what_a_map_requires_is_not_shown() -> None:
    server, _ = show("bad_non-numeric-power", "cg-em24")
    assert server.ask(struct.pack(">BHH", 3, 0x0028, 2)) == b"\x83\x0b"
    (whole,) = readings_in(own_telegram("v50_sagemcom-t210d"))
    server.show(whole.values)
    assert server.words(3, 0x0028, 2) == [24860, 0]


@pytest.mark.parametrize("watts", ["-458.90", "0", "458.90"])
def test_a_p1_dongle_is_online_whichever_way_power_flows(watts: str) -> None:
    server = Server(map_names()["p1-dongle-float"])
    server.show({"power_net": Decimal(watts)})
    assert server.words(3, 52, 2) == [0, 1]
    server.show({"energy_import": Decimal(1)})
    assert server.words(3, 52, 2) == [0, 0]


def test_a_meter_with_one_phase_does_not_show_the_current_of_one_of_three() -> None:
    server = Server(map_names()["sunspec-201"])
    energy = {"energy_import": Decimal(1), "energy_export": Decimal(1)}
    one = {"power_net": Decimal(-500), "current_l1": Decimal(3), **energy}
    server.show(one)
    assert server.words(3, 40071, 2) == [0x10000 - 300] * 2
    for other in ("current_l2", "current_l3"):
        assert server.unit.register_map.lacking({**one, other: Decimal(4)})

"""What each client makes of each house: the truth, or no value, but never a code and never 0 for unknown."""

from __future__ import annotations

import importlib
import struct
from pathlib import Path

import pytest

from gateway.maps.load import map_names
from tests.clients.client import Client, Seen
from tests.clients.houses import HOUSES, Values
from tests.conftest import own_telegram
from tests.maps.serving import ASKED, Server, loaded_map, readings_in

FOLDER = Path(__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.name.startswith("test_"))
CLIENTS: list[Client] = [
    client for name in MODULES for client in getattr(importlib.import_module(f"tests.clients.{name}"), "CLIENTS", [])
]
STEP = {"power": 5.01, "current": 0.0051, "energy": 51, "voltage": 0.06}
"""Kind of quantity → half of the largest step that a client's meter has, in base units; floats keep seven digits."""
each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)


def server_of(client: Client) -> Server:
    return Server(map_names()[client.map])


def has_one_phase(values: Values) -> bool:
    return not {"power_net_l2", "power_net_l3"} & values.keys()


def allowed(client: Client, quantity: str, values: Values) -> list[float | None]:
    """Return the numbers that a client may have for a quantity, apart from rounding."""
    is_acted_on = quantity in client.acts_on
    if any(abs(values[name]) > limit for name, limit in client.limits.items() if name in values):
        return [None]
    if quantity in values:
        return [float(values[quantity])] if is_acted_on else [float(values[quantity]), None]
    is_missing_phase = quantity[-2:] in ("l2", "l3") and f"{quantity[:-1]}1" in values and has_one_phase(values)
    return [None, 0.0] if is_missing_phase or not is_acted_on else [None]


def is_close(quantity: str, seen: float | None, number: float | None) -> bool:
    if seen is None or number is None:
        return seen is number
    return abs(seen - number) <= STEP[quantity.partition("_")[0]] + abs(number) * 2e-7


def faults(client: Client, seen: Seen | None, values: Values) -> list[str]:
    """Return the quantities of which the client has a wrong idea."""
    # If the map does not show this telegram, the client has nothing.
    nothing = [None] if server_of(client).unit.register_map.lacking(values) else []
    return [
        f"{quantity}: {number}"
        for quantity, number in (seen or {}).items()
        if not any(is_close(quantity, number, each) for each in [*allowed(client, quantity, values), *nothing])
    ]


@pytest.mark.parametrize("house", HOUSES)
@each_client
def test_a_client_has_the_truth_or_no_value(client: Client, house: str) -> None:
    server = server_of(client)
    server.show(HOUSES[house])
    assert faults(client, client.look(server), HOUSES[house]) == []


@each_client
def test_a_client_gets_what_it_acts_on_from_a_dsmr_5_meter(client: Client) -> None:
    server = server_of(client)
    server.show(HOUSES[client.house])
    seen = client.look(server)
    assert seen
    assert [quantity for quantity in client.acts_on if seen.get(quantity) is None] == []


@pytest.mark.parametrize("client", [each for each in CLIENTS if each.set_up], ids=lambda client: client.name)
def test_a_client_finds_its_meter_at_set_up(client: Client) -> None:
    server = server_of(client)
    server.show(HOUSES[client.house])
    for read, expected in client.set_up:
        answer = server.ask(struct.pack(">BHH", read.function, read.address, read.count))
        assert answer[2:].hex() == expected


@each_client
def test_a_client_has_no_value_before_the_first_telegram_and_while_the_meter_is_silent(client: Client) -> None:
    server = server_of(client)
    assert not any(number is not None for number in (client.look(server) or {}).values())
    snapshot = server.unit.register_map.readings.encode(HOUSES[client.house])
    server.unit.publish(snapshot, ASKED - 1)
    assert not any(number is not None for number in (client.look(server) or {}).values())


@each_client
def test_a_client_has_the_same_after_a_reload(client: Client) -> None:
    before, after = server_of(client), server_of(client)
    for server in (before, after):
        server.show(HOUSES[client.house])
    after.unit.succeed(before.unit)
    assert client.look(after) == client.look(before)


@pytest.mark.parametrize("name", map_names())
def test_a_serial_number_that_clients_need_is_there_without_an_equipment_identifier(name: str) -> None:
    (readings,) = readings_in(own_telegram("se_aidon"))
    assert "equipment_identifier" not in readings.values
    register_map = loaded_map(map_names()[name]).without_identifiers()
    for register in register_map.registers:
        if register.has_pseudonym:
            assert str(register.evaluate(readings.values)).startswith("P1-"), register.name

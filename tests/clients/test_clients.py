"""What each client makes of each house: the truth, or no value, but never a code and never 0 for unknown."""

from __future__ import annotations

import importlib
import struct
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.maps.load import map_names
from tests.clients.client import Client, Seen
from tests.clients.households import HOUSEHOLDS, Values
from tests.conftest import own_telegram
from tests.maps.serving import ASKED, Server, loaded_map, readings_in

FOLDER = Path(__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.name.startswith("test_"))
CLIENTS: list[Client] = [
    client for name in MODULES for client in getattr(importlib.import_module(f"tests.clients.{name}"), "CLIENTS", [])
]
STEP = {"current": 0.0051, "energy": 51, "voltage": 0.06, "reactive": 0.51}
"""Kind of quantity → half of the largest step that a client's meter has, in base units; floats keep seven digits."""
each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)


def server_of(client: Client) -> Server:
    return Server(map_names()[client.map])


def phases_of(quantity: str, values: Values) -> set[str]:
    return {phase for phase in ("l1", "l2", "l3") if f"{quantity}_{phase}" in values}


def has_one_phase(values: Values) -> bool:
    return not (phases_of("power_net", values) | phases_of("current", values)) - {"l1"}


def is_partial(values: Values) -> bool:
    """Return whether the telegram lacks power or current of a phase that it shows elsewhere."""
    power, current = phases_of("power_net", values), phases_of("current", values)
    return len(power) == 2 or bool(current and power != current)


def allowed(client: Client, quantity: str, values: Values) -> list[float | None]:
    """Return the numbers that a client may have for a quantity, apart from rounding."""
    is_acted_on = quantity in client.acts_on
    if any(abs(values[name]) > limit for name, limit in client.limits.items() if name in values):
        return [None]
    value = client.expected[quantity](values) if quantity in client.expected else values.get(quantity)
    if value is not None:
        return [float(value)] if is_acted_on else [float(value), None]
    is_missing_phase = quantity[-2:] in ("l2", "l3") and f"{quantity[:-1]}1" in values and has_one_phase(values)
    # evcc adds the difference to the last counter, so that a counter of 0 becomes the energy of a lifetime.
    may_be_zero = is_missing_phase or (client.shows_zeros and not is_acted_on and not quantity.startswith("energy"))
    return [None, 0.0] if may_be_zero else [None]


def is_close(client: Client, quantity: str, seen: float | None, number: float | None) -> bool:
    if seen is None or number is None:
        return seen is number
    kind = quantity.partition("_")[0]
    step = client.power_step / 2 + 0.01 if kind == "power" else STEP[kind]
    return abs(seen - number) <= step + abs(number) * 2e-7


def faults(client: Client, seen: Seen | None, values: Values) -> list[str]:
    """Return the quantities of which the client has a wrong idea."""
    # If the map does not show this telegram, or a value in a read has no code, the client has nothing.
    nothing = [None] if is_partial(values) or server_of(client).unit.register_map.lacking(values) else []
    return [
        f"{quantity}: {number}"
        for quantity, number in (seen or {}).items()
        if not any(is_close(client, quantity, number, each) for each in [*allowed(client, quantity, values), *nothing])
    ]


def gets_values(client: Client, values: Values) -> bool:
    server = server_of(client)
    server.show(values)
    seen = client.look(server) or {}
    return any(seen.get(quantity) is not None for quantity in client.acts_on)


@pytest.mark.parametrize("household", HOUSEHOLDS)
@each_client
def test_a_client_has_the_truth_or_no_value(client: Client, household: str) -> None:
    server = server_of(client)
    server.show(HOUSEHOLDS[household])
    assert faults(client, client.look(server), HOUSEHOLDS[household]) == []


@pytest.mark.parametrize("name", ["evcc kostal-ksem", "evcc sunspec-203-filled"])
def test_evcc_gets_no_current_that_its_meter_cannot_show(name: str) -> None:
    (client,) = (each for each in CLIENTS if each.name == name)
    server = server_of(client)
    large = {f"current{signed}_l{phase}": Decimal(330) for signed in ("", "_signed") for phase in (1, 2, 3)}
    server.show({**HOUSEHOLDS["exporting"], **large})
    assert set((client.look(server) or {}).values()) == {None}


@pytest.mark.parametrize("client", [each for each in CLIENTS if each.served is not None], ids=lambda each: each.name)
def test_a_client_is_served_with_the_households_that_its_page_says(client: Client) -> None:
    assert tuple(name for name, values in HOUSEHOLDS.items() if gets_values(client, values)) == client.served


@each_client
def test_a_client_gets_what_it_acts_on_from_a_dsmr_5_meter(client: Client) -> None:
    server = server_of(client)
    server.show(HOUSEHOLDS[client.household])
    seen = client.look(server)
    assert seen
    assert [quantity for quantity in client.acts_on if seen.get(quantity) is None] == []


@pytest.mark.parametrize("client", [each for each in CLIENTS if each.set_up], ids=lambda client: client.name)
def test_a_client_finds_its_meter_at_set_up(client: Client) -> None:
    server = server_of(client)
    server.show(HOUSEHOLDS[client.household])
    for read, expected in client.set_up:
        answer = server.ask(struct.pack(">BHH", read.function, read.address, read.count))
        assert answer[2:].hex() == expected


@each_client
def test_a_client_has_no_value_before_the_first_telegram_and_while_the_meter_is_silent(client: Client) -> None:
    server = server_of(client)
    assert not any(number is not None for number in (client.look(server) or {}).values())
    snapshot = server.unit.register_map.readings.encode(HOUSEHOLDS[client.household])
    server.unit.publish(snapshot, ASKED - 1)
    assert not any(number is not None for number in (client.look(server) or {}).values())


@each_client
def test_a_client_has_the_same_after_a_reload(client: Client) -> None:
    before, after = server_of(client), server_of(client)
    for server in (before, after):
        server.show(HOUSEHOLDS[client.household])
    after.unit.succeed(before.unit)
    assert client.look(after) == client.look(before)


@pytest.mark.parametrize("name", map_names())
def test_a_serial_number_that_clients_need_is_there_without_an_equipment_identifier(name: str) -> None:
    (readings,) = readings_in(own_telegram("se_aidon"))
    assert "equipment_identifier" not in readings.values
    register_map = loaded_map(map_names()[name]).without_identifiers
    for register in register_map.registers:
        if register.has_pseudonym:
            assert str(register.evaluate(readings.values)).startswith("P1-"), register.name

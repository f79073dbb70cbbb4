"""The places of the nodes of the flow."""

from __future__ import annotations

from gateway.nodes.status_page.flow_places import places

KINDS = {
    "house": "P1 port",
    "house/parser": "DSMR parser",
    "tcp/1": "register map",
    "tcp/2": "register map",
    "passthrough": "passthrough",
    "page": "status page",
    "barn": "P1 port",
    "barn/parser": "DSMR parser",
    "tcp/3": "register map",
    "tcp": "Modbus server",
    "reader": "client",
    "inverter": "client",
}
WIRES = [
    ("house", "house/parser"),
    ("house/parser", "tcp/1"),
    ("house/parser", "tcp/2"),
    ("house/parser", "passthrough"),
    ("house/parser", "page"),
    ("barn", "barn/parser"),
    ("barn/parser", "tcp/3"),
    ("barn/parser", "page"),
    ("tcp/1", "tcp"),
    ("tcp/2", "tcp"),
    ("tcp/3", "tcp"),
    ("passthrough", "reader"),
    ("tcp", "inverter"),
]


def test_each_meter_has_rows_of_its_own_and_no_node_covers_another() -> None:
    found = {place.name: place for place in places(KINDS, WIRES)}
    assert [found[name].column for name in ("house", "house/parser", "tcp/1", "tcp", "inverter")] == [1, 2, 3, 4, 5]
    assert [found[name].row for name in ("tcp/1", "tcp/2", "passthrough", "page", "tcp/3")] == [1, 3, 5, 7, 9]
    # What feeds two maps is beside the middle of them, and the reader is beside its passthrough.
    assert (found["house"].row, found["house/parser"].row, found["barn"].row, found["reader"].row) == (2, 2, 9, 5)
    # The wire from the passthrough to its reader passes no server.
    assert abs(found["tcp"].row - found["passthrough"].row) >= 2
    for one in found.values():
        same_column = [each for each in found.values() if each.column == one.column and each is not one]
        assert all(abs(each.row - one.row) >= 2 for each in same_column)


def test_on_a_phone_each_node_is_below_the_one_that_feeds_it() -> None:
    order = places(KINDS, WIRES)
    names = [place.name for place in order]
    assert len(set(names)) == len(KINDS)
    assert [place.name for place in order if place.parent is None] == ["house", "barn"]
    for place in order:
        if place.parent is not None:
            assert names.index(place.parent) < names.index(place.name)
            assert next(each.depth for each in order if each.name == place.parent) < place.depth
    # A server is below the last map of its first meter.
    assert next(place.parent for place in order if place.name == "tcp") == "tcp/2"


def test_without_nodes_there_are_no_places() -> None:
    assert places({}, []) == []

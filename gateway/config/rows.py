"""From the rows of `meters_file:` to the meters, units and servers of the configuration.

A row with `name` is a meter, with `unit` or `listen` also its unit. A row with `meter` is one more unit of a meter.
Rows with the same `listen` share a server; without `listen`, a unit belongs to the only server of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic_core import PydanticCustomError

from gateway.config.address import split_url
from gateway.config.columns import (
    LISTEN,
    METER,
    NAME,
    UNIT,
    Column,
    Kind,
    Part,
    column_of,
    is_shortened,
    nearest,
    value_of,
)
from gateway.config.modbus import MODBUS_PORT, MODBUS_TLS_PORT
from gateway.config.source import split_source
from gateway.config.types import listen_of
from gateway.files.document import Document, Loc
from gateway.files.table import Cell, Row, Table
from gateway.problems.problem import Problem
from gateway.problems.quoting import cut, quoted

MAX_UNIT_ID = 255


def add_rows(document: Document, table: Table) -> list[Problem]:
    """Write the rows of a table into a configuration; return the problems of its columns, names and addresses.

    Those of its values are found later, with those of the rest of the configuration.
    """
    adding = _Adding(document, table)
    _check_columns(table)
    for row in table.rows:
        adding.add(row)
    adding.finish()
    return table.problems


def _check_columns(table: Table) -> None:
    for name, cell in table.columns.items():
        if name not in (NAME, METER, UNIT, LISTEN) and column_of(name) is None:
            table.refuse(cell, "unknown-column", f"unknown column {quoted(cell.text)}", nearest(name))
    if table.columns and NAME not in table.columns:
        first = next(iter(table.columns.values()))
        table.refuse(first, "column-missing", "there is no column name", "Add it, with the name of each meter")


class _Adding:
    """The work on one table."""

    def __init__(self, document: Document, table: Table) -> None:
        self._document, self._table, self._data = document, table, document.data
        self._is_default_server = "modbus" not in self._data
        self._meters: dict[Any, Any] = self._section("meters", {})
        self._servers: list[Any] = self._section("modbus", [])
        self._own_count = len(self._servers)
        self._addresses = {_address(self._data, server): index for index, server in enumerate(self._servers)}
        self._sources: dict[object, Loc] = {}
        for name, meter in self._meters.items():
            self._sources.setdefault(_source(meter), ("meters", str(name)))

    def _section(self, key: str, empty: Any) -> Any:
        """Return a part of the configuration; an empty one in place of what its own check reports."""
        found = self._data.get(key)
        if found is None:
            found = self._data[key] = empty
        return found if isinstance(found, type(empty)) else empty

    def add(self, row: Row) -> None:
        """Add the meter and the unit of a row."""
        for cell in row.cells.values():
            if is_shortened(cell.text):
                what = f"{cut(cell.text)} is a number without its last digits, shortened by a spreadsheet"
                self._table.refuse(cell, "number-shortened", what, "Make the column a text there, and write it again")
        name, meter = row.cells.get(NAME), row.cells.get(METER)
        owner = name or meter
        if name and meter:
            what = "a row has a name, or the meter whose next unit it is"
            self._table.refuse(meter, "name-and-meter", what, "Remove one of them")
        elif owner is None and NAME in self._table.columns and row.cells:
            what, hint = "the row has no name", "Write the name of the meter, or remove the row"
            self._table.refuse(next(iter(row.cells.values())), "name-missing", what, hint)
        elif owner and (owner is meter or self._add_meter(row, owner)):
            self._add_unit(row, owner)

    def finish(self) -> None:
        """Report that there is no server, if that is so."""
        if self._is_default_server and not self._servers:
            del self._data["modbus"]
            if not self._table.problems and self._table.rows and not self._publishes():
                what, hint = "no row has a unit id: no client could read these meters", "Add a column unit"
                self._table.refuse(next(iter(self._table.columns.values())), "no-units", what, hint)

    def _publishes(self) -> bool:
        """Return whether the configuration sends what the meters say to brokers."""
        mqtt = self._data.get("mqtt")
        return isinstance(mqtt, dict) and bool(mqtt.get("publish"))

    def _add_meter(self, row: Row, name: Cell) -> bool:
        loc: Loc = ("meters", name.text)
        if name.text in self._meters:
            self._refuse_twice(name, "name-twice", f"the name {quoted(name.text)}", loc, "Choose another name")
            return False
        meter = self._meters[name.text] = {}
        self._document.elsewhere[loc] = self._at(name)
        self._take(row, Part.METER, meter, loc)
        source = _source(meter)
        if source and source in self._sources:
            cell = next(row.cells[column] for column in ("source", "host", "port") if column in row.cells)
            what = f"the source of {cut(name.text)}"
            self._refuse_twice(cell, "source-twice", what, self._sources[source], "Each meter has a source of its own")
        self._sources.setdefault(source, loc)
        return True

    def _add_unit(self, row: Row, owner: Cell) -> None:
        cell = row.cells.get(UNIT) or row.cells.get(LISTEN)
        if cell is None:
            if METER in row.cells:
                what = "the row has neither a unit id nor an address to listen on"
                self._table.refuse(owner, "unit-id-missing", what, "Write the unit id in the column unit")
            return
        unit_id = value_of(cell, Kind.NUMBER) if UNIT in row.cells else 1
        if not isinstance(unit_id, int) or unit_id > MAX_UNIT_ID:
            what = f"a unit id is a number from 0 to {MAX_UNIT_ID} (found {quoted(cell.text)})"
            self._table.refuse(cell, "not-a-unit-id", what, "Write it like 7")
            return
        index = self._server_of(row, cell)
        units = None if index is None else self._servers[index].setdefault("units", {})
        if index is None or not isinstance(units, dict):
            return
        loc: Loc = ("modbus", index, "units", str(unit_id))
        if unit_id in units:
            listen = self._servers[index].get("listen", "")
            what = f"unit {unit_id}{f' on {cut(str(listen))}' if listen else ''}"
            self._refuse_twice(cell, "unit-twice", what, loc, "Choose another unit id, or listen on another port")
            return
        unit = units[unit_id] = {"meter": owner.text}
        self._document.elsewhere[loc] = self._at(cell)
        self._document.elsewhere[*loc, "meter"] = self._at(owner)
        self._take(row, Part.UNIT, unit, loc)

    def _server_of(self, row: Row, cell: Cell) -> int | None:
        """Return the position of the server of a row, with the keys of the row; None if that is not clear."""
        given = list(_given(row, Part.SERVER))
        server: dict[str, Any] = {column.path[0]: value for column, _, value in given}
        listen = row.cells.get(LISTEN)
        if listen:
            server["listen"] = value_of(listen, Kind.NUMBER)
        index = 0 if self._own_count == 1 and listen is None else self._addresses.get(_address(self._data, server))
        if listen is None and self._own_count != 1 and not self._is_default_server:
            what = f"there are {self._own_count} servers, and none is chosen"
            self._table.refuse(cell, "listen-missing", what, "Write the address of one of them in the column listen")
            return None
        if index is None:
            index = self._addresses[_address(self._data, server)] = len(self._servers)
            self._servers.append({"listen": server["listen"]} if listen else {})
            self._document.elsewhere["modbus", index] = self._at(listen or cell)
        if not isinstance(self._servers[index], dict):
            return None
        for column, its_cell, value in given:
            self._put(self._servers[index], ("modbus", index), column, its_cell, value)
        return index

    def _take(self, row: Row, part: Part, into: dict[str, Any], loc: Loc) -> None:
        """Write the cells that are keys of a part."""
        for column, cell, value in _given(row, part, is_meter=NAME in row.cells):
            self._put(into, loc, column, cell, value)

    def _put(self, into: dict[str, Any], loc: Loc, column: Column, cell: Cell, value: Any) -> None:
        """Write a value, unless another one is there, which is a problem."""
        *way, key = column.path
        for part in way:
            into, loc = into.setdefault(part, {}), (*loc, part)
            if not isinstance(into, dict):
                return
        if key not in into:
            into[key] = value
            self._document.elsewhere[*loc, key] = self._at(cell)
        elif str(into[key]) != str(value):
            place = self._document.place((*loc, key))
            what = f"{'.'.join(column.path)} of this server is another one at {place.file}:{place.line}"
            self._table.refuse(cell, "server-differs", what, "Write the same in all its rows, or only in one")

    def _refuse_twice(self, cell: Cell, code: str, what: str, first: Loc, hint: str) -> None:
        place = self._document.place(first)
        where = f"on line {place.line}" if place.file == self._table.file else f"at {place.file}:{place.line}"
        self._table.refuse(cell, code, f"{what} is given twice, first {where}", hint)

    def _at(self, cell: Cell) -> tuple[str, int, int]:
        return self._table.file, cell.line, cell.column


def _given(row: Row, part: Part, *, is_meter: bool = True) -> Iterator[tuple[Column, Cell, Any]]:
    """Yield the cells of a row that are keys of a part, with their values."""
    for name, cell in row.cells.items():
        column = column_of(name)
        if column and not is_meter and name == "stale_after":
            column = column._replace(part=Part.UNIT)
        if column and column.part is part:
            yield column, cell, value_of(cell, column.kind)


def _address(data: dict[Any, Any], server: Any) -> tuple[object, ...]:
    """Return a value that is the same for two servers exactly when they are one."""
    if not isinstance(server, dict) or "serial" in server:
        return ("none", id(server))
    defaults = data.get("defaults")
    defaults = defaults.get("modbus") if isinstance(defaults, dict) else None
    server = {**defaults, **server} if isinstance(defaults, dict) else server
    listen = server.get("listen")
    if listen is None:
        listen = MODBUS_TLS_PORT if server.get("tls") else MODBUS_PORT
    with suppress(PydanticCustomError):
        listen = listen_of(listen)
    return ("udp" if server.get("transport") == "udp" else "tcp", str(listen))


def _source(meter: Any) -> object:
    """Return a value that is the same for two meters exactly when they have one source; None if nothing says it."""
    if not isinstance(meter, dict):
        return None
    host, port, source = meter.get("host"), meter.get("port"), meter.get("source")
    if source is None:
        url = split_url(str(port))
        return url or ((str(host).lower(), str(port)) if host else port)
    with suppress(PydanticCustomError):
        address = split_source(str(source))
        return str(address) if address.host else None
    return None

"""Read registers as each program does, from nothing but its export: registers of a gateway → values by name."""

from __future__ import annotations

import csv
import io
import json
import math
import struct
import tomllib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import yaml

CODES = {
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float32": "f",
    "float64": "d",
}
IEC = {"UINT": "H", "INT": "h", "UDINT": "I", "DINT": "i", "ULINT": "Q", "LINT": "q", "REAL": "f", "LREAL": "d"}
REORDERINGS = {"ABCD": (False, False), "CDAB": (True, False), "BADC": (False, True), "DCBA": (True, True)}


class Read(NamedTuple):
    """One value: what to ask for, and what its bytes mean."""

    name: str
    host: str
    port: int
    unit_id: int
    function_code: int
    address: int
    count: int
    decode: Callable[[bytes], float | None]


def number(
    code: str, *, low_word_first: bool, bytes_swapped: bool, absent: int | None, factor: float, summand: float
) -> Callable[[bytes], float | None]:
    def decode(data: bytes) -> float | None:
        words = [data[i : i + 2] for i in range(0, len(data), 2)]
        if bytes_swapped:
            words = [word[::-1] for word in words]
        if low_word_first:
            words.reverse()
        (raw,) = struct.unpack(">" + code, b"".join(words))
        return None if raw == absent or math.isnan(raw) else raw * factor + summand

    return decode


def home_assistant(text: str) -> Iterator[Read]:
    (hub,) = yaml.safe_load(text)["modbus"]
    for sensor in hub["sensors"]:
        code = CODES[sensor["data_type"]]
        swap = sensor.get("swap", "")
        decode = number(
            code,
            low_word_first="word" in swap,
            bytes_swapped="byte" in swap,
            absent=sensor.get("nan_value"),
            factor=sensor.get("scale", 1),
            summand=sensor.get("offset", 0),
        )

        def rounded(
            data: bytes, decode: Callable[[bytes], float | None] = decode, digits: int = sensor["precision"]
        ) -> float | None:
            value = decode(data)
            return None if value is None else round(value, digits)

        yield Read(
            sensor["name"].partition(" (")[0].replace(" ", "_"),
            hub["host"],
            hub["port"],
            sensor["slave"],
            {"holding": 3, "input": 4}[sensor["input_type"]],
            sensor["address"],
            struct.calcsize(code) // 2,
            rounded,
        )


def telegraf(text: str) -> Iterator[Read]:
    (plugin,) = tomllib.loads(text)["inputs"]["modbus"]
    host, port = plugin["controller"].removeprefix("tcp://").split(":")
    for request in plugin["request"]:
        low_word_first, bytes_swapped = REORDERINGS[request["byte_order"]]
        for field in request["fields"]:
            code = CODES[field["type"].lower()]
            yield Read(
                field["name"],
                host,
                int(port),
                request["slave_id"],
                {"holding": 3, "input": 4}[request["register"]],
                field["address"],
                struct.calcsize(code) // 2,
                number(
                    code,
                    low_word_first=low_word_first,
                    bytes_swapped=bytes_swapped,
                    absent=None,
                    factor=field["scale"],
                    summand=0,
                ),
            )


def evcc(text: str) -> Iterator[Read]:
    (meter,) = yaml.safe_load(text)["meters"]
    sources = {key: meter[key] for key in ("power", "energy") if key in meter}
    for key in ("powers", "currents", "voltages"):
        sources |= {f"{key}_{phase}": source for phase, source in enumerate(meter.get(key, ()), start=1)}
    for name, source in sources.items():
        host, port = source["uri"].split(":")
        register = source["register"]
        swapped = register["decode"].endswith("s")
        code = CODES[register["decode"].removesuffix("s")]
        yield Read(
            name,
            host,
            int(port),
            source["id"],
            {"holding": 3, "input": 4}[register["type"]],
            register["address"],
            struct.calcsize(code) // 2,
            number(
                code,
                low_word_first=swapped,
                bytes_swapped=False,
                absent=None,
                factor=source.get("scale", 1),
                summand=0,
            ),
        )


def variables(text: str) -> Iterator[Read]:
    """The lists for TIA Portal, CODESYS and TwinCAT."""
    separator = ";" if ";" in text.splitlines()[0] else ","
    for row in csv.DictReader(io.StringIO(text), delimiter=separator):
        keys = list(row)
        code = IEC[row[keys[1]].upper()]
        address = int(row[keys[2]])
        if keys[2] == "MB_DATA_ADDR":
            address -= next(base for base in (400_001, 300_001, 40_001, 30_001) if address >= base)
        absent = row["Absent"]
        yield Read(
            row["Name"],
            row["Host"],
            int(row["Port"]),
            int(row["Unit id"]),
            int(row["Function code"]),
            address,
            int(row[keys[3]]),
            number(
                code,
                low_word_first="low word first" in row["Word order"],
                bytes_swapped="bytes swapped" in row["Word order"],
                absent=None if absent == "NaN" else int(absent),
                factor=float(row["Factor"]),
                summand=float(row["Summand"]),
            ),
        )


READERS: dict[str, Callable[[str], Iterator[Read]]] = {
    "home-assistant": home_assistant,
    "telegraf": telegraf,
    "evcc": evcc,
    "tia": variables,
    "codesys": variables,
    "twincat": variables,
}


def node_red_nodes(text: str) -> dict[str, list[dict[str, Any]]]:
    """The nodes of a flow by type."""
    nodes: dict[str, list[dict[str, Any]]] = {}
    for node in json.loads(text):
        nodes.setdefault(node["type"], []).append(node)
    return nodes

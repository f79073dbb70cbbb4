"""WARP chargers: software/src/modules/meters_modbus_tcp of Tinkerforge/esp32-firmware, at cf4f5b58c.

A meter is a table of values. Values that follow each other are read together, up to 32 registers. A read that fails is
repeated until it succeeds, so that an exception at one address ends all updates. NaN stays NaN, "not known"; whole
numbers have no code. The charge manager acts on the currents and on the power.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tests.clients.client import CURRENTS, PHASE_POWERS, SIGNED_CURRENTS, Client, Field, Read, nan_is_nothing, phases

_LARGEST_READ = 32


def _reads(runs: Iterable[tuple[int, int]], step: int, fields: Mapping[str, Field]) -> list[Read]:
    """Return the reads of runs of registers; a read has whole values of `step` registers."""
    largest = _LARGEST_READ // step * step
    return [
        Read(4, at, count, {name: each for name, each in fields.items() if at <= each.address < at + count})
        for first, length in runs
        for at in range(first, first + length, largest)
        for count in [min(largest, first + length - at)]
    ]


def _client(name: str, source: str, reads: Sequence[Read], acts_on: Sequence[str]) -> Client:
    return Client(f"WARP {name}", name, source, reads, acts_on, convert=nan_is_nothing, fails_as_a_whole=True)


_CARLO_GAVAZZI = {
    **phases("voltage", 0, "s32l", 0.1),
    **phases("current_signed", 12, "s32l", 0.001),
    **phases("power_net", 18, "s32l", 0.1),
    "power_net": Field(40, "s32l", 0.1),
    "energy_import": Field(52, "s32l", 100),
    "energy_export": Field(78, "s32l", 100),
}
_EASTRON = {
    **phases("voltage", 0, "f32"),
    **phases("current", 6, "f32"),
    **phases("power_net", 12, "f32"),
    "power_net": Field(52, "f32"),
    "energy_import": Field(72, "f32", 1000),
    "energy_export": Field(74, "f32", 1000),
}
_EASTRON_RUNS = [
    *((0, 44), (46, 4), (52, 2), (56, 2), (60, 4), (66, 2), (70, 14)),
    *((200, 8), (224, 2), (234, 12), (248, 4), (334, 48)),
]
_JANITZA = {
    **phases("voltage", 19000, "f32"),
    **phases("current", 19012, "f32"),
    **phases("power_net", 19020, "f32"),
    "power_net": Field(19026, "f32"),
    "energy_import": Field(19068, "f32"),
    "energy_export": Field(19076, "f32"),
}
_FLOATS = ("power_net", *PHASE_POWERS, *CURRENTS)

CLIENTS = [
    *(
        _client(
            name,
            "carlo_gavazzi.py",
            _reads([(0, 50), (51, 5), (64, 6), (78, 4)], 1, _CARLO_GAVAZZI),
            ("power_net", *SIGNED_CURRENTS, "energy_import", "energy_export"),
        )
        for name in ("cg-em24", "cg-em3xx")
    ),
    _client("eastron-sdm630", "eastron.py", _reads(_EASTRON_RUNS, 2, _EASTRON), _FLOATS),
    _client("siemens-pac2200", "siemens.py", [
        *_reads([(1, 42), (55, 18)], 2, phases("voltage", 1, "f32") | phases("current", 13, "f32")
                | phases("power_net", 25, "f32") | {"power_net": Field(65, "f32")}),
        *_reads([(at, 4) for at in (801, 809, *range(817, 957, 8))], 4,
                {"energy_import": Field(801, "f64"), "energy_export": Field(809, "f64")}),
    ], (*_FLOATS, "energy_import", "energy_export")),
    _client("janitza-umg96rm", "janitza.py", _reads([(19000, 52), (19054, 68)], 2, _JANITZA), _FLOATS),
]  # fmt: skip

"""Telegrams of many kinds of households, and what a client may make of them.

A client reads a map with its own requests and converts the registers as its source does. The telegram decides whether
the result is right: each quantity is what the telegram says, or the client sees that there is no value. A code for
absent must never become a number, and 0 must never stand for something that is not known.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from gateway.maps.load import map_names
from tests.conftest import own_telegram
from tests.maps.serving import Server, readings_in

Values = Mapping[str, Any]
Seen = dict[str, float | None]
"""Quantity → what the client makes of it; None or NaN if it sees that there is no value."""
PHASES = ("l1", "l2", "l3")
POWER_PER_PHASE, VOLTAGES, CURRENTS = (
    [f"{quantity}_{phase}" for phase in PHASES] for quantity in ("power", "voltage", "current")
)


class RefusedError(Exception):
    """An exception response; the client has no value of the whole request."""


def _values(telegram: str) -> Values:
    (readings,) = readings_in(own_telegram(telegram))
    return readings.values


_MIXED = _values("v50_iskra-am550-solar")
_TOTALS = ("equipment_identifier", "power_net", "energy_import", "energy_export")

HOUSEHOLDS: dict[str, Values] = {
    "importing": _values("v50_sagemcom-t210d"),
    "one phase exports": _MIXED,
    "with one phase": _values("v50_kamstrup-one-phase"),
    "DSMR 2.2": _values("v22_iskra-mt382"),
    "DSMR 4": _values("v42_landisgyr-zmf110"),
    "DSMR 4 with one phase": _values("v42_landisgyr-zcf110"),
    "Belgium": _values("be_fluvius"),
    "Sweden": _values("se_aidon"),
    "totals only": {name: _MIXED[name] for name in _TOTALS},
    "65 kW": {**_values("v50_sagemcom-t210d"), "power_net": Decimal(65000)}
    | {f"power_net_{phase}": Decimal(21667) for phase in PHASES},
    "200 MWh": {**_MIXED, "energy_import": Decimal(200_000_000)},
    "power of two phases": {name: value for name, value in _MIXED.items() if name != "power_net_l2"},
}
WHOLE = ("importing", "one phase exports", "with one phase", "Belgium", "Sweden", "65 kW", "200 MWh")
"""Households with power, voltage and current of each phase."""
WITH_CURRENTS = (*WHOLE, "DSMR 4", "DSMR 4 with one phase")
"""Households with power and current of each phase."""


def of_phase(values: Values, quantity: str, phase: str) -> float | None:
    """Return what a telegram says of a quantity of a phase: 0 for the phases that a meter with one phase lacks."""
    if f"{quantity}_{phase}" in values:
        return float(values[f"{quantity}_{phase}"])
    others = [f"{quantity}_{each}" for each in PHASES[1:]]
    return 0.0 if f"{quantity}_l1" in values and not any(other in values for other in others) else None


def truth(values: Values) -> Seen:
    """Return what a telegram says, in W, V, A and kWh; currents without sign."""
    said: Seen = {"power": float(values["power_net"]) if "power_net" in values else None}
    for name in ("energy_import", "energy_export"):
        said[name] = float(values[name]) / 1000 if name in values else None
    for phase in PHASES:
        said[f"power_{phase}"] = of_phase(values, "power_net", phase)
        said[f"voltage_{phase}"] = of_phase(values, "voltage", phase)
        current = of_phase(values, "current", phase)
        said[f"current_{phase}"] = None if current is None else abs(current)
    return said


class Reader:
    """A client's connection to a unit with a map."""

    def __init__(self, map_name: str, values: Values | None) -> None:
        self._server = Server(map_names()[map_name], identifiers=False)
        if values is not None:
            self._server.show(values)

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Return the registers of a response.

        Raises:
            RefusedError: the response is an exception.

        """
        response = self._server.ask(struct.pack(">BHH", function, address, count))
        if response[0] & 0x80:
            raise RefusedError
        return list(struct.unpack(f">{count}H", response[2:]))


Client = Callable[[Reader], Seen]
"""The requests of a client, and its conversion."""


def check(map_name: str, client: Client, acts_on: Sequence[str], served: Sequence[str], **expected: Any) -> None:
    """Check a client with every household.

    Args:
        map_name: the map that it reads.
        client: the client.
        acts_on: quantities that a response must have, or the whole response must be an exception.
        served: the households that it must get values of; all others must be refused.
        expected: by quantity, a function of a telegram's readings, if it differs from `truth`.

    """
    with pytest.raises(RefusedError):
        client(Reader(map_name, None))
    got = []
    for name, values in HOUSEHOLDS.items():
        said = truth(values) | {quantity: make(values) for quantity, make in expected.items()}
        try:
            seen = client(Reader(map_name, values))
        except RefusedError:
            continue
        got.append(name)
        for quantity, number in seen.items():
            where = f"{map_name}, {name}: {quantity}"
            if number is None or math.isnan(number):
                assert quantity not in acts_on, where
            else:
                assert said[quantity] is not None, f"{where} is {number}, and the telegram does not have it"
                assert number == pytest.approx(said[quantity], rel=1e-6, abs=0.051), where
    assert got == [name for name in HOUSEHOLDS if name in served]


def floats(registers: Sequence[int], *, low_first: bool = False) -> list[float]:
    """Return the float32 numbers in registers."""
    pairs = [registers[at : at + 2] for at in range(0, len(registers) - 1, 2)]
    return [float(struct.unpack(">f", struct.pack(">HH", *(pair[::-1] if low_first else pair)))[0]) for pair in pairs]


def int32(registers: Sequence[int], *, low_first: bool = False) -> int:
    """Return the signed number in two registers."""
    high, low = registers[::-1] if low_first else registers
    return int(struct.unpack(">i", struct.pack(">HH", high, low))[0])

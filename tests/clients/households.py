"""Readings of many kinds of households: from the telegrams of real meters, and made up where no telegram has them.

They decide what a client must have in the end. What a client computes itself is in them too, worked out here: the
current with the direction of its phase's power, and reactive power as one number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.conftest import own_telegram
from tests.maps.serving import readings_in
from tests.protocol.p1.stream import resealed

Values = Mapping[str, Any]
SUFFIXES = ("", "_l1", "_l2", "_l3")


def _read(telegram: bytes) -> Values:
    (readings,) = readings_in(telegram)
    return _worked_out(readings.values)


def _worked_out(values: Values) -> Values:
    more: dict[str, Decimal] = {}
    for suffix in SUFFIXES:
        current, power = values.get(f"current{suffix}"), values.get(f"power_net{suffix}")
        if current is not None and power is not None:
            more[f"current_signed{suffix}"] = abs(current).copy_sign(power)
        taken, given = (values.get(f"reactive_power_{way}{suffix}") for way in ("import", "export"))
        if taken is not None and given is not None:
            more[f"reactive_power_net{suffix}"] = taken - given
    return {name: value for name, value in values.items() if "current_signed" not in name} | more


def _house(
    powers: Sequence[str],
    *,
    currents: Sequence[str] = (),
    voltages: Sequence[str] = (),
    energy: tuple[str, str] = ("17324375", "11432955"),
    total: str | None = None,
) -> Values:
    """Return the readings of a house: power per phase in W, import positive; `total` if there are none."""
    net = {f"_l{phase}": Decimal(power) for phase, power in enumerate(powers, start=1)}
    net[""] = Decimal(total) if total is not None else sum(net.values(), Decimal(0))
    values: dict[str, Any] = {"identification": "TST5 house", "energy_import": Decimal(energy[0])}
    values["energy_export"] = Decimal(energy[1])
    for suffix, power in net.items():
        values |= {f"power_net{suffix}": power}
        values |= {f"power_import{suffix}": max(power, Decimal(0)), f"power_export{suffix}": max(-power, Decimal(0))}
    values |= {f"current_l{phase}": Decimal(current) for phase, current in enumerate(currents, start=1)}
    values |= {f"voltage_l{phase}": Decimal(voltage) for phase, voltage in enumerate(voltages, start=1)}
    return _worked_out(values)


_VOLTS = ("236.2", "238.9", "235.5")
_SOLAR = own_telegram("v50_iskra-am550-solar")
_MIXED = _read(_SOLAR)


def _without(*left_out: str) -> Values:
    return {name: value for name, value in _MIXED.items() if not name.startswith(left_out)}


def _of_l1(*quantities: str) -> Values:
    """Return the house with these quantities of L1 only."""
    return _without(*(f"{quantity}_{phase}" for quantity in quantities for phase in ("l2", "l3")))


HOUSEHOLDS: Mapping[str, Values] = {
    "importing": _read(own_telegram("v50_sagemcom-t210d")),
    "exporting": _house(("-1880", "-3811", "-496"), currents=("8", "16", "2"), voltages=_VOLTS),
    "one phase exports": _MIXED,
    "negative current": _read(resealed(_SOLAR.replace(b"1-0:51.7.0(016*A)", b"1-0:51.7.0(-16*A)"))),
    "one phase": _read(own_telegram("v50_kamstrup-one-phase")),
    "40 kW on one phase": _house(("40000",), currents=("174",), voltages=("231.4",)),
    "DSMR 2.2": _read(own_telegram("v22_iskra-mt382")),
    "DSMR 4": _read(own_telegram("v42_landisgyr-zmf110")),
    "DSMR 4, one phase": _read(own_telegram("v42_landisgyr-zcf110")),
    "totals only": _house((), total="-4200"),
    "Belgium": _read(own_telegram("be_fluvius")),
    "Belgium, one phase": _read(own_telegram("be_iskra-ie5")),
    "Sweden": _read(own_telegram("se_aidon")),
    "65 kW": _house(("21667", "21666", "21667"), currents=("94", "94", "94"), voltages=_VOLTS),
    "200 MWh": _house(
        ("188", "3811", "496"), currents=("1", "16", "2"), voltages=_VOLTS, energy=("200000123", "150000456")
    ),
    "idle": _house(("0", "0", "0"), currents=("0", "0", "0"), voltages=_VOLTS),
    "import and export at once": {**_MIXED, "power_import": Decimal(500), "power_export": Decimal(3627)},
    "currents, and power in total": _without("power_net_l", "power_import_l", "power_export_l", "current_signed"),
    "power of three phases, current of one": _of_l1("current", "current_signed"),
    "currents of three phases, power of one": _of_l1("power_net", "power_import", "power_export", "current_signed"),
    "voltage of one of three phases": _of_l1("voltage"),
    "a withheld counter": {name: value for name, value in _MIXED.items() if name != "energy_import"},
    "power of two phases": {
        name: value
        for name, value in _MIXED.items()
        if not (name.endswith("_l2") and name.startswith(("power", "current_signed")))
    },
}
PARTIAL = ("currents of three phases, power of one", "power of two phases")
"""Households with power of some phases only."""
POWERS = tuple(name for name in HOUSEHOLDS if name not in PARTIAL)
"""Households with power in total, and of all phases or of none."""
PHASES = tuple(name for name in POWERS if name not in ("DSMR 2.2", "totals only", "currents, and power in total"))
"""Households with power of each phase."""
CURRENTS = tuple(name for name in PHASES if name != "power of three phases, current of one")
"""Households with power and current of each phase."""
ENERGY = tuple(name for name in HOUSEHOLDS if name != "a withheld counter")
"""Households with energy."""
PHASES_AND_ENERGY = tuple(name for name in PHASES if name in ENERGY)
"""Households with power of each phase, and energy."""
CURRENTS_AND_ENERGY = tuple(name for name in CURRENTS if name in ENERGY)
"""Households with power and current of each phase, and energy."""
VOLTAGES = tuple(name for name in PHASES_AND_ENERGY if "DSMR" not in name and "voltage of one" not in name)
"""Households with power and voltage of each phase, and energy."""
WHOLE = tuple(name for name in VOLTAGES if name in CURRENTS)
"""Households with power, voltage and current of each phase, and energy."""

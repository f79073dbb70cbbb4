"""Telegrams of different houses, as the readings that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

Values = Mapping[str, Decimal]


def house(
    powers: Sequence[str],
    *,
    currents: Sequence[str] = (),
    voltages: Sequence[str] = (),
    energy: tuple[str, str] = ("17324375", "11432955"),
    total: str | None = None,
    more: Mapping[str, str] | None = None,
) -> Values:
    """Return the readings of a house: power per phase in W, import positive; total only if there are none."""
    texts: dict[str, str] = {"energy_import": energy[0], "energy_export": energy[1], **(more or {})}
    net = {f"_l{phase}": Decimal(power) for phase, power in enumerate(powers, start=1)}
    net[""] = Decimal(total) if total is not None else sum(net.values(), Decimal(0))
    values = {name: Decimal(text) for name, text in texts.items()}
    for suffix, power in net.items():
        values |= {f"power_net{suffix}": power}
        values |= {f"power_import{suffix}": max(power, Decimal(0)), f"power_export{suffix}": max(-power, Decimal(0))}
    for phase, current in enumerate(currents, start=1):
        size = abs(Decimal(current))
        values[f"current_l{phase}"] = size
        values[f"current_signed_l{phase}"] = size.copy_sign(net[f"_l{phase}"])
    values |= {f"voltage_l{phase}": Decimal(voltage) for phase, voltage in enumerate(voltages, start=1)}
    return values


VOLTS = ("236.2", "238.9", "235.5")
HOUSES: Mapping[str, Values] = {
    "three phases importing": house(("188", "3811", "496"), currents=("1", "16", "2"), voltages=VOLTS),
    "three phases exporting": house(("-1880", "-3811", "-496"), currents=("8", "16", "2"), voltages=VOLTS),
    "three phases mixed": house(("188", "-3811", "496"), currents=("1", "16", "2"), voltages=VOLTS),
    "one phase": house(("-267",), currents=("1",), voltages=("231.4",)),
    "DSMR 2.2": house((), total="1860"),
    "DSMR 4": house(("318", "92", "-1303"), currents=("1", "0", "6")),
    "DSMR 4, one phase": house(("267",), currents=("1",)),
    "totals only": house((), total="-4200"),
    "Belgium": house(("300", "200", "-100"), currents=("1.31", "0.87", "0.44"), voltages=VOLTS),
    "Sweden": house(
        ("1200", "800", "-300"), currents=("5.3", "3.6", "1.4"), voltages=VOLTS,
        more={"reactive_power_import": "120", "reactive_power_export": "0"},
    ),
    "65 kW": house(("21667", "21666", "21667"), currents=("94", "94", "94"), voltages=VOLTS),
    "40 kW on one phase": house(("40000",), currents=("174",), voltages=("231.4",)),
    "200 MWh": house(
        ("188", "3811", "496"), currents=("1", "16", "2"), voltages=VOLTS, energy=("200000123", "150000456")
    ),
    "idle": house(("0", "0", "0"), currents=("0", "0", "0"), voltages=VOLTS),
    "a withheld counter": {
        name: value
        for name, value in house(("188", "3811", "496"), currents=("1", "16", "2"), voltages=VOLTS).items()
        if name != "energy_import"
    },
}  # fmt: skip

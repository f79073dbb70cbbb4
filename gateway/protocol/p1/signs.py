"""Values of one telegram that their own signs or other lines contradict.

Most quantities of a telegram have no sign: import and export are two lines, and a counter never falls below 0. Some
meters send a sign nevertheless. Its meaning decides:

- a current is a magnitude, and the sign is its direction (`current_signed_l1`);
- a negative import is an export if the line of the export agrees with it: that line is missing, 0, or has the same
  magnitude. Net power is then known, and import is absent;
- any other negative value is absent, because nothing shows what the meter means.

Net power as the meter sends it has to be import less export, except for the rounding of the three lines; otherwise all
three are absent. Phases and their total are not compared, and import and export may both be above 0: real meters
measure them at different moments, or phase by phase.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from gateway.protocol.p1.obis import ENTRIES, Value

PHASE_SUFFIXES = ("", "_l1", "_l2", "_l3")
"""Endings of the names of a power: the total and the three phases."""
SIGNED = ("power_net", "power_factor", "current_l")
"""Beginnings of the names of readings that may be negative."""
_MAGNITUDES = frozenset(
    entry.name for entry in ENTRIES.values() if entry.unit is not None and not entry.name.startswith(SIGNED)
)

Contradiction = tuple[str, str]
"""Name of a reading, and the contradiction as a text."""


def settle_signs(values: dict[str, Value], units: dict[str, str], negative: Iterable[str]) -> list[Contradiction]:
    """Remove the values that contradict their sign or another line, and return the contradictions.

    Args:
        values: the values of the lines by name, in base units.
        units: their base units.
        negative: names of the readings whose line has a minus sign.

    """
    found: list[Contradiction] = []
    for name in negative:
        value = values.get(name)
        if name not in _MAGNITUDES or not isinstance(value, Decimal) or value >= 0:
            continue
        if not (name.startswith("power_import") and _is_export(values, units, name.removeprefix("power_import"))):
            found.append((name, f"{name} is negative"))
        _remove(values, units, name)
    for suffix in PHASE_SUFFIXES:
        if f"power_net{suffix}" in values and f"power_import{suffix}" in values:
            found += _compare_net(values, units, suffix)
    return found


def signed_current(current: Decimal, net: Value | None) -> Decimal | None:
    """Return a current with its direction: its own sign, or else that of the net power of its phase; None without."""
    if current >= 0 and not isinstance(net, Decimal):
        return None
    return -current if current > 0 and net < 0 else current  # type: ignore[operator]


def _is_export(values: dict[str, Value], units: dict[str, str], suffix: str) -> bool:
    """Return whether a negative import is an export, and add net power if it is."""
    imported, exported = values[f"power_import{suffix}"], values.get(f"power_export{suffix}")
    if not isinstance(imported, Decimal) or exported not in (None, 0, -imported):
        return False
    if exported == 0:
        _remove(values, units, f"power_export{suffix}")
    net = f"power_net{suffix}"
    sent = values.setdefault(net, imported)
    units[net] = "W"
    if isinstance(sent, Decimal) and abs(sent - imported) > step_of(sent) + step_of(imported):
        _remove(values, units, net)
        return False
    return True


def _compare_net(values: dict[str, Value], units: dict[str, str], suffix: str) -> list[Contradiction]:
    names = [f"power_{way}{suffix}" for way in ("net", "import", "export")]
    net, imported, exported = (values.get(name) for name in names)
    if not (isinstance(net, Decimal) and isinstance(imported, Decimal) and isinstance(exported, Decimal)):
        return []
    # A meter may cut the digits it does not show instead of rounding them.
    tolerance = step_of(net) + step_of(imported) + step_of(exported)
    if abs(net - (imported - exported)) <= tolerance:
        return []
    for name in names:
        _remove(values, units, name)
    return [(names[0], f"{names[0]} is {net:f} W, but import less export is {imported - exported:f} W")]


def step_of(value: Decimal) -> Decimal:
    """Return the smallest step that a value can have with the digits of its line."""
    return Decimal(1).scaleb(int(value.as_tuple().exponent))


def _remove(values: dict[str, Value], units: dict[str, str], name: str) -> None:
    del values[name], units[name]
    values.pop(f"{name}_time", None)

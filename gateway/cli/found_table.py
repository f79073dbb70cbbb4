"""The table of `dsmr-gateway probe`: the sources that a search has found, with version, meter and age."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.cli.probe_output import Files
    from gateway.tools.finding import Found
    from gateway.tools.probing import ProbeResult

Row = tuple[int | None, "Found"]
"""A source with its number, None for one that cannot be chosen."""

_HEADER = ("no", "kind", "where", "version", "meter", "age")
_CLOCK_APART_S = 60.0
"""Difference between the clocks of meter and machine from which it is shown."""


def numbered(found: Iterable[Found]) -> list[Row]:
    """Return the sources, those that can be chosen with their numbers."""
    rows: list[Row] = []
    number = 0
    for each in found:
        number += each.candidate.is_usable
        rows.append((number if each.candidate.is_usable else None, each))
    return rows


def lines(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table; a note on a source is below its line."""
    if not rows:
        return []
    cells = [_HEADER, *(_cells(*row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    shown: list[str] = []
    notes = ["", *(_note(each) for _, each in rows)]
    for row, note in zip(cells, notes, strict=True):
        shown.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if note:
            shown.append(f"{' ' * (widths[0] + 2)}{note}")
    return shown


def as_data(number: int | None, found: Found, files: Files) -> dict[str, object]:
    """Return everything about one source as plain data for JSON."""
    from gateway.cli.probe_output import as_data as result_data

    candidate = found.candidate
    version, meter, age_s = _measured(found)
    return {
        "number": number,
        "kind": candidate.kind,
        "name": candidate.name,
        "note": _note(found),
        "meter": meter,
        "age_s": None if age_s is None else round(age_s, 1),
        **result_data(candidate.place, found.results, files.for_found(candidate.place)),
        **({"title": version} if version else {}),
    }


def _cells(number: int | None, found: Found) -> tuple[str, ...]:
    version, meter, age_s = _measured(found)
    age = "-" if age_s is None else f"{age_s:.1f} s"
    candidate = found.candidate
    where = candidate.place or candidate.name
    return str(number or "-"), candidate.kind, where, version or "-", meter or "-", age


def _measured(found: Found) -> tuple[str, str, float | None]:
    """Return version, pseudonym and age of the meter when it was read, each where it is known."""
    from gateway.protocol.p1.identifiers import pseudonym

    if found.own:
        return found.own.title, found.own.pseudonym, found.own.age_s
    last = _last(found)
    if last is None or last.newest is None:
        return ("encrypted" if last and last.encryption else ""), "", None
    newest = last.newest
    identifier = newest.readings.values.get("equipment_identifier")
    meter = "" if identifier is None else pseudonym(identifier)
    return newest.variant.title, meter, max(last.ended - newest.measured, 0.0)


def _note(found: Found) -> str:
    """Return why a source was not tried or not read, or what is notable about one that was; empty for none."""
    from gateway.tools.probing import conclude

    last = _last(found)
    if last is None:
        return found.candidate.remark
    if last.newest is None:
        problems = dict.fromkeys(str(each.problem) for each in found.results)
        return conclude(found.results) or "; ".join(problems)
    return "; ".join(filter(None, (f"encrypted: {last.encryption}" if last.encryption else "", _clock_note(last))))


def _clock_note(result: ProbeResult) -> str:
    from gateway.runtime.clock import now, unix_now

    newest = result.newest
    if newest is None or newest.readings.time is None:
        return ""
    behind_s = unix_now() - (now() - newest.arrived) - newest.readings.time
    if abs(behind_s) < _CLOCK_APART_S:
        return ""
    return f"its clock is {_duration(abs(behind_s))} {'behind' if behind_s > 0 else 'ahead of'} this machine's"


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"


def _last(found: Found) -> ProbeResult | None:
    return found.results[-1] if found.results else None

"""The registers of a unit as a client reads them now."""

from __future__ import annotations

import asyncio

from gateway.maps.table import ABSENT, shown, step
from gateway.nodes.status_page.decoded import MASK, set_bits, unix_time_of
from gateway.nodes.status_page.frame import age
from gateway.nodes.status_page.observation import ServedUnit, ServedUnits
from gateway.nodes.status_page.readings_model import Registers, RegisterView
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.p1.names import GATEWAY_PREFIX, source_lines
from gateway.protocol.p1.readings import Readings
from gateway.protocol.registers.decoding import decode
from gateway.protocol.registers.register import Register, manual_number
from gateway.runtime.clock import now

PIECE = 8
"""Number of registers that are shown without a pause."""
ATTEMPTS = 3
"""Number of attempts after which all registers are shown without a pause."""


async def registers(served: ServedUnits, unit: ServedUnit, *, is_masked: bool) -> Registers:
    """Return the registers of `unit`, with masked identifiers if `is_masked`.

    This takes so long that Modbus clients are served after every `PIECE` registers. All registers are of the same
    telegram: if another one comes meanwhile, this begins again.
    """
    for _ in range(ATTEMPTS):
        newest = unit.unit.snapshot
        found = []
        for number, register in enumerate(unit.unit.register_map.registers, start=1):
            found.append(_view(register, unit, is_masked=is_masked))
            if number % PIECE == 0:
                await asyncio.sleep(0)
                if unit.unit.snapshot is not newest:
                    break
        else:
            return _registers(served, unit, found)
    every = unit.unit.register_map.registers
    return _registers(served, unit, [_view(register, unit, is_masked=is_masked) for register in every])


def _registers(served: ServedUnits, unit: ServedUnit, views: list[RegisterView]) -> Registers:
    return Registers(
        server=served.server.name,
        unit_id=unit.unit_id,
        meter=unit.meter.name,
        map=unit.unit.register_map.name,
        is_fresh=unit.unit.is_fresh(now()),
        on_stale=unit.unit.on_stale.value,
        age_s=age(unit.meter, now()),
        registers=views,
    )


def _view(register: Register, served: ServedUnit, *, is_masked: bool) -> RegisterView:
    unit, moment = served.unit, now()
    readings = served.meter.served.readings if served.meter.served else None
    is_live = any(name.startswith(GATEWAY_PREFIX) for name in register.uses)
    response = unit.read(register.place, register.length, moment)
    raw = response if isinstance(response, bytes) else None
    # The gateway's own values and constants do not come from a telegram.
    is_stale = not is_live and bool(register.uses) and not unit.is_fresh(moment) and unit.snapshot is not None
    text, content = shown(register, raw), raw.hex(" ", 2) if raw else ""
    shows_identifiers = unit.register_map.shows_identifiers
    if is_masked and text != ABSENT and register.identifies and shows_identifiers:
        text, content = MASK, ""
    value = decode(register, raw) if raw and text != ABSENT else None
    lines = source_lines(register.uses, readings) if readings else ()
    return RegisterView(
        address=register.address,
        number=manual_number(register.address),
        name=register.name,
        type=register.type_name,
        length=register.length,
        step=step(register),
        text=None if text == ABSENT else text,
        words=content,
        exception=response if isinstance(response, ExceptionCode) else None,
        is_answered=response is not None,
        is_stale=is_stale,
        is_withheld=register.identifies and not register.has_pseudonym and not shows_identifiers,
        age_s=_age(register, served, readings, moment, is_live=is_live),
        codes=list(dict.fromkeys(readings.lines[at].code for at in lines)) if readings else [],
        lines=list(lines),
        description=register.description,
        bits=set_bits(register, value) if register.type_name == "bitfield" and value is not None else None,
        unix_time=None if value is None else unix_time_of(register, value),
    )


def _age(
    register: Register, served: ServedUnit, readings: Readings | None, moment: float, *, is_live: bool
) -> float | None:
    """Return the age of a register's value; a reading of an M-Bus meter was already old when the telegram came."""
    if is_live:
        return 0.0
    telegram_age = age(served.meter, moment)
    if telegram_age is None or readings is None or not register.uses:
        return None
    ages = [value for name in register.uses if isinstance(value := readings.values.get(f"{name}_age"), int)]
    return telegram_age + max(ages, default=0)

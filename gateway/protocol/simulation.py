"""The telegrams of a simulated household, for demonstrations and for tests that need a living meter.

The house has a base load, a heat pump, a car that charges on some nights, solar panels on L3 and a gas
boiler. It lives the same week over and over, by the clock on its wall. So what its meter has counted is
the energy of one week times their number, and a look-up: any moment costs the same, without a history.

Power is constant during each `SLOT_S` seconds, and a counter is exactly its integral, rounded down to
1 Wh. The meter nets its phases, as Dutch meters do: while L3 exports and L1 imports, the difference
counts. Counters start at zero on 1 January 2024 and roll over at `ROLLOVER_WH`.

Lines and their forms are those of DSMR P1 3.0 (for 2.2), 4.2.2 and 5.0.2 (6.12), in the order of meters
in the field.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, repeat
from random import Random
from zoneinfo import ZoneInfo

from gateway.protocol.telegram import crc16

SLOT_S = 10
"""Seconds that a power lasts."""

ROLLOVER_WH = 100_000_000
"""What a DSMR 2.2 counter of five digits of kWh cannot show any more."""

_MINUTE_S, _HOUR_S, _DAY_S, _WEEK_S = 60, 3600, 86_400, 604_800
_SLOTS_PER_HOUR = _HOUR_S // SLOT_S
_ZONE = ZoneInfo("Europe/Amsterdam")
# Monday 1 January 2024, 0:00, counted as if the clock on the wall showed UTC.
_START = 1_704_067_200

# The hour that summer time leaves out in March, and that comes twice in October: Sunday, 2 to 3.
_SKIPPED_FROM, _SKIPPED_TO = ((6 * 24 + hour) * _SLOTS_PER_HOUR for hour in (2, 3))

_HEADER = "/SIM5\\2GATEWAY-DEMO\n\n"

_V2_2 = """\
0-0:96.1.1({equipment_id})
1-0:1.8.1({import_t1:09.3f}*kWh)
1-0:1.8.2({import_t2:09.3f}*kWh)
1-0:2.8.1({export_t1:09.3f}*kWh)
1-0:2.8.2({export_t2:09.3f}*kWh)
0-0:96.14.0({tariff:04})
1-0:1.7.0({power_import:07.2f}*kW)
1-0:2.7.0({power_export:07.2f}*kW)
0-0:17.0.0(0999.00*kW)
0-0:96.3.10(1)
0-0:96.13.1()
0-0:96.13.0()
0-1:24.1.0(3)
0-1:96.1.0({gas_id})
0-1:24.3.0({gas_time:.12})(00)(60)(1)(0-1:24.2.1)(m3)
({gas:09.3f})
0-1:24.4.0(1)
!"""

_COMMON_4_AND_5 = """\
0-0:1.0.0({clock})
0-0:96.1.1({equipment_id})
1-0:1.8.1({import_t1:010.3f}*kWh)
1-0:1.8.2({import_t2:010.3f}*kWh)
1-0:2.8.1({export_t1:010.3f}*kWh)
1-0:2.8.2({export_t2:010.3f}*kWh)
0-0:96.14.0({tariff:04})
1-0:1.7.0({power_import:06.3f}*kW)
1-0:2.7.0({power_export:06.3f}*kW)
0-0:96.7.21(00004)
0-0:96.7.9(00001)
1-0:99.97.0(1)(0-0:96.7.19)(240612093015S)(0000001260*s)
1-0:32.32.0(00002)
1-0:52.32.0(00001)
1-0:72.32.0(00000)
1-0:32.36.0(00000)
1-0:52.36.0(00000)
1-0:72.36.0(00001)
"""

_PHASES_4_AND_5 = """\
1-0:31.7.0({current[0]:03}*A)
1-0:51.7.0({current[1]:03}*A)
1-0:71.7.0({current[2]:03}*A)
1-0:21.7.0({phase_import[0]:06.3f}*kW)
1-0:41.7.0({phase_import[1]:06.3f}*kW)
1-0:61.7.0({phase_import[2]:06.3f}*kW)
1-0:22.7.0({phase_export[0]:06.3f}*kW)
1-0:42.7.0({phase_export[1]:06.3f}*kW)
1-0:62.7.0({phase_export[2]:06.3f}*kW)
0-1:24.1.0(003)
0-1:96.1.0({gas_id})
0-1:24.2.1({gas_time})({gas:09.3f}*m3)
!"""

_V4 = f"""\
1-3:0.2.8(42)
{_COMMON_4_AND_5}\
0-0:96.13.1()
0-0:96.13.0()
{_PHASES_4_AND_5}"""

_V5 = f"""\
1-3:0.2.8(50)
{_COMMON_4_AND_5}\
0-0:96.13.0()
1-0:32.7.0({{voltage[0]:05.1f}}*V)
1-0:52.7.0({{voltage[1]:05.1f}}*V)
1-0:72.7.0({{voltage[2]:05.1f}}*V)
{_PHASES_4_AND_5}"""


@dataclass(frozen=True, slots=True)
class _Form:
    """How meters of one DSMR version tell what they measure."""

    template: str
    gas_period_s: int
    has_checksum: bool


_FORMS = {
    "2.2": _Form(_V2_2, _HOUR_S, has_checksum=False),
    "4": _Form(_V4, _HOUR_S, has_checksum=True),
    "5": _Form(_V5, 5 * _MINUTE_S, has_checksum=True),
}
SIMULATED_VERSIONS = tuple(_FORMS)


class SimulatedMeter:
    """A household's meter of `dsmr_version` 2.2, 4 or 5; `seed` makes it one house or another.

    Raises:
        ValueError: there is no simulated meter of that version.

    """

    def __init__(self, dsmr_version: str = "5", seed: int = 1) -> None:
        if dsmr_version not in _FORMS:
            known = ", ".join(_FORMS)
            raise ValueError(f"There is no simulated meter of DSMR version {dsmr_version!r}: choose one of {known}.")
        self._form = _FORMS[dsmr_version]
        self._template = (_HEADER + self._form.template).replace("\n", "\r\n")
        self._equipment_id = f"SIMULATED{seed % 10**8:08}".encode().hex().upper()
        self._gas_id = f"SIMULATEDG{seed % 10**7:07}".encode().hex().upper()
        self._week = _live(seed)

    def telegram(self, at: int) -> bytes:
        """The telegram that the meter sends at `at` unix seconds, the same whenever it is asked for."""
        now = _Moment.of(at)
        gas_time = _Moment.of(at - at % self._form.gas_period_s)
        powers = [power[now.second % _WEEK_S // SLOT_S] for power in self._week.powers]
        net = sum(powers)
        # Each phase's wiring lowers its voltage under load and raises it while it exports.
        voltages = [level - power / 900 for level, power in zip((231.2, 230.4, 232.1), powers, strict=True)]
        text = self._template.format(
            equipment_id=self._equipment_id,
            gas_id=self._gas_id,
            clock=now.stamp,
            tariff=_tariff(now.second % _WEEK_S // _HOUR_S),
            **{name: _count(sums, now) / 1000 for name, sums in self._week.energies.items()},
            power_import=max(net, 0) / 1000,
            power_export=max(-net, 0) / 1000,
            phase_import=[max(power, 0) / 1000 for power in powers],
            phase_export=[max(-power, 0) / 1000 for power in powers],
            voltage=voltages,
            current=[round(abs(power) / voltage) for power, voltage in zip(powers, voltages, strict=True)],
            gas_time=gas_time.stamp,
            gas=_count(self._week.gas, gas_time) / 1000,
        )
        body = text.encode("ascii")
        checksum = b"%04X" % crc16(body) if self._form.has_checksum else b""
        return body + checksum + b"\r\n"


@dataclass(frozen=True, slots=True)
class _Moment:
    """A time as the house's clock shows it."""

    stamp: str
    """YYMMDDhhmmssX."""
    second: int
    """Seconds on the wall since the first Monday: an hour more than went by, in summer."""
    is_summer: bool

    @classmethod
    def of(cls, at: int) -> _Moment:
        local = datetime.fromtimestamp(at, _ZONE)
        is_summer = bool(local.dst())
        second = at + (2 if is_summer else 1) * _HOUR_S - _START
        return cls(f"{local:%y%m%d%H%M%S}{'S' if is_summer else 'W'}", second, is_summer)


@dataclass(frozen=True, slots=True)
class _Week:
    """One week of the house from Monday 0:00, slot by slot."""

    powers: tuple[array[int], ...]
    """Net power of L1, L2 and L3 in W, negative while the phase exports."""
    energies: dict[str, array[int]]
    """By name, the sums of the powers that count in all slots before: one item more than slots."""
    gas: array[int]
    """Likewise, of the flow in dm3/h."""


def _count(sums: array[int], moment: _Moment) -> int:
    """A counter at `moment`, in whole Wh or dm3."""
    weeks, second = divmod(moment.second, _WEEK_S)
    slot, elapsed_s = divmod(second, SLOT_S)
    slots = weeks * sums[-1] + sums[slot]
    # The hour that the clock left out was not lived; in October it is lived twice, and both then count.
    if moment.is_summer:
        slots -= sums[_SKIPPED_TO] - sums[_SKIPPED_FROM]
    return (slots * SLOT_S + (sums[slot + 1] - sums[slot]) * elapsed_s) // _HOUR_S % ROLLOVER_WH


def _live(seed: int) -> _Week:
    # Only random() promises the same numbers in every Python version.
    random = Random(seed).random  # noqa: S311 (a household is no secret)
    panels_w = 2500 + 1100 * random()
    l1, l2, l3 = array("i"), array("i"), array("i")
    for _ in range(7):
        has_car, clouds = random() < 0.4, random()
        for minute in range(24 * 60):
            load_1, load_2, load_3 = _load(minute, has_car=has_car)
            height = max(0.0, math.sin(math.pi * (minute - 6.5 * 60) / (14 * 60)))
            sun = panels_w * height * (1 - clouds * random())
            for _ in range(_MINUTE_S // SLOT_S):
                l1.append(load_1 + int(25 * random()))
                l2.append(load_2)
                l3.append(load_3 - int(sun * (1 - 0.04 * random())))
    nets = [sum(powers) for powers in zip(l1, l2, l3, strict=True)]
    low = [tariff == 1 for hour in range(7 * 24) for tariff in repeat(_tariff(hour), _SLOTS_PER_HOUR)]
    energies = {
        "import_t1": _sums(net if is_low and net > 0 else 0 for net, is_low in zip(nets, low, strict=True)),
        "import_t2": _sums(0 if is_low or net < 0 else net for net, is_low in zip(nets, low, strict=True)),
        "export_t1": _sums(-net if is_low and net < 0 else 0 for net, is_low in zip(nets, low, strict=True)),
        "export_t2": _sums(0 if is_low or net > 0 else -net for net, is_low in zip(nets, low, strict=True)),
    }
    gas = _sums(flow for hour in range(7 * 24) for flow in repeat(_gas_flow(hour % 24), _SLOTS_PER_HOUR))
    return _Week((l1, l2, l3), energies, gas)


def _sums(rates: Iterable[int]) -> array[int]:
    return array("q", accumulate(rates, initial=0))


def _tariff(hour: int) -> int:
    """1 (low) from 23 to 7 and at weekends, else 2, in an hour of the week."""
    return 1 if hour >= 5 * 24 or not 7 <= hour % 24 < 23 else 2


def _load(minute: int, *, has_car: bool) -> tuple[int, int, int]:
    """What L1, L2 and L3 use in W, `minute` minutes after midnight."""
    house = 140 + (85 if minute % 45 < 16 else 0) + (310 if 17 * 60 <= minute < 23 * 60 else 0)
    kitchen = 1900 if 17 * 60 + 30 <= minute < 18 * 60 + 20 and minute % 4 < 2 else 0
    pump_minutes = 10 + 6 * math.cos(2 * math.pi * (minute - 7 * 60) / (24 * 60))
    heat_pump = 1350 if minute % 40 < pump_minutes else 0
    car = 3600 if has_car and 30 <= minute < 3 * 60 + 45 else 0
    return house + car, kitchen + heat_pump + car, 60 + car


def _gas_flow(hour: int) -> int:
    """What the boiler burns in dm3/h, in an hour of the day."""
    return 280 if hour in (6, 7) else 130 if 18 <= hour < 22 else 9

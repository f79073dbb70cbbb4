"""What the meter wrote and when, and whether a client's response agrees with it."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field

from gateway.protocol.crc16 import crc16

TOLERANCE_S = 1.5
"""What an age may exceed a unit's limit by: the meter's clock has a granularity of a second (property P1)."""
MAX_VIOLATIONS = 20


@dataclass(frozen=True, slots=True)
class Written:
    """A telegram at the moment when the meter wrote it."""

    number: int
    at: float
    meter: str
    power_w: int
    energy_wh: int
    clock: str
    text: bytes


def telegram(meter: str, clock: str, power_w: int, energy_wh: int) -> bytes:
    """Return a telegram of DSMR 5 with three phases."""
    imported, exported = max(power_w, 0) / 1000, max(-power_w, 0) / 1000
    lines = (
        f"/TST5\\2SIM-{meter}",
        "",
        "1-3:0.2.8(50)",
        f"0-0:1.0.0({clock})",
        f"0-0:96.1.1({meter.encode().hex()})",
        f"1-0:1.8.1({energy_wh / 1000:010.3f}*kWh)",
        "1-0:1.8.2(000000.000*kWh)",
        "1-0:2.8.1(000000.000*kWh)",
        "1-0:2.8.2(000000.000*kWh)",
        "0-0:96.14.0(0001)",
        f"1-0:1.7.0({imported:06.3f}*kW)",
        f"1-0:2.7.0({exported:06.3f}*kW)",
        "1-0:32.7.0(230.0*V)",
        "1-0:31.7.0(002*A)",
        f"1-0:21.7.0({imported:06.3f}*kW)",
        f"1-0:22.7.0({exported:06.3f}*kW)",
        "!",
    )
    body = "\r\n".join(lines).encode("ascii")
    return body + b"%04X\r\n" % crc16(body)


@dataclass(slots=True)
class Oracle:
    """Knows all that was written, and judges what clients make of the responses."""

    limit_s: float
    written: list[Written] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    """Responses by what came of them: good, exception, timeout."""
    allowance_s: float = 0.0
    """Age that nobody could have known of (docs/fail-safe.md, "What cannot be decided"), which the faults of this run
    account for."""
    oldest_s: float = 0.0
    """Greatest age of a response that counted as fresh, less the allowance."""
    silent_since: float | None = None
    longest_stale_s: float = 0.0
    _of: dict[tuple[int, int], list[Written]] = field(default_factory=dict)
    _ended: list[tuple[float, int]] = field(default_factory=list)
    """When a response had come, and the greatest number of a telegram that any had shown by then."""

    def write(self, entry: Written) -> None:
        """Note a telegram."""
        self.written.append(entry)
        self._of.setdefault((entry.power_w, entry.energy_wh), []).append(entry)

    def violate(self, what: str) -> None:
        """Note what must never happen."""
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(what)

    def check(self, client: str, power_w: int, energy_wh: int, asked: float, came: float) -> None:
        """Judge numbers that a client took for good; it sent its request at `asked` and had the response at `came`."""
        self.checked["good"] += 1
        known = [each for each in self._of.get((power_w, energy_wh), ()) if each.at <= came]
        if not known:
            self.violate(f"{came:.3f} {client}: {power_w} W with {energy_wh} Wh, which no telegram said")
            return
        newest = known[-1]
        # The response was made between the two moments; what is old at the first of them was old when it was made.
        age = asked - newest.at
        self.oldest_s = max(self.oldest_s, age - self.allowance_s)
        if age > self.limit_s + TOLERANCE_S + self.allowance_s:
            self.violate(f"{came:.3f} {client}: {power_w} W of {newest.at:.3f}, {age:.1f} s old, as good")
        self._check_order(client, newest.number, asked, came)

    def _check_order(self, client: str, number: int, asked: float, came: float) -> None:
        """Check that a register never goes back: linearizability with one writer, whose values are in order.

        A read that began after another one had ended must not see an older telegram (Wing and Gong).
        """
        index = bisect_right(self._ended, (asked, 1 << 62)) - 1
        if index >= 0 and self._ended[index][1] > number:
            self.violate(f"{came:.3f} {client}: telegram {number} after {self._ended[index][1]} had been read")
        greatest = max(number, self._ended[-1][1]) if self._ended else number
        self._ended.append((max(came, self._ended[-1][0]) if self._ended else came, greatest))
        if len(self._ended) > 4096:
            del self._ended[:2048]

    def see_state(self, *, is_good: bool, at: float) -> None:
        """Note whether a client got numbers, for how long none could be had."""
        if is_good:
            self.silent_since = None
            return
        if self.silent_since is None:
            self.silent_since = at
        self.longest_stale_s = max(self.longest_stale_s, at - self.silent_since)


def decode(registers: bytes) -> tuple[int, int]:
    """Return net power in W and imported energy in Wh of registers 100 to 203 of the native layout."""
    (power,) = struct.unpack_from(">i", registers, 0)
    (energy,) = struct.unpack_from(">Q", registers, 200)
    return power, energy

"""The brokers of a meter, chosen by its name alone.

Each broker gets a number for the meter, a hash of both names; the brokers with the highest numbers are its own. So
every gateway with the same list finds the same ones, whatever the order of its list. If a broker is added, it becomes
one of the meter's own only where its number is high enough: nothing else moves. A broker is known by its host and port,
which therefore have to be written alike in all gateways.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

BROKERS_OF_A_METER = 2
"""Number of brokers that each meter goes to, so that one of them may fail."""


def brokers_of(meter: str, brokers: Sequence[str], count: int = BROKERS_OF_A_METER) -> tuple[str, ...]:
    """Return the brokers of a meter, at most `count`, the one with the highest number first."""
    return tuple(sorted(set(brokers), key=lambda broker: (_number(meter, broker), broker), reverse=True)[:count])


def _number(meter: str, broker: str) -> bytes:
    name = meter.encode("utf-8", "surrogatepass")
    # The length keeps two pairs of names apart whose texts, one after the other, are the same.
    return blake2b(b"%d:%b%b" % (len(name), name, broker.encode("utf-8", "surrogatepass")), digest_size=8).digest()

"""Flips of one digit in telegrams without checksum: how many of them reach a client as a wrong net power.

    python -m benchmarks.digit_flips [--flips 10000]

Some good telegrams come first, then one in which one digit inside a value is another one. The second part counts what
the guards cost: hours of the simulated household, with the telegrams that are refused and the powers that are
withheld although no digit is wrong.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random

from gateway.protocol.p1.meter import MeterState, Received
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from gateway.simulation.forms import simulated_meter
from gateway.simulation.household import Scenario

TELEGRAMS = Path(__file__).parent.parent / "tests" / "telegrams"
TEXTS = {"MT382": ("v22_iskra-mt382", 10), "Kamstrup 2.2": ("v22_kamstrup-382jxc", 10), "Q3D": ("de_q3d", 2)}
"""Meter → the file of its telegram, and seconds between two telegrams."""
WRONG_W = 500
"""Difference in W from which on a net power is wrong."""
STARTED_AT = 1_764_547_200
_VALUE = re.compile(rb"\(([^()\r\n]*)\)")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--hours", type=int, default=24)
    options = parser.parse_args()
    for meter, (name, cadence_s) in TEXTS.items():
        print(f"{meter}: {dict(flips(own(name), cadence_s, options.flips))}")
    for version in ("2.2", "Q3D"):
        for scenario in (None, *Scenario):
            if scenario is not Scenario.FAULTS and not (version == "Q3D" and scenario is Scenario.GAS_SWAP):
                print(f"{version} {scenario or 'house'}: {dict(household(version, scenario, options.hours))}")


def own(name: str) -> bytes:
    """Return a telegram of tests/telegrams."""
    return (TELEGRAMS / f"{name}.txt").read_bytes()


def flips(raw: bytes, cadence_s: float, count: int, seed: int = 1) -> Counter[str]:
    """Return what became of `count` telegrams with one wrong digit, each after good ones."""
    random, outcome = Random(seed), Counter[str]()
    digits = [at for value in _VALUE.finditer(raw) for at in range(*value.span(1)) if raw[at : at + 1].isdigit()]
    right = net(read_as(MeterState("flips", None, needs_two=False), raw, 0.0))
    for _ in range(count):
        at = random.choice(digits)
        digit = random.choice(b"0123456789".replace(raw[at : at + 1], b""))
        wrong = raw[:at] + bytes([digit]) + raw[at + 1 :]
        outcome[_outcome(raw, wrong, cadence_s, right)] += 1
    return outcome


def _outcome(raw: bytes, wrong: bytes, cadence_s: float, right: Decimal | None) -> str:
    meter = MeterState("flips", None)
    for n in range(2):
        read_as(meter, raw, n * cadence_s)
    received = read_as(meter, wrong, 2 * cadence_s)
    if received is None:
        return "refused"
    seen = net(received)
    if seen is None or right is None:
        return "power withheld"
    return f"wrong by more than {WRONG_W} W" if abs(seen - right) > WRONG_W else "power right within the limit"


def household(version: str, scenario: Scenario | None, hours: int) -> Counter[str]:
    """Return what the guards refuse and withhold of a simulated household."""
    cadence_s = {"2.2": 10, "Q3D": 2}[version]
    meter = MeterState("house", None)
    outcome = Counter[str]()
    simulated = simulated_meter(version, scenario=scenario, started_at=STARTED_AT)
    for second in range(0, 3600 * hours, cadence_s):
        received = read_as(meter, simulated.telegram(STARTED_AT + second), float(second))
        outcome["telegrams"] += 1
        if received is None:
            outcome["refused"] += 1
            continue
        outcome["power withheld"] += net(received) is None
        outcome.update(f"{item.name} withheld: {item.doubt}" for item in received.withheld if "power" not in item.name)
    return outcome


def read_as(meter: MeterState, raw: bytes, arrived: float) -> Received | None:
    """Return a telegram as a meter takes it, or None where it is refused."""
    for item in _items(raw):
        received = meter.take(item, arrived, arrived)
        if isinstance(received, Received):
            return received
    return None


def _items(raw: bytes) -> Iterator[Telegram]:
    reader = TelegramReader()
    return (item for item in reader.feed(raw) + reader.silence() if isinstance(item, Telegram))


def net(received: Received | None) -> Decimal | None:
    """Return the net power that a client sees, None for an absent one."""
    values = received.readings.values if received else {}
    power = values.get("power_net", values.get("power_import"))
    return power if isinstance(power, Decimal) else None


if __name__ == "__main__":
    main()

"""Meters of Acrel, Lovato, Finder, FoxESS and Sigenergy, as their clients' own conversion understands them.

Each client is written after its source: the requests that it sends, and what it makes of the responses. The readings of
the telegram are the truth. A number that a client ends up with must be right; what the telegram lacks must reach the
client as no value or as an error, never as a number.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import pytest

from gateway.maps.load import map_names
from tests.maps.serving import ASKED, FRESH_UNTIL, Server

PHASES = ("l1", "l2", "l3")
Seen = dict[str, float]
"""Quantity → number that a client ends up with; a quantity without value is left out."""
Readings = Mapping[str, Decimal]


def household(
    powers: Iterable[str], currents: Iterable[str] = (), voltages: Iterable[str] = (), **others: str
) -> dict[str, Decimal]:
    """Return the readings of a meter with a phase for each power, in kW."""
    found = {"energy_import": Decimal("17324.375"), "energy_export": Decimal("11432.955")}
    found |= {name: Decimal(number) for name, number in others.items()}
    found = {name: 1000 * number for name, number in found.items()}
    for name, numbers, unit in (("power_net", powers, 1000), ("current", currents, 1), ("voltage", voltages, 1)):
        found |= {f"{name}_{phase}": Decimal(number) * unit for phase, number in zip(PHASES, numbers, strict=False)}
    found["power_net"] = sum((found[f"power_net_{phase}"] for phase in PHASES if f"power_net_{phase}" in found), Decimal(0))
    return found


def totals_only(power: str) -> dict[str, Decimal]:
    """Return the readings of a DSMR 2.2 meter."""
    return household(()) | {"power_net": 1000 * Decimal(power)}


VOLTS = ("236.2", "238.9", "235.5")
REACTIVE = {
    "reactive_power_import": "0",
    "reactive_power_export": "0.226",
    "reactive_power_import_l1": "0",
    "reactive_power_export_l1": "0.08",
    "reactive_power_import_l2": "0",
    "reactive_power_export_l2": "0.101",
    "reactive_power_import_l3": "0",
    "reactive_power_export_l3": "0.045",
}
SCENARIOS = {
    "import": household(("1.5", "0.25", "3.1"), ("7", "1", "13"), VOLTS),
    "export": household(("-1.5", "-0.25", "-3.1"), ("7", "1", "13"), VOLTS),
    "mixed": household(("0.188", "-3.811", "0.496"), ("1", "16", "2"), VOLTS),
    "65 kW": household(("22.1", "21.4", "21.5"), ("96", "93", "94"), VOLTS),
    "200 MWh": household(("1.5", "0.25", "3.1"), ("7", "1", "13"), VOLTS, energy_import="200000.123"),
    "Belgium": household(("0.36", "-0.92", "0"), ("1.61", "4.05", "0.02"), VOLTS),
    "one phase": household(("-1.604",), ("7",), VOLTS[:1]),
    "DSMR 4": household(("0.318", "0.092", "-1.303"), ("1", "0", "6")),
    "DSMR 2.2": totals_only("-1.211"),
    "Sweden": household(("0.105", "-1.204", "-0.785"), ("0.6", "5.1", "3.4"), VOLTS, **REACTIVE),
}


class ExceptionResponseError(Exception):
    """The client got an exception response."""


def read(server: Server, function: int, address: int, count: int) -> bytes:
    """Send a request and return the registers of the response."""
    response = server.ask(struct.pack(">BHH", function, address, count))
    if response[0] & 0x80:
        raise ExceptionResponseError(response[1])
    assert response[1] == 2 * count
    return response[2:]


def each_alone(server: Server, points: Mapping[str, tuple[int, int, str, float]]) -> Seen:
    """Read each quantity with a request of its own, as evcc and mbmd do; an exception ends this quantity only."""
    seen = {}
    for name, (function, address, code, scale) in points.items():
        try:
            (number,) = struct.unpack(f">{code}", read(server, function, address, struct.calcsize(code) // 2))
        except ExceptionResponseError:
            continue
        if not math.isnan(number):
            seen[name] = number * scale
    return seen


def of_phases(name: str, function: int, first: int, code: str, scale: float) -> dict[str, tuple[int, int, str, float]]:
    """Return the points of three phases, whose registers follow each other."""
    step = struct.calcsize(code) // 2
    return {f"{name}_{phase}": (function, first + step * at, code, scale) for at, phase in enumerate(PHASES)}


# evcc: templates/definition/meter/acrel-adw300.yaml
ACREL = {
    "power_net": (3, 36, "i", 1),
    "energy_import": (3, 62, "i", 10),
    **of_phases("current", 3, 26, "H", 0.01),
    **of_phases("voltage", 3, 20, "H", 0.1),
    **of_phases("power_net", 3, 30, "i", 1),
}
# evcc: templates/definition/meter/lovato-dmg610.yaml, mbmd: meters/rs485/dmg610.go
LOVATO = {
    "power_net": (4, 0x0039, "i", 0.01),
    "energy_import": (4, 0x1B1F, "Q", 10),
    "energy_export": (4, 0x1B23, "Q", 10),
    **of_phases("current", 4, 0x0007, "I", 0.0001),
    **of_phases("voltage", 4, 0x0001, "I", 0.01),
    **of_phases("power_net", 4, 0x0013, "i", 0.01),
}
# evcc: templates/definition/meter/finder-7m38.yaml, mbmd: meters/rs485/finder7m38.go
FINDER = {
    "power_net": (4, 2536, "f", 1),
    "energy_import": (4, 2752, "f", 1),
    "energy_export": (4, 2756, "f", 1),
    **of_phases("current", 4, 2516, "f", 1),
    **of_phases("voltage", 4, 2500, "f", 1),
    **of_phases("power_net", 4, 2530, "f", 1),
}
FINDER_OTHERS = [*range(2538, 2562, 2), 2576, 2584, 2594, 2596, 2598, 2754, 2758]
"""Addresses that mbmd reads beside those of `FINDER`; an exception stops its cycle there."""


def smartevse_finder(server: Server) -> Seen:
    """Return what SmartEVSE makes of a Finder 7M (SmartEVSE-3/src/meter.cpp): 0.1 A with sign, and W."""
    registers = struct.unpack(">10f", read(server, 4, 2516, 20))
    currents, powers = registers[:3], registers[7:]
    # A cast of NaN to int is undefined in C.
    assert not any(math.isnan(number) for number in (*currents, *powers))
    seen: Seen = {}
    for phase, current, power in zip(PHASES, currents, powers, strict=True):
        milliamperes = int(current * 1000)
        seen[f"power_net_{phase}"] = int(power)
        seen[f"signed_{phase}"] = int((-milliamperes if int(power) < 0 else milliamperes) / 100) / 10
    (energy,) = struct.unpack(">f", read(server, 4, 2638, 2))
    return seen | {"power_net": sum(int(power) for power in powers), "energy_import": int(energy)}


def floats(server: Server, function: int, address: int, count: int, names: Mapping[int, str]) -> Seen:
    """Return the floats of a block by name, in W, V, A, var and Wh."""
    data = read(server, function, address, count)
    found = {name: struct.unpack_from(">f", data, 2 * (at - address))[0] for at, name in names.items()}
    kilo = ("power", "energy", "reactive")
    return {
        name: number * 1000 if name.startswith(kilo) else number
        for name, number in found.items()
        if not math.isnan(number)
    }


def named(name: str, first: int) -> dict[int, str]:
    """Return the names of a total and three phases, whose floats follow each other."""
    return {first: name} | {first + 2 * at: f"{name}_{phase}" for at, phase in enumerate(PHASES, start=1)}


CHINT_BLOCK = {
    **{0x1510 + 2 * at: f"voltage_{phase}" for at, phase in enumerate(PHASES)},
    **{0x1516 + 2 * at: f"current_{phase}" for at, phase in enumerate(PHASES)},
    **named("power_net", 0x151C),
    **named("reactive", 0x1524),
}


def foxess(server: Server) -> Seen:
    """Return what is known of a FoxESS inverter's reading (custom_components/foxess_dtsu666/registers.py)."""
    seen = floats(server, 3, 0x1510, 64, CHINT_BLOCK)
    seen |= floats(server, 3, 0x151E, 14, {at: name for at, name in CHINT_BLOCK.items() if at >= 0x151E})
    return seen | floats(server, 3, 0x181E, 20, {0x181E: "energy_import", 0x1828: "energy_export"})


def sigenergy(server: Server) -> Seen:
    """Return what a Sigenergy plant regulates with and shows (logs of its requests to a TPX-CH)."""
    assert read(server, 3, 0xF100, 20).rstrip(b"\0") == b"Sigen Sensor TPX-CH"
    assert struct.unpack(">5H", read(server, 3, 3, 5)) == (0, 1, 0, 200, 10)
    read(server, 4, 0x150A, 2)
    regulation = floats(server, 4, 0x151C, 16, {at: name for at, name in CHINT_BLOCK.items() if at >= 0x151C})
    assert len(regulation) == 8, "a quantity of the regulation has no value"
    seen = regulation | floats(server, 4, 0x150A, 30, {at: name for at, name in CHINT_BLOCK.items() if at < 0x1528})
    seen |= floats(server, 4, 0x180A, 22, {0x181E: "energy_import"})
    return seen | floats(server, 4, 0x1828, 4, {0x1828: "energy_export"})


CLIENTS: dict[str, tuple[str, Callable[[Server], Seen]]] = {
    "evcc Acrel": ("acrel-adw300", lambda server: each_alone(server, ACREL)),
    "evcc Lovato": ("lovato-dmg610", lambda server: each_alone(server, LOVATO)),
    "evcc Finder": ("finder-7m38", lambda server: each_alone(server, FINDER)),
    "SmartEVSE Finder": ("finder-7m38", smartevse_finder),
    "FoxESS": ("foxess-dtsu666", foxess),
    "Sigenergy": ("sigenergy-tpx-ch", sigenergy),
}
UNABLE = {
    "evcc Acrel": {"DSMR 2.2"},
    "evcc Lovato": {"DSMR 2.2"},
    "evcc Finder": {"DSMR 2.2"},
    "SmartEVSE Finder": {"DSMR 2.2"},
    "FoxESS": {"DSMR 2.2", "DSMR 4"},
    "Sigenergy": set(SCENARIOS) - {"Sweden"},
}
"""Scenarios in which a client must see no meter, because it would act on what the telegram lacks."""
STEPS = {"power": 1.0, "current": 0.01, "signed": 0.1, "voltage": 0.1, "energy": 16.0, "reactive": 0.01}
"""How far a client's number may be from the telegram's: the step of its register, or of a float32 at 200 MWh."""

each_client = pytest.mark.parametrize("client", CLIENTS)


def truth(values: Readings) -> dict[str, float]:
    """Return what a client may end up with, from the readings; a phase that a meter does not have is at 0."""
    found = {name: float(number) for name, number in values.items() if not name.startswith("reactive")}
    for name in ("power_net", "current", "voltage"):
        if f"{name}_l1" in values and f"{name}_l2" not in values:
            found |= {f"{name}_l2": 0.0, f"{name}_l3": 0.0}
    for phase in PHASES:
        if f"current_{phase}" in found:
            found[f"signed_{phase}"] = math.copysign(found[f"current_{phase}"], found[f"power_net_{phase}"])
    for at in ("", "_l1", "_l2", "_l3"):
        if f"reactive_power_import{at}" in values:
            net = values[f"reactive_power_import{at}"] - values[f"reactive_power_export{at}"]
            found[f"reactive{at}"] = float(net)
    return found


def read_as(client: str, server: Server) -> Seen:
    """Return what a client ends up with; nothing after an exception response to a whole block."""
    try:
        return CLIENTS[client][1](server)
    except ExceptionResponseError:
        return {}


def server_of(client: str) -> Server:
    """Return a server of the client's meter."""
    return Server(map_names()[CLIENTS[client][0]])


@pytest.mark.parametrize("scenario", SCENARIOS)
@each_client
def test_a_client_ends_up_with_the_telegram_or_with_nothing(client: str, scenario: str) -> None:
    server, values = server_of(client), SCENARIOS[scenario]
    server.show(values)
    seen, right = read_as(client, server), truth(values)
    assert {name: number for name, number in seen.items() if name not in right} == {}
    wrong = {
        name: (number, right[name])
        for name, number in seen.items()
        if abs(number - right[name]) > STEPS[name.partition("_")[0]] * 1.001
    }
    assert wrong == {}
    if scenario in UNABLE[client]:
        assert seen == {}
    else:
        currents = "signed" if "signed_l1" in seen else "current"
        assert {
            "power_net",
            "energy_import",
            *(f"{name}_{phase}" for name in ("power_net", currents) for phase in PHASES),
        } <= set(seen)


@each_client
def test_a_client_sees_no_meter_before_the_first_telegram_and_after_the_last(client: str) -> None:
    server = server_of(client)
    assert read_as(client, server) == {}
    server.show(SCENARIOS["Sweden"])
    assert read_as(client, server)
    server.unit.publish(server.unit.register_map.readings.encode(SCENARIOS["Sweden"]), ASKED - 1)
    assert FRESH_UNTIL > ASKED
    assert read_as(client, server) == {}


def test_mbmd_reads_a_whole_cycle_of_a_finder() -> None:
    server = server_of("evcc Finder")
    server.show(SCENARIOS["DSMR 4"])
    others = {str(address): (4, address, "f", 1.0) for address in FINDER_OTHERS}
    assert each_alone(server, others) == {}
    for address in FINDER_OTHERS:
        read(server, 4, address, 2)

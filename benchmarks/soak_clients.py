"""The programs that read the gateway during the soak, in a process of their own: ten Modbus clients, a page, a broker.

The expected registers of each map are computed beforehand from each set of values, with the core. A response is right
if it is equal to one of them, bit for bit. The places that are read are those that no clock changes.
"""

from __future__ import annotations

import json
import signal
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client as MqttClient
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.client import Client
from benchmarks.soak_telegrams import VALUES, Telegrams, stamp
from benchmarks.viewers import Viewers
from gateway.maps.load import find_map, load_map
from gateway.protocol.p1.readings import Readings, read
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from gateway.protocol.registers.snapshot import Snapshot

MAPS = dict(
    enumerate(
        (
            *("dsmr", "cg-em24", "cg-em3xx", "eastron-sdm630", "eastron-sdm72", "abb-b23", "socomec-e27"),
            *("chint-dtsu666", "sunspec-203", "sunspec-213"),
        ),
        1,
    )
)
MAX_REGISTERS = 125
EXAMPLES = (0, 1, 2, 3, 4444, 5555, 19_998)
POLL_EVERY_S = 0.05
LIMIT_S, RESOLUTION_S = 5.0, 1.5
RATE_SAMPLES_S = 0.1


class Places:
    """The registers of a map that show the values, and what they hold for each set."""

    def __init__(self, name: str, readings: Sequence[Readings], later: Readings) -> None:
        """Compute them.

        Args:
            name: name of the map.
            readings: those of the telegrams of all sets of values, at one moment.
            later: those of the first set at another moment.

        """
        register_map = load_map(find_map(name, Path())).without_identifiers
        encode = register_map.readings.encode
        examples = [encode(readings[number].values) for number in EXAMPLES]
        spans = sorted((r.place, r.place + r.length) for r in register_map.registers if not r.is_alone)
        place, self.count = choose(spans, examples, encode(later.values))
        first = next(each for each in register_map.registers if each.place == place)
        self.address, self.function = first.address, register_map.function_code_of(first)
        self.numbers: dict[bytes, list[int]] = {}
        """Content of the registers → the sets of values that have it."""
        snapshot = examples[0]
        for number, each in enumerate(readings):
            snapshot = encode(each.values, snapshot)
            content = snapshot.read(place, self.count)
            assert content is not None, name
            self.numbers.setdefault(content, []).append(number)


def choose(spans: Sequence[tuple[int, int]], examples: Sequence[Snapshot], later: Snapshot) -> tuple[int, int]:
    """Return the address and number of registers of the read that shows the most values, and no time."""
    best = (0, 0, 0)
    for first, (start, _) in enumerate(spans):
        shown = 0
        for place, end in spans[first:]:
            if end - start > MAX_REGISTERS or any(each.read(start, end - start) is None for each in examples):
                break
            contents = [each.read(place, end - place) for each in examples]
            if contents[0] != later.read(place, end - place):
                break
            shown += len(set(contents)) > 1
            best = max(best, (shown, -(end - start), -start))
    return -best[2], -best[1]


def all_places(telegrams: Telegrams) -> dict[int, Places]:
    """Return the places of all maps by their units."""
    reader = TelegramReader()
    early, late = stamp(1_767_610_800), stamp(1_767_614_400)
    raws = [*(telegrams.telegram(number, early) for number in range(VALUES)), telegrams.telegram(EXAMPLES[0], late)]
    found = [read(item) for raw in raws for item in reader.feed(raw) if isinstance(item, Telegram)]
    assert len(found) == len(raws)
    return {unit: Places(name, found[:-1], found[-1]) for unit, name in MAPS.items()}


class History:
    """Number of telegrams that had been sent at each moment of the last seconds."""

    def __init__(self) -> None:
        self._moments: deque[tuple[float, int]] = deque()

    def note(self, moment: float, sent: int) -> int:
        """Note the number, and return that of the moment from which on a telegram may be fresh."""
        if not self._moments or moment - self._moments[-1][0] > RATE_SAMPLES_S:
            self._moments.append((moment, sent))
        while len(self._moments) > 1 and self._moments[1][0] < moment - LIMIT_S - RESOLUTION_S:
            self._moments.popleft()
        return self._moments[0][1]


def newest(numbers: list[int], sent: int) -> int:
    """Return the number of the newest telegram up to `sent` that has one of these sets of values."""
    last = sent - 1
    at = bisect_left(numbers, last % VALUES + 1) - 1
    return last - (last % VALUES - numbers[at]) % VALUES


class ModbusClients:
    """A client for each unit; all send their requests at the same time."""

    def __init__(self, port: int, places: dict[int, Places]) -> None:
        self._clients = [(Client(port, unit), each) for unit, each in places.items()]
        self._before = [0] * len(places)
        self._history = History()
        self.seen = Counter[str]()

    def poll(self, sent: Any) -> None:
        """Read once with each client."""
        oldest = self._history.note(time.monotonic(), sent.value)
        for client, places in self._clients:
            client.ask(places.address, places.count, places.function)
        for index, (client, places) in enumerate(self._clients):
            data = client.take()
            self.seen["responses"] += 1
            if data is None:
                self.seen["exceptions"] += 1
                continue
            numbers = places.numbers.get(data)
            if numbers is None:
                self.seen["torn"] += 1
                continue
            number = newest(numbers, sent.value + 1)
            self.seen["values"] += 1
            self.seen["old"] += number < oldest
            self.seen["back"] += number < self._before[index]
            self._before[index] = number


class Subscriber:
    """A subscriber of all topics, which checks that each message is of one telegram."""

    def __init__(self, port: int, telegrams: Telegrams) -> None:
        self._telegrams = telegrams
        self.seen = Counter[str]()
        self._client = MqttClient(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _client, _data, message: self._take(message.topic, message.payload)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe("dsmr/v1/soak/#")

    def _take(self, topic: str, payload: bytes) -> None:
        if topic.endswith("/telegram"):
            self.seen["telegrams"] += 1
            at = payload.index(b"1-0:1.7.0(") + 10
            watts = int(payload[at : at + 6].replace(b".", b""))
            clock = payload.index(b"0-0:1.0.0(") + 10
            self.seen["strange"] += payload != self._telegrams.telegram(watts, payload[clock : clock + 13])
        elif topic.endswith("/readings"):
            readings = json.loads(payload)["readings"]
            if not readings:
                self.seen["empty"] += 1
                return
            self.seen["readings"] += 1
            total, *phases = (
                readings[name]["value"] for name in ("power_import", *(f"power_import_l{n}" for n in (1, 2, 3)))
            )
            self.seen["strange"] += phases != [total // 3, total // 3, total - 2 * (total // 3)]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def watch(
    ports: dict[str, int], places: dict[int, Places], telegrams: Telegrams, sent: Any, over: Any, results: Any
) -> None:
    """Read until it is over, and send what was seen."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    clients, viewers, subscriber = (
        ModbusClients(ports["modbus"], places),
        Viewers(),
        Subscriber(ports["broker"], telegrams),
    )
    with viewers.looking(ports["page"], 1):
        while not over.wait(POLL_EVERY_S):
            clients.poll(sent)
    with suppress(OSError):
        subscriber.close()
    names = ("responses", "values", "exceptions", "torn", "old", "back", "readings", "telegrams", "strange")
    seen = clients.seen + subscriber.seen
    results.send({"clients": len(places), "events": viewers.events, **{name: seen[name] for name in names}})

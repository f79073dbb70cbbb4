"""Bad days of a fleet: each of its processes is killed, stopped or cut off, alone and in pairs, while clients read.

    python -m benchmarks.drill [--meters N] [FAULT ...]

Two edges with N meters each, two mosquittos in network namespaces of their own, two serving gateways, and HAProxy in
front of them, as in `docker/fleet`. The power of a telegram is the moment at which it was sent, so a client knows the
true age of each number that it gets. Clients read each meter about twice a second through HAProxy. A number that is
older than the limit of 5 s, with 1.5 s for the resolution of the meter's clock, is stale as fresh.

It needs root, mosquitto, haproxy and iproute2. All processes share the cores of this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from urllib.request import urlopen

from benchmarks import many
from benchmarks.client import Client
from benchmarks.measure import machine
from benchmarks.running import free_port, missing

METERS = 200
LIMIT_S, RESOLUTION_S = 5.0, 1.5
STEP_S = 0.001
"""Step of the moments: they begin again after 100 s, longer than any reading may count as fresh."""
AHEAD_S = 1.0
"""A number that seems to be of the future by less than this is not wrong: it was rounded."""
READ_EVERY_S = 0.5
RESPONSE_LIMIT_S = 3.0
SETTLE_S = 60.0
"""Longest time until all meters are fresh."""
HAPROXY_S = 4.0
"""Time in which HAProxy uses a healthy gateway again."""
DOWN_S, STOPPED_S, CUT_S = 3.0, 20.0, 8.0
"""Duration of a fault: until a killed process is started again, for a stopped one, and for a broker that is cut off."""

MOSQUITTO = """\
listener 1883
allow_anonymous true
set_tcp_nodelay true
user root
persistence {keeps}
persistence_location {folder}/
autosave_interval 1
"""
HAPROXY = """\
defaults
    mode tcp
    timeout connect 3s
    timeout client 10m
    timeout server 10m
{parts}
"""
HAPROXY_PART = """\
frontend modbus{index}
    bind 127.0.0.1:{port}
    default_backend gateways{index}
backend gateways{index}
    option httpchk GET /healthz?meters=any
    http-check expect status 200
    default-server inter 1s fastinter 500ms fall 2 rise 2 on-marked-down shutdown-sessions
    balance leastconn
    server serving-1 127.0.0.1:{first} check port {first_page}
    server serving-2 127.0.0.1:{second} check port {second_page}
"""


class Process:
    """A process that can be killed, stopped, and started again."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name, self._command, self._folder = name, command, folder
        folder.mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        with (self._folder / "log.txt").open("ab") as log:
            environment = {**os.environ, "XDG_RUNTIME_DIR": str(self._folder)}
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class Seen:
    """The numbers that clients got while a fault was there, and until all meters were fresh again."""

    reads: int = 0
    stale_as_fresh: list[float] = field(default_factory=list)
    without_fresh_s: dict[int, float] = field(default_factory=dict)
    """Longest time of each meter without a fresh number."""
    without_connection_s: float = 0.0


class Readers:
    """Clients that read the meters of one port in turn, in a thread for each port."""

    def __init__(self, ports: list[int], count: int) -> None:
        self.seen = Seen()
        self.fresh_at = dict.fromkeys(range(len(ports) * count), 0.0)
        self._is_ending = False
        self._threads = [
            threading.Thread(target=self._read, args=(port, index * count, count), daemon=True)
            for index, port in enumerate(ports)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        for thread in self._threads:
            thread.join()

    def _read(self, port: int, first: int, count: int) -> None:
        connected_at = time.monotonic()
        while not self._is_ending:
            with contextlib.suppress(OSError, EOFError), Client(port, patience_s=RESPONSE_LIMIT_S) as client:
                while not self._is_ending:
                    began = time.monotonic()
                    for number in range(count):
                        data = client.of_unit(number + 1).uint32(many.POWER_ADDRESS)
                        moment = time.monotonic()
                        self.seen.without_connection_s = max(self.seen.without_connection_s, moment - connected_at)
                        connected_at = moment
                        self._note(first + number, data, moment)
                    time.sleep(max(0.0, READ_EVERY_S - (time.monotonic() - began)))
            time.sleep(0.05)

    def _note(self, number: int, data: int | None, moment: float) -> None:
        self.seen.reads += 1
        if data is None:
            return
        age_s = (round(moment / STEP_S) - data) % many.WRAP * STEP_S
        if LIMIT_S + RESOLUTION_S < age_s < many.WRAP * STEP_S - AHEAD_S:
            self.seen.stale_as_fresh.append(age_s)
        before = self.fresh_at[number]
        if before:
            longest = self.seen.without_fresh_s
            longest[number] = max(longest.get(number, 0.0), moment - before)
        self.fresh_at[number] = moment

    def all_are_fresh_since(self, moment: float) -> bool:
        """Return whether each meter was fresh after a moment."""
        return all(at > moment for at in self.fresh_at.values())


@dataclass
class Fleet:
    """The processes of the fleet by name, and how to cut off a broker."""

    processes: dict[str, Process]
    links: dict[str, str]
    """Connection of each broker on this side of its namespace."""
    pages: list[int]
    """Ports of the pages of the serving gateways."""

    def kill(self, *names: str) -> None:
        """Kill processes together, and start them again after a while."""
        for name in names:
            self.processes[name].kill()
        time.sleep(DOWN_S)
        for name in names:
            self.processes[name].start()

    def stop(self, *names: str) -> None:
        """Stop processes together for a while."""
        for name in names:
            self.processes[name].send(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        for name in names:
            self.processes[name].send(signal.SIGCONT)

    def wait_until_healthy(self) -> None:
        """Wait until both serving gateways are healthy, and HAProxy has had time to see it."""
        until = time.monotonic() + SETTLE_S
        for page in self.pages:
            while time.monotonic() < until:
                with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{page}/healthz?meters=any"):
                    break
                time.sleep(0.2)
        time.sleep(HAPROXY_S)

    def cut(self, *names: str) -> None:
        """Cut brokers off the network for a while."""
        for name in names:
            run("ip", "link", "set", self.links[name], "down")
        time.sleep(CUT_S)
        for name in names:
            run("ip", "link", "set", self.links[name], "up")


PARTS = ("edge-1", "broker-a", "broker-b", "serving-1", "serving-2")
PAIRS = (
    ("broker-a", "broker-b"),
    ("broker-a", "serving-1"),
    ("broker-a", "edge-1"),
    ("serving-1", "serving-2"),
    ("edge-1", "edge-2"),
)


def faults() -> dict[str, Callable[[Fleet], None]]:
    """Return all faults by their names."""
    found: dict[str, Callable[[Fleet], None]] = {}
    for names in [*((part,) for part in PARTS), *PAIRS]:
        text = " and ".join(names)
        found[f"kill -9 of {text}"] = lambda fleet, names=names: fleet.kill(*names)
    for names in [*((part,) for part in PARTS), PAIRS[0], PAIRS[1]]:
        text = " and ".join(names)
        found[f"SIGSTOP of {text} for {STOPPED_S:.0f} s"] = lambda fleet, names=names: fleet.stop(*names)
    for names in (("broker-a",), ("broker-b",), PAIRS[0]):
        found[f"network of {' and '.join(names)} cut for {CUT_S:.0f} s"] = lambda fleet, names=names: fleet.cut(*names)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("faults", nargs="*", metavar="FAULT", help="part of the name of a fault; default: all faults")
    options.add_argument("--meters", type=int, default=METERS, help="number of meters of each edge, at most 240")
    options.add_argument("--store", action="store_true", help="let the brokers keep their store over a restart")
    given = options.parse_args()
    if absent := missing("mosquitto", "haproxy", "ip"):
        sys.exit(f"not installed: {', '.join(absent)}. Try: apt install mosquitto haproxy iproute2")
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    chosen = {
        name: fault
        for name, fault in faults().items()
        if not given.faults or any(each in name for each in given.faults)
    }
    print(machine())
    print(f"2 x {given.meters} meters, one telegram a second each; limit {LIMIT_S:.0f} s")
    print(
        f"{'fault':46} {'reads':>7} {'stale as fresh':>14} {'without fresh s':>16} {'longest':>8} {'no response s':>14}"
    )
    has_passed = True
    with (
        TemporaryDirectory(prefix="dsmr-gateway-") as folder,
        run_fleet(Path(folder), given.meters, keeps=given.store) as (fleet, readers),
    ):
        for name, fault in chosen.items():
            fleet.wait_until_healthy()
            seen = watch(readers, lambda fault=fault: fault(fleet))
            gaps = sorted(seen.without_fresh_s.values())
            median, longest = gaps[len(gaps) // 2], gaps[-1]
            print(
                f"{name:46} {seen.reads:7} {len(seen.stale_as_fresh):14} {median:16.1f} {longest:8.1f}"
                f" {seen.without_connection_s:14.1f}",
                flush=True,
            )
            has_passed &= not seen.stale_as_fresh
    sys.exit(not has_passed)


def watch(readers: Readers, fault: Callable[[], None]) -> Seen:
    """Let a fault happen; return what clients saw from then until all meters were fresh again."""
    readers.seen = Seen()
    fault()
    wait_until_fresh(readers)
    return readers.seen


def wait_until_fresh(readers: Readers) -> None:
    begun = time.monotonic()
    while not readers.all_are_fresh_since(begun):
        if time.monotonic() > begun + SETTLE_S:
            sys.exit(f"not all meters are fresh after {SETTLE_S:.0f} s")
        time.sleep(0.1)


@contextmanager
def run_fleet(folder: Path, count: int, *, keeps: bool) -> Iterator[tuple[Fleet, Readers]]:
    """Run the whole fleet, and clients that read it; wait until all meters are fresh."""
    many.STEP_S = STEP_S
    with ExitStack() as stack:
        feed = stack.enter_context(many.meters(2 * count))
        links = {
            name: stack.enter_context(namespace(name, index)) for index, name in enumerate(("broker-a", "broker-b"))
        }
        processes: dict[str, Process] = {}

        def start(name: str, command: list[str]) -> None:
            processes[name] = process = Process(name, command, folder / name)
            stack.callback(process.kill)

        for name in links:
            (folder / name).mkdir()
            config = folder / name / "mosquitto.conf"
            config.write_text(MOSQUITTO.format(keeps=str(keeps).lower(), folder=folder / name))
            start(name, ["ip", "netns", "exec", namespace_of(name), "mosquitto", "-c", str(config)])
        program = str(Path(sys.executable).with_name("dsmr-gateway"))
        ports = {name: [free_port() for _ in range(3)] for name in ("serving-1", "serving-2")}
        for name, text in configurations(count, feed, ports).items():
            (folder / name).mkdir()
            path = folder / name / "gateway.yaml"
            path.write_text(text)
            start(name, [program, "run", str(path)])
        fronts = [free_port() for _ in range(2)]
        (folder / "haproxy.cfg").write_text(haproxy(fronts, ports))
        start("haproxy", ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")])
        readers = stack.enter_context(Readers(fronts, count))
        wait_until_fresh(readers)
        yield Fleet(processes, links, [pages[-1] for pages in ports.values()]), readers


def configurations(count: int, feed: int, ports: dict[str, list[int]]) -> dict[str, str]:
    """Return the configurations of the edges and the serving gateways, in JSON, which is YAML."""
    brokers = {"brokers": [f"mqtt://{address_of(index)}:1883" for index in range(2)]}
    texts = {}
    for index in range(2):
        numbers = range(index * count, (index + 1) * count)
        meters = {f"m{n}": {"host": many.address_of(n), "port": feed, "dsmr_version": "5"} for n in numbers}
        mqtt = {**brokers, "edge": f"edge-{index + 1}", "publish": ["telegrams"]}
        texts[f"edge-{index + 1}"] = json.dumps({"meters": meters, "mqtt": mqtt, "state_dir": "state"})
    for name, (first, second, page) in ports.items():
        meters = {f"m{n}": {"source": "mqtt", "dsmr_version": "5"} for n in range(2 * count)}
        servers = [
            {
                "listen": f"127.0.0.1:{port}",
                "units": {str(n + 1): {"meter": f"m{index * count + n}"} for n in range(count)},
            }
            for index, port in enumerate((first, second))
        ]
        whole = {
            "meters": meters,
            "mqtt": {**brokers, "edge": name},
            "modbus": servers,
            "status_page": {"listen": f"127.0.0.1:{page}"},
        }
        texts[name] = json.dumps(whole)
    return texts


def haproxy(fronts: list[int], ports: dict[str, list[int]]) -> str:
    """Return the configuration of HAProxy, with one address for the meters of each edge."""
    (*first, first_page), (*second, second_page) = ports.values()
    parts = [
        HAPROXY_PART.format(
            index=index,
            port=port,
            first=first[index],
            second=second[index],
            first_page=first_page,
            second_page=second_page,
        )
        for index, port in enumerate(fronts)
    ]
    return HAPROXY.format(parts="".join(parts))


def namespace_of(name: str) -> str:
    return f"drill-{name}"


def address_of(index: int) -> str:
    """Return the address of a broker in its namespace."""
    return f"10.213.{index}.2"


@contextmanager
def namespace(name: str, index: int) -> Iterator[str]:
    """Make a network namespace that is connected to this machine; yield the connection on this side."""
    there, here, inner = namespace_of(name), f"drill{index}", f"drill{index}i"
    run("ip", "netns", "add", there)
    try:
        run("ip", "link", "add", here, "type", "veth", "peer", "name", inner, "netns", there)
        run("ip", "addr", "add", f"10.213.{index}.1/24", "dev", here)
        run("ip", "link", "set", here, "up")
        for command in (f"addr add {address_of(index)}/24 dev {inner}", f"link set {inner} up", "link set lo up"):
            run("ip", "-n", there, *command.split())
        yield here
    finally:
        run("ip", "netns", "del", there)


def run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

"""The processes of the fleet of `drill`, and what can happen to each of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from benchmarks import many
from benchmarks.running import HERE, build, free_port

STEP_S = 0.001
"""Step of the moments: they begin again after 100 s, longer than any reading may count as fresh."""
SETTLE_S = 120.0
"""Longest time until all meters are fresh."""
HAPROXY_S = 2.0
"""Time in which HAProxy uses a healthy gateway again."""
DOWN_S, STOPPED_S, CUT_S, JUMPED_S, FULL_S = 3.0, 20.0, 8.0, 10.0, 10.0
"""Duration of a fault: until a killed process is started again, for a stopped one, for a broker that is cut off, for a
clock that is wrong, and for a disk that is full."""
STORE_BYTES = 4 * 2**20
"""Size of the disk for the store of a broker."""
EXAMPLE = HERE.parent / "docker" / "fleet"
BROKERS, SERVING = ("broker-a", "broker-b"), ("serving-1", "serving-2")

MOSQUITTO = """\
listener 1883
allow_anonymous true
set_tcp_nodelay true
user root
persistence {keeps}
persistence_location {store}/
autosave_interval 1
"""


@dataclass(frozen=True)
class Ground:
    """The conditions that are the same for several faults."""

    has_store: bool = False
    """True if the brokers write a store, to a small disk, and read it when they start."""
    has_clocks: bool = False
    """True if the wall clock of each process can be set."""


class Process:
    """A process that can be killed, stopped, and started again, and whose wall clock can be set."""

    def __init__(self, name: str, command: list[str], folder: Path, clock: Path | None) -> None:
        self.name, self._command, self._folder = name, command, folder
        folder.mkdir(exist_ok=True)
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
        self._clock = folder / "clock"
        self.set_clock(0.0)
        if clock:
            self._environment |= {"LD_PRELOAD": str(clock), "WALLCLOCK_FILE": str(self._clock)}
        self.start()

    def start(self) -> None:
        with (self._folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.send(number)
        self._process.wait()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def set_clock(self, offset_s: float) -> None:
        """Set the wall clock of the process this much ahead of the right time."""
        # In place: the process has the file in its memory.
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(struct.pack("d", offset_s))


@dataclass
class Fleet:
    """The processes of the fleet by name, and how to cut off a broker."""

    processes: dict[str, Process] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """Connection of each broker on this side of its namespace."""
    stores: dict[str, Path] = field(default_factory=dict)
    """Folder with the store of each broker."""
    fronts: list[int] = field(default_factory=list)
    """Ports of HAProxy, one for the meters of each edge."""
    pages: list[tuple[str, int]] = field(default_factory=list)
    """Addresses of the pages of the serving gateways."""

    def kill(self, *names: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill processes together, and start them again after a while."""
        for name in names:
            self.processes[name].kill(number)
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

    def cut(self, *names: str) -> None:
        """Cut brokers off the network for a while."""
        for name in names:
            run("ip", "link", "set", self.links[name], "down")
        time.sleep(CUT_S)
        for name in names:
            run("ip", "link", "set", self.links[name], "up")

    def jump(self, *names: str, offset_s: float, stopped: tuple[str, ...] = ()) -> None:
        """Set wall clocks for a while, and set them right again; other processes may be stopped meanwhile."""
        for name in names:
            self.processes[name].set_clock(offset_s)
        if stopped:
            self.stop(*stopped)
        else:
            time.sleep(JUMPED_S)
        for name in names:
            self.processes[name].set_clock(0.0)

    def fill(self, name: str, *, restarts: bool) -> None:
        """Fill the disk of a broker's store for a while; the broker may be killed meanwhile, and read what is there."""
        filler = self.stores[name] / "full"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            for _ in range(2 * STORE_BYTES // 4096):
                file.write(bytes(4096))
        time.sleep(FULL_S)
        if restarts:
            self.kill(name)
            time.sleep(FULL_S)
        filler.unlink()

    def start_afresh(self, broker: str) -> None:
        """Start a broker that has ended, without its store."""
        for path in self.stores[broker].iterdir():
            path.unlink()
        self.processes[broker].start()

    def runs(self, name: str) -> bool:
        """Return whether a process runs."""
        return self.processes[name].runs

    def wait_until_healthy(self) -> None:
        """Wait until both serving gateways are healthy, and HAProxy has had time to see it."""
        until = time.monotonic() + SETTLE_S
        for host, port in self.pages:
            while time.monotonic() < until:
                with contextlib.suppress(OSError), urlopen(f"http://{host}:{port}/healthz?meters=any"):
                    break
                time.sleep(0.2)
        time.sleep(HAPROXY_S)


@contextmanager
def run_fleet(folder: Path, count: int, ground: Ground) -> Iterator[Fleet]:
    """Run the whole fleet."""
    many.STEP_S = STEP_S
    fleet = Fleet()
    with ExitStack() as stack:
        feed = stack.enter_context(many.meters(2 * count))
        clock = build(HERE / "wallclock.c", folder, flags=("-shared", "-fPIC", "-lm")) if ground.has_clocks else None

        def start(name: str, command: list[str]) -> None:
            fleet.processes[name] = process = Process(name, command, folder / name, clock)
            stack.callback(process.kill)

        for index, name in enumerate(BROKERS):
            fleet.links[name] = stack.enter_context(namespace(name, index))
            fleet.stores[name] = store = folder / name / "store"
            store.mkdir(parents=True)
            stack.enter_context(small_disk(store))
            config = folder / name / "mosquitto.conf"
            config.write_text(MOSQUITTO.format(keeps=str(ground.has_store).lower(), store=store))
            start(name, ["ip", "netns", "exec", namespace_of(name), "mosquitto", "-c", str(config)])
        program = str(Path(sys.executable).with_name("dsmr-gateway"))
        ports = [free_port() for _ in range(3)]
        for name, text in configurations(count, feed, ports).items():
            (folder / name).mkdir()
            path = folder / name / "gateway.yaml"
            path.write_text(text)
            start(name, [program, "run", str(path)])
        fleet.fronts = [free_port() for _ in range(2)]
        fleet.pages = [(host_of(name), ports[-1]) for name in SERVING]
        (folder / "haproxy.cfg").write_text(haproxy(fleet.fronts, ports))
        start("haproxy", ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")])
        yield fleet


def configurations(count: int, feed: int, ports: list[int]) -> dict[str, str]:
    """Return the configurations of the edges and the serving gateways, in JSON, which is YAML."""
    brokers = {"brokers": [f"mqtt://{address_of(index)}:1883" for index in range(2)]}
    texts = {}
    for index in range(2):
        numbers = range(index * count, (index + 1) * count)
        meters = {f"m{n}": {"host": many.address_of(n), "port": feed, "dsmr_version": "5"} for n in numbers}
        mqtt = {**brokers, "edge": f"edge-{index + 1}", "publish": ["telegrams"]}
        texts[f"edge-{index + 1}"] = json.dumps({"meters": meters, "mqtt": mqtt, "state_dir": "state"})
    *modbus, page = ports
    for name in SERVING:
        meters = {f"m{n}": {"source": "mqtt", "dsmr_version": "5"} for n in range(2 * count)}
        servers = [
            {
                "listen": f"{host_of(name)}:{port}",
                "units": {str(n + 1): {"meter": f"m{index * count + n}"} for n in range(count)},
            }
            for index, port in enumerate(modbus)
        ]
        whole = {
            "meters": meters,
            "mqtt": {**brokers, "edge": name},
            "modbus": servers,
            "status_page": {"listen": f"{host_of(name)}:{page}"},
        }
        texts[name] = json.dumps(whole)
    return texts


def haproxy(fronts: list[int], ports: list[int]) -> str:
    """Return the configuration of the example with addresses of this machine: one port for the meters of each edge."""
    text = (EXAMPLE / "haproxy.cfg").read_text()
    before, _, part = text.partition("frontend modbus\n")
    *modbus, page = ports
    parts = []
    for index, (front, port) in enumerate(zip(fronts, modbus, strict=True)):
        each = f"frontend modbus{index}\n{part}".replace(":502\n", f"127.0.0.1:{front}\n", 1)
        each = re.sub(r"\bgateways\b(?=\n)", f"gateways{index}", each).replace("port 8080", f"port {page}")
        parts.append(re.sub(r"serving-([12]):502", lambda found, port=port: f"{host_of(found[0])}:{port}", each))
    return before + "\n".join(parts)


def host_of(serving: str) -> str:
    """Return the address of a serving gateway, on this machine."""
    return f"127.0.2.{serving.removeprefix('serving-')[0]}"


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
        # The kernel removes it some time after its namespace, and the next fleet uses its name.
        subprocess.run(["ip", "link", "del", here], check=False)
        run("ip", "netns", "del", there)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a small disk in memory."""
    run("mount", "-t", "tmpfs", "-o", f"size={STORE_BYTES}", "tmpfs", str(folder))
    try:
        yield
    finally:
        run("umount", "--lazy", str(folder))


def run(*command: str) -> None:
    subprocess.run(command, check=True)

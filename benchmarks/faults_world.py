"""The gateway whose parts fail, and everything around it, for the fault matrix of `faults.py`."""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread

from benchmarks.drill_fleet import Process, namespace, namespace_of, run
from benchmarks.faults_clients import Clients, Meters
from benchmarks.p1_line import Line
from benchmarks.running import HERE, build, free_port
from benchmarks.steadiness import start_mosquitto

SETTLE_S = 120.0
"""Longest time until all numbers are fresh again."""
NAME, NETWORK = "faults", 7
HOST = "p1.test"
ADDRESS = "10.214.0.1"
"""An address that this machine does not have at first."""
PIPE_BYTES = 4096
RESTART_S = 1.0
"""Time after which a gateway that has ended is started again."""
SET_UP = """\
mount --bind {folder}/hosts /etc/hosts
mount --bind {folder}/resolv.conf /etc/resolv.conf
exec {program} run {folder}/gateway.yaml
"""
SER2NET = """\
%YAML 1.1
---
connection: &p1
    accepter: tcp,2001
    connector: serialdev,{device},115200n81,local
"""
UNITS = {"serial": 1, "ser2net": 2}
CABLE, NET = UNITS


class Plug(Line):
    """A cable that can be pulled out."""

    def unplug(self) -> None:
        """Remove the device; a program that has it open gets a hang-up."""
        self.link.unlink(missing_ok=True)
        # The number soon is that of a client's connection, which the meter must not write into.
        meter, self.meter = self.meter, -1
        os.close(meter)

    def plug_in(self) -> None:
        """Make the device again, under another number."""
        held = os.openpty()  # takes the number that the device had
        self.__init__(self.link)  # type: ignore[misc]
        for each in held:
            os.close(each)


class Gateway:
    """The gateway. Its log goes through a pipe, and it is started again when it ends, as systemd does."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._command, self._environment = command, {**os.environ, **environment}
        self._log = (folder / "log.txt").open("ab")
        self.reads_log = True
        self.restarts = 0
        """Number of times that it has ended by itself."""
        self.start()

    def start(self) -> None:
        """Start it, and read its log."""
        reading, writing = os.pipe()
        self._writing = writing
        self.process = subprocess.Popen(
            self._command,
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
        )
        self._is_wanted = True
        Thread(target=self._read, args=[reading], daemon=True).start()
        Thread(target=self._supervise, args=[self.process], daemon=True).start()

    def _supervise(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        time.sleep(RESTART_S)
        if self._is_wanted and process is self.process:
            self.restarts += 1
            self.start()

    def _read(self, reading: int) -> None:
        while True:
            if not self.reads_log:
                time.sleep(0.05)
            elif data := os.read(reading, 1 << 16):
                self._log.write(data)
                self._log.flush()

    def block_log(self) -> None:
        """Read the log no more, and fill the pipe."""
        self.reads_log = False
        again = os.open(f"/proc/self/fd/{self._writing}", os.O_WRONLY | os.O_NONBLOCK)
        with suppress(BlockingIOError):
            while True:
                os.write(again, bytes(PIPE_BYTES))
        os.close(again)

    def kill(self) -> None:
        """Kill it."""
        self._is_wanted = False
        self.process.kill()
        self.process.wait()

    def limit(self, kind: int, soft: int) -> None:
        """Set a soft limit of the running process."""
        hard = resource.prlimit(self.process.pid, kind)[1]
        resource.prlimit(self.process.pid, kind, (soft, hard))


class World:
    """The gateway, and everything that can fail."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.folder, self.stack = folder, stack
        self.link = stack.enter_context(namespace(NAME, NETWORK))
        self.cables = {name: Plug(folder / f"P1-{name}") for name in UNITS}
        self.port, broker = free_port(), free_port()
        self.disk = folder / "disk"
        self.disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=256k", "faults", str(self.disk))
        stack.callback(run, "umount", "-l", str(self.disk))
        self.clock = folder / "clock"
        self.set_clock(0)
        self.name_host()
        (folder / "resolv.conf").write_text("")
        start_mosquitto(stack, folder, broker)
        (folder / "ser2net.yaml").write_text(SER2NET.format(device=self.cables[NET].link))
        inside = ["ip", "netns", "exec", namespace_of(NAME)]
        ser2net = [*inside, "ser2net", "-n", "-u", "-c", str(folder / "ser2net.yaml")]
        self.ser2net = Process("ser2net", ser2net, folder / "ser2net", None)
        stack.callback(self.ser2net.kill)
        (folder / "gateway.yaml").write_text(json.dumps(self._configuration(broker)))
        self.gateway = self._start()
        stack.callback(self.gateway.kill)
        self.meters = stack.enter_context(Meters(dict(self.cables)))
        self.clients = stack.enter_context(Clients(self.port, UNITS))

    def _configuration(self, broker: int) -> dict[str, object]:
        units = {unit: {"meter": name} for name, unit in UNITS.items()}
        return {
            "meters": {
                CABLE: {"port": str(self.cables[CABLE].link), "dsmr_version": "5"},
                NET: {"host": HOST, "port": 2001, "dsmr_version": "5"},
            },
            "modbus": [
                {"listen": f"127.0.0.1:{self.port}", "units": units},
                {"listen": f"{ADDRESS}:{self.port}", "units": units},
            ],
            "passthrough": [{"meter": CABLE, "listen": f"127.0.0.1:{free_port()}"}],
            "mqtt": {"brokers": [f"mqtt://127.0.0.1:{broker}"], "edge": "faults", "publish": ["telegrams", "readings"]},
            "state_dir": str(self.disk),
        }

    def _start(self) -> Gateway:
        clock = build(HERE / "wallclock.c", self.folder, flags=("-shared", "-fPIC", "-lm"))
        program = Path(sys.executable).with_name("dsmr-gateway")
        set_up = SET_UP.format(folder=self.folder, program=program)
        environment = {"LD_PRELOAD": str(clock), "WALLCLOCK_FILE": str(self.clock), "XDG_RUNTIME_DIR": str(self.folder)}
        return Gateway(["unshare", "--mount", "sh", "-ec", set_up], self.folder, environment)

    def set_clock(self, seconds: int) -> None:
        """Set the wall clock of the gateway."""
        with self.clock.open("r+b" if self.clock.exists() else "wb") as stream:
            stream.write(struct.pack("d", seconds))

    def name_host(self, address: str | None = f"10.213.{NETWORK}.2") -> None:
        """Give the name of the ser2net an address, or none."""
        with (self.folder / "hosts").open("w") as stream:
            stream.write(f"127.0.0.1 localhost\n{address} {HOST}\n" if address else "127.0.0.1 localhost\n")

    def restart_ser2net(self) -> None:
        """Kill the ser2net and start it again."""
        self.ser2net.kill()
        self.ser2net.start()

    def restart_gateway(self) -> None:
        """Kill the gateway and start it again, as after a power failure."""
        self.gateway.kill()
        self.gateway.start()

    def fill_disk(self) -> None:
        """Fill the disk of the gateway."""
        with suppress(OSError), (self.disk / "full").open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(1024))

    def wait_until_fresh(self) -> dict[str, float]:
        """Wait until each meter has a number that was sent from now on; return the seconds."""
        begun, took = time.monotonic(), dict[str, float]()
        while len(took) < len(UNITS):
            if time.monotonic() > begun + SETTLE_S:
                sys.exit(f"{took} fresh after {SETTLE_S:.0f} s:\n{(self.folder / 'log.txt').read_text()[-9000:]}")
            for name, seen in self.clients.seen.items():
                if name not in took and seen.fresh_sent_at > begun:
                    took[name] = seen.fresh_at - begun
            time.sleep(0.02)
        return took

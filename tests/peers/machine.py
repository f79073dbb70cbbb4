"""A machine of its own for what the documentation says: its addresses, its devices, its home, so that every command
and every configuration can be taken from a page word for word.

It is made of Linux namespaces, which want root. Nothing in it is an imitation: the meter is a pseudo terminal that
sends telegrams, the ser2net is a ser2net.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Self, TypeVar

import pytest

from tests.conftest import REQUIRE_PEERS, program
from tests.peers.harness import LIMIT_S, ModbusClient, Program, SerialPort, gateway_command, wait_until
from tests.protocol.p1.stream import stamped

GATEWAY, SER2NET = "192.168.1.5", "192.168.1.13"
"""Who is who in the documentation's network."""
CABLE, CABLE_OF_SER2NET = "ttyUSB0", "ttyUSB1"

TELEGRAM_EVERY_S = 1.0
"""The cadence of a DSMR 5 meter."""

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_KEPT_DEVICES = "null zero full random urandom tty"
_SET_UP = """\
set -e
mount --make-rprivate /
{ip} link set lo up
for address in {addresses}; do {ip} address add "$address/32" dev lo; done
mkdir {folder}/dev
mount -t tmpfs none {folder}/dev
cd {folder}/dev
for device in {devices}; do touch "$device"; mount --bind "/dev/$device" "$device"; done
mkdir pts shm
mount --rbind /dev/pts pts
mount -t tmpfs none shm
ln -s pts/ptmx ptmx
ln -s /proc/self/fd fd
ln -s {cable} ttyUSB0
ln -s {cable_of_ser2net} ttyUSB1
mkdir -p serial/by-id
ln -s ../../ttyUSB0 serial/by-id/usb-FTDI_P1
mount --move {folder}/dev /dev
cp -a /etc {folder}/etc
mount --bind {folder}/etc /etc
touch {folder}/ready
exec sleep infinity
"""


class Machine:
    """A running machine; `cable` and `cable_of_ser2net` are the meters' ends of its two P1 cables."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        """Start it.

        Args:
            folder: where its home lies.
            path: a folder of programs that goes before all others; by default the one that `dsmr-gateway` is in.

        """
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.etc = folder / "etc"
        """Its /etc, a copy of this machine's."""
        self.path = path or gateway_command().parent
        self.cable = SerialPort(folder / "cable")
        self.cable_of_ser2net = SerialPort(folder / "cable-of-ser2net")
        words = {
            "ip": program("ip"),
            "addresses": f"{GATEWAY} {SER2NET}",
            "folder": folder,
            "devices": _KEPT_DEVICES,
            "cable": self.cable.link,
            "cable_of_ser2net": self.cable_of_ser2net.link,
        }
        unshare = [program("unshare"), "--net", "--mount", "--fork", "--kill-child"]
        self._unshare = Program([*unshare, "sh", "-c", _SET_UP.format_map(words)], folder, "machine")
        wait_until(lambda: (folder / "ready").exists() or not self._unshare.is_running, "the machine to be there")
        if not self._unshare.is_running:
            self.end()
            why = f"this machine allows no namespaces here: {self._unshare.log.strip()[-200:]}"
            (pytest.fail if REQUIRE_PEERS else pytest.skip)(why)
        (self._pid,) = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text().split()
        self._enter = [program("nsenter"), f"--target={self._pid}", "--net", "--mount", f"--wd={self.home}"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Switch it off; whoever started a program on it ends that first."""
        self._unshare.kill()
        self.cable.unplug()
        self.cable_of_ser2net.unplug()

    @contextmanager
    def metering(self, telegram: bytes) -> Iterator[None]:
        """Let both meters send this with the present time while the block runs, whether anybody listens or not."""
        stop = Event()

        def send() -> None:
            while not stop.wait(TELEGRAM_EVERY_S):
                present = stamped(telegram, time.time())
                self.cable.offer(present)
                self.cable_of_ser2net.offer(present)

        thread = Thread(target=send, name="meters")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program here knows of the world."""
        return {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home),
            "PATH": f"{self.path}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        }

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """A command that ends by itself, as it would be typed."""
        return subprocess.run(
            [*self._enter, "sh", "-c", command],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=4 * LIMIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def start(self, command: str, name: str) -> Program:
        """A command that goes on."""
        return Program([*self._enter, "sh", "-c", f"exec {command}"], self.home, name, self.environment)

    def listens(self, port: int) -> bool:
        """Whether anything here listens on TCP `port`."""
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{self._pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    return True
        return False

    def inside(self, make: Callable[[], T]) -> T:
        """What `make` makes in this machine's network."""
        return in_network_of(int(self._pid), make)

    def client(self, port: int) -> ModbusClient:
        """A Modbus client on this machine."""
        return self.inside(lambda: ModbusClient(port))


def in_network_of(pid: int, make: Callable[[], T]) -> T:
    """Return what `make` makes in the network of a process: a socket stays in the one that it was made in."""
    made: list[T] = []

    def enter() -> None:
        with Path(f"/proc/{pid}/ns/net").open() as network:
            if ctypes.CDLL(None).setns(network.fileno(), _CLONE_NEWNET) == 0:
                made.append(make())

    # A thread changes its own network alone.
    thread = Thread(target=enter)
    thread.start()
    thread.join()
    assert made, "it could not be made on that machine"
    return made[0]


def checkout(folder: Path, root: Path) -> None:
    """Copy the checkout `root` to `folder` as a clone has it, with the set-up done that `make` does at first.

    The set-up is the one that the tests run in; half a minute's downloads would make the same.
    """
    left_out = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "node_modules")
    shutil.copytree(root, folder, ignore=left_out, dirs_exist_ok=True)
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (folder / ".venv" / ".set-up").touch()

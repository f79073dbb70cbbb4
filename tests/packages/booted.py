"""systemd itself, as the first process of namespaces of its own above a layer of this machine's files.

It starts one service and journald, and nothing of what this machine would start; of the kernel's settings it can
change none.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import pytest

from tests.conftest import program
from tests.packages.image import CANNOT_MOUNT, SYSTEM
from tests.peers.harness import LIMIT_S, Program, wait_until
from tests.peers.machine import in_network_of

SYSTEMD = Path("/lib/systemd/systemd")
TARGET = "dsmr-gateway-test.target"
COMMAND_TIMEOUT_S = 60
T = TypeVar("T")
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}

# What a container's engine does for a systemd in it.
_SETUP = f"""
mount -t overlay overlay -o lowerdir=/,upperdir=$layer,workdir=$work $root || exit {CANNOT_MOUNT}
mount -t proc proc $root/proc
mount --bind $root/proc/sys $root/proc/sys
mount -o remount,ro,bind $root/proc/sys
mount -t sysfs -o ro sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup || exit {CANNOT_MOUNT}
for each in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs $root/$each; done
chmod 1777 $root/tmp
mkdir $root/dev/pts $root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts $root/dev/pts
ln -s pts/ptmx $root/dev/ptmx
{"; ".join(f"mknod -m 666 $root/dev/{name} c {major} {minor}" for name, (major, minor) in DEVICES.items())}
# Images of containers have one, which forbids packages to start anything.
rm -f $root/usr/sbin/policy-rc.d
# systemd mounts the credentials of a service in a namespace of its own, from which they have to come back.
mount --make-rshared $root
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
  chroot $root {SYSTEMD} --system --unit={TARGET} --show-status=0
"""


def _cgroups() -> Path:
    """Where cgroups of version 2 are; skips the test where there are none to make."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, folder, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(folder, os.W_OK):
            return Path(folder)
    pytest.skip("no cgroup of version 2 can be made here, which systemd needs")


class Booted:
    """A running systemd that starts `service`."""

    def __init__(self, layer: Path, service: str, folder: Path) -> None:
        if not SYSTEMD.exists():
            pytest.skip("systemd is not installed")
        self._cgroup = _cgroups() / f"dsmr-gateway-test-{os.getpid()}"
        target = layer / "etc/systemd/system" / TARGET
        target.write_text(f"[Unit]\nWants=systemd-journald.service {service}\nAfter={service}\n")
        places = {"layer": layer, "root": folder / "root", "work": folder / "work"}
        for place in places.values():
            place.mkdir(exist_ok=True)
        inner = "".join(f"{name}={shlex.quote(str(place))}\n" for name, place in places.items()) + _SETUP
        namespaces = ("--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup")
        outer = [
            f"mkdir {self._cgroup} && echo $$ > {self._cgroup}/cgroup.procs || exit {CANNOT_MOUNT}",
            f"exec {program('unshare')} {' '.join(namespaces)} sh -ec {shlex.quote(inner)}",
        ]
        self._program = Program(["sh", "-ec", "\n".join(outer)], folder, "systemd", SYSTEM)

    def __enter__(self) -> Self:
        try:
            wait_until(self._is_up, lambda: f"systemd; it says: {self._program.log}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self._children():
            os.kill(pid, signal.SIGKILL)
        self._program.kill()
        for folder, _, _ in os.walk(self._cgroup, topdown=False):
            # The kernel empties it a moment after the last process of it has ended.
            wait_until(partial(_is_removed, Path(folder)), f"{folder} to be empty")

    @property
    def init(self) -> int:
        """The process id of systemd, out here."""
        (pid,) = self._children()
        return pid

    def _children(self) -> list[int]:
        with suppress(OSError):
            pid = self._program.pid
            return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def _is_up(self) -> bool:
        if Path(f"/proc/{self._program.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            if self._program.wait() == CANNOT_MOUNT:
                pytest.skip(f"no systemd can be started here: {self._program.log}")
            pytest.fail(f"systemd ended: {self._program.log}")
        return bool(self._children()) and self.tell("systemctl", "is-active", TARGET).stdout == "active\n"

    def tell(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there, as a shell of root would."""
        there = ["nsenter", f"--target={self.init}", "--mount", "--root", "--pid", "--net", "--cgroup", "--wd=/"]
        shell = ["env", "-i", "HOME=/nowhere", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command]
        return subprocess.run(
            [*there, *shell], env=SYSTEM, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
        )

    def run(self, *command: str) -> str:
        """What such a command prints, which must succeed."""
        result = self.tell(*command)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def inside(self, make: Callable[[], T]) -> T:
        """Return what `make` makes in the network of that systemd, such as a client."""
        return in_network_of(self.init, make)

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file there."""
        place = Path(f"/proc/{self.init}/root", path.lstrip("/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(mode)

    def property_of(self, service: str, name: str) -> str:
        """What systemd knows of a service."""
        return self.run("systemctl", "show", "--value", f"--property={name}", service).strip()

    def wait_for(self, service: str, **properties: str) -> None:
        """Wait until systemd knows this of a service."""
        wait_until(
            lambda: all(self.property_of(service, name) == value for name, value in properties.items()),
            f"{service} to have {properties}",
            2 * LIMIT_S,
        )


def _is_removed(cgroup: Path) -> bool:
    """Whether it is gone, now that it was tried."""
    with suppress(OSError):
        cgroup.rmdir()
    return not cgroup.exists()

"""Faults of real parts of a gateway, alone and in pairs: what clients see, and after how many seconds numbers return.

    python -m benchmarks.faults [--write] [FAULT ...]

One gateway reads two meters: one on a serial port (a pseudo terminal), and one behind a ser2net in a network namespace,
found by its name. It publishes to a mosquitto, writes its log into a pipe, and has a disk and a wall clock of its own.
Two clients read each meter ten times a second: one that stays connected, one that connects for each request. The power
of a telegram is the moment at which it was sent, and that of the phases are its thirds. A number that is older than
the limit of 5 s, with 1.5 s for the resolution of the meter's clock, or that is not of one telegram, is wrong.

`--write` writes the table into docs/faults.md. It needs root, gcc, mosquitto, ser2net and iproute2.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from benchmarks.drill_fleet import run
from benchmarks.faults_clients import Seen
from benchmarks.faults_world import ADDRESS, CABLE, UNITS, World
from benchmarks.measure import machine
from benchmarks.running import missing

PAGE = Path(__file__).parent.parent / "docs" / "faults.md"
BEGIN, END = "<!-- faults -->\n", "<!-- end of faults -->\n"
LASTS_S = 10.0
"""Duration of a fault."""
BETWEEN_S = 2.0
"""Time between the beginnings of two faults, and between their ends."""


@dataclass(frozen=True)
class Fault:
    """Something that fails, and how it works again."""

    name: str
    begin: Callable[[World], object]
    end: Callable[[World], object]


def nothing(_world: World) -> None:
    """Do nothing."""


def restarted_while(begin: Callable[[World], object]) -> Callable[[World], object]:
    """Return what begins a fault and then restarts the gateway."""

    def work(world: World) -> None:
        begin(world)
        world.restart_gateway()

    return work


def without_memory(world: World) -> None:
    """Let the gateway get no more memory than it has."""
    pages = int(Path(f"/proc/{world.gateway.process.pid}/statm").read_text().split()[0])
    world.gateway.limit(resource.RLIMIT_AS, pages * resource.getpagesize())


def without_descriptors(world: World) -> None:
    """Let the gateway open no more files than it has open."""
    world.gateway.limit(resource.RLIMIT_NOFILE, len(os.listdir(f"/proc/{world.gateway.process.pid}/fd")))


def with_enough(kind: int) -> Callable[[World], object]:
    """Return what lifts a limit."""
    return lambda world: world.gateway.limit(kind, resource.prlimit(world.gateway.process.pid, kind)[1])


def block_log(world: World) -> None:
    """Let nobody read the log, and the gateway log lines."""
    world.gateway.block_log()
    for _ in range(3):
        world.gateway.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)


def without_name(world: World) -> None:
    """Let nobody know the name of the ser2net, whose connection ends."""
    world.name_host(None)
    world.restart_ser2net()


def half_open(world: World) -> None:
    """Cut the ser2net off, and let its connection end there only."""
    run("ip", "link", "set", world.link, "down")
    world.restart_ser2net()


def set_clocks(seconds: int) -> Callable[[World], object]:
    """Return what sets the meters' clocks."""
    return lambda world: setattr(world.meters, "clock_s", seconds)


def plug_in_silent(world: World) -> None:
    """Pull the cable out, and plug it in while the meter is silent."""
    world.meters.silent.add(CABLE)
    world.cables[CABLE].unplug()
    world.cables[CABLE].plug_in()


def unplug(world: World) -> None:
    """Pull the serial cable out."""
    world.cables[CABLE].unplug()


def plug_in(world: World) -> None:
    """Plug the serial cable in again."""
    world.cables[CABLE].plug_in()


def restart(world: World) -> None:
    """Restart the gateway."""
    world.restart_gateway()


def add_address(_world: World) -> None:
    """Give this machine the other address."""
    run("ip", "addr", "replace", f"{ADDRESS}/32", "dev", "lo")


def empty_disk(world: World) -> None:
    """Remove what fills the disk."""
    (world.disk / "full").unlink(missing_ok=True)


SERIAL_FAULTS = (
    Fault("serial port vanishes, returns under another number", unplug, plug_in),
    Fault("serial port returns silent", plug_in_silent, lambda w: w.meters.silent.discard(CABLE)),
    Fault("noise on the serial line", lambda w: w.meters.noisy.add(CABLE), lambda w: w.meters.noisy.discard(CABLE)),
    Fault(
        "serial line at a wrong speed", lambda w: w.meters.garbled.add(CABLE), lambda w: w.meters.garbled.discard(CABLE)
    ),
)
NETWORK_FAULTS = (
    Fault("ser2net killed and started again", lambda w: w.restart_ser2net(), nothing),
    Fault("ser2net gone: connections are refused", lambda w: w.ser2net.kill(), lambda w: w.ser2net.start()),
    Fault("connection to ser2net half open", half_open, lambda w: run("ip", "link", "set", w.link, "up")),
    Fault("name of ser2net not known (DNS gone)", without_name, lambda w: w.name_host()),
)
MACHINE_FAULTS = (
    Fault("disk full at a restart", restarted_while(World.fill_disk), empty_disk),
    Fault(
        "disk read-only at a restart",
        restarted_while(lambda w: run("mount", "-o", "remount,ro", str(w.disk))),
        lambda w: run("mount", "-o", "remount,rw", str(w.disk)),
    ),
    Fault("no file descriptors left", without_descriptors, with_enough(resource.RLIMIT_NOFILE)),
    Fault("no memory left", without_memory, with_enough(resource.RLIMIT_AS)),
    Fault("nobody reads the log", block_log, lambda w: setattr(w.gateway, "reads_log", True)),
    Fault(
        "gateway stopped (SIGSTOP)",
        lambda w: w.gateway.process.send_signal(signal.SIGSTOP),
        lambda w: w.gateway.process.send_signal(signal.SIGCONT),
    ),
    Fault("listen address not there at a restart", restart, add_address),
)
CLOCK_FAULTS = (
    Fault("wall clock of the machine a day ahead", lambda w: w.set_clock(86_400), lambda w: w.set_clock(0)),
    Fault("wall clock of the machine in 1970", lambda w: w.set_clock(-int(time.time())), lambda w: w.set_clock(0)),
    Fault("clocks of the meters an hour ahead", set_clocks(3600), set_clocks(0)),
    Fault("clocks of the meters an hour behind", set_clocks(-3600), set_clocks(0)),
)
SINGLE = (*SERIAL_FAULTS, *NETWORK_FAULTS, *MACHINE_FAULTS, *CLOCK_FAULTS)
PAIRS = (
    (SERIAL_FAULTS[0], SERIAL_FAULTS[2]),
    (SERIAL_FAULTS[0], NETWORK_FAULTS[0]),
    (SERIAL_FAULTS[0], MACHINE_FAULTS[2]),
    (SERIAL_FAULTS[1], CLOCK_FAULTS[2]),
    (NETWORK_FAULTS[2], NETWORK_FAULTS[3]),
    (NETWORK_FAULTS[0], MACHINE_FAULTS[4]),
    (NETWORK_FAULTS[1], CLOCK_FAULTS[1]),
    (MACHINE_FAULTS[3], SERIAL_FAULTS[2]),
    (MACHINE_FAULTS[3], MACHINE_FAULTS[4]),
    (MACHINE_FAULTS[0], MACHINE_FAULTS[3]),
    (MACHINE_FAULTS[0], SERIAL_FAULTS[3]),
    (MACHINE_FAULTS[5], SERIAL_FAULTS[2]),
    (MACHINE_FAULTS[5], CLOCK_FAULTS[0]),
    (CLOCK_FAULTS[1], CLOCK_FAULTS[3]),
)

RESULTS = ("value", "exception", "no connection")


class Row(dict[str, str]):
    """A line of the table."""

    @classmethod
    def of(cls, name: str, seen: dict[str, Seen], took: dict[str, float]) -> Self:
        """Describe what clients saw."""
        row = cls({"fault": name})
        for meter, each in seen.items():
            row[meter] = ", ".join(result for result in RESULTS if each.results[result])
            row[f"{meter} counts"] = "/".join(str(each.results[result]) for result in RESULTS)
            row[f"{meter} s"] = f"{took[meter]:.1f}"
            row[f"{meter} longest"] = f"{each.longest_s:.1f}"
        row["responses"] = str(sum(each.results["value"] + each.results["exception"] for each in seen.values()))
        row["wrong"] = str(sum(len(each.wrong) for each in seen.values()))
        return row


def happen(world: World, *faults: Fault) -> Row:
    """Let faults happen, one soon after the other; return what clients saw until all numbers are fresh."""
    world.wait_until_fresh()
    world.clients.restart()
    for fault in faults:
        fault.begin(world)
        time.sleep(BETWEEN_S if fault is not faults[-1] else LASTS_S)
    for fault in faults:
        fault.end(world)
        time.sleep(BETWEEN_S if fault is not faults[-1] else 0.0)
    took = world.wait_until_fresh()
    seen = world.clients.seen
    for name, each in seen.items():
        for wrong in each.wrong[:3]:
            print(f"{name}: {wrong}")
    return Row.of("; ".join(fault.name for fault in faults), seen, took)


HEAD = ("fault", *(f"{name}{part}" for name in UNITS for part in ("", " s", " longest")), "wrong")

TITLES = (
    "fault",
    *(f"{name}: {part}" for name in UNITS for part in ("clients got", "number after, s", "longest without, s")),
    "wrong responses",
)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("faults", nargs="*", metavar="FAULT", help="part of the name of a fault; default: all faults")
    options.add_argument("--write", action="store_true", help=f"write the table into docs/{PAGE.name}")
    options.add_argument("--log", type=Path, help="file that the log of the gateway is copied to")
    given = options.parse_args()
    if absent := missing("mosquitto", "ser2net", "ip", "gcc", "unshare"):
        raise SystemExit(f"not installed: {', '.join(absent)}. Try: apt install mosquitto ser2net iproute2 gcc")
    if os.geteuid() != 0:
        raise SystemExit("network namespaces need root")
    chosen = [
        each
        for each in (*((fault,) for fault in SINGLE), *PAIRS)
        if not given.faults or any(part in "; ".join(f.name for f in each) for part in given.faults)
    ]
    print(machine())
    rows = []
    with TemporaryDirectory(prefix="dsmr-gateway-") as folder, ExitStack() as stack:
        stack.callback(lambda: subprocess.run(["ip", "addr", "del", f"{ADDRESS}/32", "dev", "lo"], check=False))
        world = World(stack, Path(folder))
        print(" | ".join(HEAD))
        for faults in chosen:
            rows.append(happen(world, *faults))
            counts = " ".join(rows[-1][f"{name} counts"] for name in UNITS)
            print(" | ".join(rows[-1][column] for column in HEAD), f"({counts})", flush=True)
        if given.log:
            shutil.copy(Path(folder) / "log.txt", given.log)
        log = (Path(folder) / "log.txt").read_text(errors="replace")
    wrong, responses = (sum(int(row[column]) for row in rows) for column in ("wrong", "responses"))
    alone = sum(len(faults) == 1 for faults in chosen)
    print(f"{log.count('Traceback')} tracebacks and {log.count(chr(10))} lines in the log")
    print(f"the gateway ended {world.gateway.restarts} times by itself")
    print(f"{alone} faults alone and {len(chosen) - alone} pairs: {wrong} wrong responses of {responses}")
    if given.write:
        write(rows)
    return min(1, wrong)


def write(rows: list[Row]) -> None:
    """Write the table into the page."""
    head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    lines = ["", f"| {' | '.join(TITLES)} |", f"| {' | '.join('---' for _ in HEAD)} |"]
    lines += [f"| {' | '.join(row[column] for column in HEAD)} |" for row in rows]
    day = date.today().isoformat()  # noqa: DTZ011 - the day of whoever runs it
    PAGE.write_text(f"{head}{BEGIN}{chr(10).join(lines)}\n\nMeasured on {day}.\n\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())

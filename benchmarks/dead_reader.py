"""Effect of a reader whose host loses power on a healthy reader: the gateway beside ser2net.

    python -m benchmarks.dead_reader [SECONDS]

The dead reader is in a network namespace. Its link is taken down, so that nothing acknowledges its packets any more;
this needs root. ser2net waits for such a reader for the 15 minutes of TCP and longer.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.measure import machine
from benchmarks.p1_line import RAW, SER2NET, TELEGRAMS, Readers, start, telegrams
from benchmarks.running import missing

SECONDS = 90
NAMESPACE, HERE, THERE = "p1-dead", "198.51.100.5", "198.51.100.6"
ESTABLISHED = "01"
READ = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\nwhile s.recv(65536): pass"


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


@contextmanager
def other_host() -> Iterator[Callable[[], None]]:
    """Set up another host on a cable of its own; give the function that unplugs it."""
    ip(f"netns add {NAMESPACE}")
    try:
        ip(f"link add p1-near type veth peer name p1-far netns {NAMESPACE}")
        ip(f"address add {HERE}/30 dev p1-near")
        ip("link set p1-near up")
        ip(f"-n {NAMESPACE} address add {THERE}/30 dev p1-far")
        ip(f"-n {NAMESPACE} link set p1-far up")
        yield lambda: ip(f"-n {NAMESPACE} link set p1-far down")
    finally:
        ip("link del p1-near")
        ip(f"netns del {NAMESPACE}")


def is_connected(port: int) -> bool:
    """Return whether the server still has a connection with the other host."""
    peer = "".join(f"{int(part):02X}" for part in reversed(THERE.split(".")))
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[2].startswith(peer) and row[3] == ESTABLISHED for row in rows)


def main() -> None:
    """Take the link down and measure."""
    if missing("ser2net", "ip"):
        raise SystemExit("ser2net or ip is not installed; try: apt install ser2net iproute2")
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    print(machine())
    with tempfile.TemporaryDirectory() as name, other_host() as unplug, ExitStack() as stack:
        subjects = {what: start(stack, Path(name) / what, what, 2, "0.0.0.0") for what in (SER2NET, TELEGRAMS, RAW)}
        healthy, remote = {}, []
        for what, subject in subjects.items():
            healthy[what] = stack.enter_context(Readers(subject.program.port, 1))
            command = ["ip", "netns", "exec", NAMESPACE, "python3", "-c", READ, HERE, str(subject.program.port)]
            remote.append(subprocess.Popen(command))
        try:
            for what, subject in subjects.items():
                while not is_connected(subject.program.port):
                    time.sleep(0.05)
                healthy[what].settle(subject.line)
            unplug()
            watch(subjects, healthy, seconds)
        finally:
            for process in remote:
                process.kill()
                process.wait()


def watch(subjects: dict, healthy: dict, seconds: int) -> None:
    """Feed a telegram per second; print when the dead reader is dropped and what the healthy one receives."""
    stream = telegrams(seconds)
    expected = memoryview(b"".join(stream))
    begun = time.monotonic()
    last, longest, gone = dict.fromkeys(subjects, begun), dict.fromkeys(subjects, 0.0), dict.fromkeys(subjects, 0.0)
    fed = dict.fromkeys(subjects, 0)
    for readers in healthy.values():
        readers.restart()
    for number in range(seconds):
        for what, subject in subjects.items():
            fed[what] += subject.line.offer(stream[number]) if fed[what] == number else 0
        while (left := begun + number + 1 - time.monotonic()) > 0:
            for what, readers in healthy.items():
                for moment, _, _ in readers.read(expected, min(left, 0.05)):
                    longest[what] = max(longest[what], moment - last[what])
                    last[what] = moment
                if not gone[what] and not is_connected(subjects[what].program.port):
                    gone[what] = time.monotonic() - begun
    print(
        f"\nlink down, {seconds} s measured: healthy reader's telegrams    longest pause    dead reader dropped after"
    )
    for what, readers in healthy.items():
        size = len(stream[0])
        silence = max(longest[what], time.monotonic() - last[what])
        left = f"{gone[what]:.1f} s" if gone[what] else "not in that time"
        print(f"{what:<40}{readers.slowest() // size:>10} of {seconds}{silence:>17.1f} s{left:>26}")


if __name__ == "__main__":
    main()

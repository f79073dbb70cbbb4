"""The programs that are measured: the gateway and the servers that it is compared with."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
START_LIMIT_S = 60.0
END_LIMIT_S = 5.0
HERE = Path(__file__).parent
PEERS = HERE / "peers"
ASYNCIO, UVLOOP = "asyncio", "uvloop"


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run on one core; a program that is started in the block stays on it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that no program listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def missing(*names: str) -> list[str]:
    """Return those of the commands that are not installed."""
    return [name for name in names if shutil.which(name) is None]


def build(source: Path, folder: Path, package: str = "", flags: Sequence[str] = ()) -> Path | None:
    """Compile a C program with the flags of a pkg-config package; print the reason and return None where that fails."""
    program = folder / source.stem
    try:
        if package:
            asked = ["pkg-config", "--cflags", "--libs", package]
            flags = shlex.split(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
        subprocess.run(["gcc", "-O2", "-o", program, source, *flags], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{source.name} is left out: {error}. Try: apt install gcc pkg-config libmodbus-dev")
        return None
    return program


class Program:
    """A server on `SERVER_CORE`; its output goes to a file."""

    def __init__(self, command: Sequence[str | Path], folder: Path, port: int) -> None:
        self.port = port
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log.txt"
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
        with self._log.open("wb") as stream, on_core(SERVER_CORE):
            self.started = time.monotonic()
            self._process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def log_lines(self) -> int:
        """Return the number of lines that it has logged."""
        return self._log.read_bytes().count(b"\n")

    def wait_for_port(self) -> float:
        """Wait until it listens; return the seconds since its start."""
        while time.monotonic() < self.started + START_LIMIT_S and self._process.poll() is None:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
                return time.monotonic() - self.started
            time.sleep(0.002)
        raise SystemExit(f"the program does not listen on port {self.port}:\n{self._log.read_text(errors='replace')}")


GATEWAY_CONFIG = """\
meter:
  host: 127.0.0.1
  port: {feed}
  dsmr_version: "5"
modbus:
  - listen: 127.0.0.1:{port}
    allow: [127.0.0.0/8]
    max_clients: {max_clients}
    idle_timeout: 60s
    units: {{1: {{map: {register_map}{unit_keys}}}}}
"""


def start_gateway(
    folder: Path,
    feed_port: int,
    *,
    loop: str = ASYNCIO,
    max_clients: int = 32,
    page_port: int | None = None,
    register_map: str = "",
    unit_keys: str = "",
) -> Program:
    """Start `dsmr-gateway run` with a meter at a TCP port, limits and an allow list.

    It has a status page if `page_port` is given, and the native map if no text of another is given; `unit_keys`
    are more keys of its unit, after a comma.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    name = "own.yaml" if register_map else "dsmr"
    if register_map:
        (folder / name).write_text(register_map)
    config = folder / "gateway.yaml"
    text = GATEWAY_CONFIG.format(
        feed=feed_port, port=port, max_clients=max_clients, register_map=name, unit_keys=unit_keys
    )
    page = f"status_page: {{listen: 127.0.0.1:{page_port}}}\n" if page_port else ""
    config.write_text(text + page)
    options = ["--uvloop"] if loop == UVLOOP else []
    return Program([Path(sys.executable).with_name("dsmr-gateway"), "run", *options, config], folder, port)


def has_uvloop() -> bool:
    """Return whether uvloop is installed; print a line where it is not."""
    if importlib.util.find_spec("uvloop"):
        return True
    print("uvloop is left out: it is not installed. Try: pip install uvloop")
    return False


def start_peers(stack: ExitStack, folder: Path) -> dict[str, Program]:
    """Start the other Modbus servers that are installed here."""
    peers: dict[str, Program] = {}
    libmodbus = build(PEERS / "libmodbus_server.c", folder, "libmodbus")
    if libmodbus:
        peers["libmodbus"] = _start_peer(stack, folder / "libmodbus", libmodbus)
    peers["pymodbus"] = _start_peer(stack, folder / "pymodbus", sys.executable, PEERS / "pymodbus_server.py")
    if jsmodbus := start_jsmodbus(stack, folder):
        peers["jsmodbus"] = jsmodbus
    for peer in peers.values():
        peer.wait_for_port()
    return peers


def start_jsmodbus(stack: ExitStack, folder: Path) -> Program | None:
    """Start Node-RED's Modbus server; print the reason and return None where it cannot be installed."""
    if not install_npm(folder / "jsmodbus", "jsmodbus@4.0.10"):
        return None
    return _start_peer(stack, folder / "jsmodbus", "node", PEERS / "jsmodbus_server.js")


def _start_peer(stack: ExitStack, folder: Path, *command: str | Path) -> Program:
    port = free_port()
    return stack.enter_context(Program([*command, str(port)], folder, port))


def install_npm(folder: Path, *packages: str) -> bool:
    """Install npm packages into a folder; print the reason and return False where that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text("{}")
    names = " ".join(packages)
    if absent := missing("node", "npm"):
        print(f"{names} is left out: {', '.join(absent)} is not installed. Try: apt install nodejs npm")
        return False
    command = ["npm", "install", "--no-audit", "--no-fund", "--omit=dev", *packages]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{names} is left out, npm could not install it:\n{done.stderr}")
    return done.returncode == 0

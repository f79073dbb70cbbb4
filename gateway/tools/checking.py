"""Checks of this machine before the gateway starts: ports, devices and certificates of a configuration.

Nothing is opened that a meter, a client or another program would notice.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.config import Config
from gateway.config.meter import MeterConfig
from gateway.config.types import Listen, TlsConfig
from gateway.files.yaml_file import Document, Loc, Problem
from gateway.problems.problem import Problem as DeviceProblem
from gateway.problems.system import device_problem, listening_problem
from gateway.service.node_settings import tls_files
from gateway.transport.serial_device import holder_of, why_not_opened

RESOLVE_LIMIT_S = 5.0
OWN_NAME = "dsmr-gateway"
MODBUS_PORT, PASSTHROUGH_PORT, STATUS_PAGE_PORT = 5020, 2001, 8080
"""Ports to suggest where the configured port needs a permission."""
_LISTENS = {"tcp": "0A", "udp": "07"}
"""State of a socket that takes what comes, in /proc/net."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of the checks."""

    faults: list[Problem]
    running: str
    """`name (process id)` of a gateway that runs already and has a port or device of this configuration, or nothing."""


def check_machine(document: Document, config: Config, folder: Path) -> CheckReport:
    """Look whether this machine has what a configuration asks for; paths of certificates begin at `folder`."""
    faults: list[Problem] = []
    holders: list[str] = []
    for loc, address, transport, port in _addresses(config):
        fault, holder = _listening(document, loc, address, transport, port)
        faults += [fault] if fault else []
        holders.append(holder)
    for loc, device in _devices(config):
        fault, holder = _device(document, loc, device)
        faults += [fault] if fault else []
        holders.append(holder)
    for loc, host in _hosts(config):
        why = _resolve(host)
        if why:
            faults.append(document.fault(loc, f"{host} is not found ({why})", "Is the name right, and the network up?"))
    for loc, tls in _certificates(config):
        faults += _check_tls(document, loc, tls, folder)
    page = config.status_page
    if page and page.password_file:
        faults += _check_password(document, folder / page.password_file)
    return CheckReport(faults, next((holder for holder in holders if holder.startswith(OWN_NAME)), ""))


def _addresses(config: Config) -> Iterator[tuple[Loc, Listen, str, int]]:
    for index, server in enumerate(config.modbus):
        if server.serial is None:
            transport = "udp" if server.transport == "udp" else "tcp"
            yield ("modbus", index, "listen"), server.address, transport, MODBUS_PORT
    for index, passthrough in enumerate(config.passthrough):
        yield ("passthrough", index, "listen"), passthrough.listen, "tcp", PASSTHROUGH_PORT
    if config.status_page:
        yield ("status_page", "listen"), config.status_page.listen, "tcp", STATUS_PAGE_PORT


def _devices(config: Config) -> Iterator[tuple[Loc, str]]:
    for loc, meter in _meters(config):
        if not meter.simulate and not meter.host:
            yield (*loc, "port"), meter.device
    for index, server in enumerate(config.modbus):
        if server.serial:
            yield ("modbus", index, "serial", "port"), server.serial.port


def _hosts(config: Config) -> Iterator[tuple[Loc, str]]:
    return (((*loc, "host"), meter.host) for loc, meter in _meters(config) if meter.host and not meter.simulate)


def _meters(config: Config) -> Iterator[tuple[Loc, MeterConfig]]:
    return ((("meters", name) if config.meters else ("meter",), meter) for name, meter in config.all_meters().items())


def _certificates(config: Config) -> Iterator[tuple[Loc, TlsConfig]]:
    for index, server in enumerate(config.modbus):
        if server.tls:
            yield ("modbus", index, "tls"), server.tls
    for index, passthrough in enumerate(config.passthrough):
        if passthrough.tls:
            yield ("passthrough", index, "tls"), passthrough.tls


def _listening(document: Document, loc: Loc, address: Listen, transport: str, port: int) -> tuple[Problem | None, str]:
    try:
        _bind(address, transport)
    except OSError as error:
        holder = ""
        if error.errno == errno.EADDRINUSE:
            holder = listener_of(address.port, transport) or ""
            what = f"{address} is in use by {holder or 'another program'}"
            hint = "Stop that, or choose another port" if holder else "As root, ss -lntup shows which"
        else:
            problem = listening_problem(error, str(address), port=address.port, other_port=port)
            what, hint = problem.what, problem.hint
        if holder.startswith(OWN_NAME):
            return None, holder
        return document.fault(loc, what, hint), holder
    return None, ""


def _bind(address: Listen, transport: str) -> None:
    """Take a port for a moment, as asyncio would for a server."""
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    flags = socket.AI_PASSIVE
    for family, *_, where in socket.getaddrinfo(address.host or None, address.port, type=kind, flags=flags):
        with socket.socket(family, kind) as sock:
            if transport == "tcp":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(where)


def listener_of(port: int, transport: str) -> str | None:
    """`name (process id)` of a program that listens on a port, if that can be seen."""
    sockets = set()
    for table in (transport, f"{transport}6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text("ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS[transport] and int(fields[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{fields[9]}]")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(link.readlink()) in sockets:
                pid = link.parts[2]
                return f"{Path('/proc', pid, 'comm').read_text().strip()} (process {pid})"
    return None


def _device(document: Document, loc: Loc, device: str) -> tuple[Problem | None, str]:
    problem: DeviceProblem | None = None
    holder = ""
    try:
        mode = os.stat(device).st_mode  # noqa: PTH116 - what the configuration gives is not always a path
        if not stat.S_ISCHR(mode):
            problem = why_not_opened(OSError(errno.ENOTTY, ""), device)
        elif not os.access(device, os.R_OK | os.W_OK):
            problem = why_not_opened(OSError(errno.EACCES, ""), device)
        else:
            holder = holder_of(device) or ""
            if holder and not holder.startswith(OWN_NAME):
                problem = device_problem(OSError(errno.EBUSY, ""), holder=holder)
    except OSError as error:
        problem = why_not_opened(error, device)
    if problem is None:
        return None, holder
    return document.fault(loc, f"{device}: {problem.what}", problem.hint), holder


def _resolve(host: str) -> str:
    """Return the reason why a name has no address, or nothing."""
    trouble = [f"no answer within {RESOLVE_LIMIT_S:.0f} s"]

    def look_up() -> None:
        try:
            socket.getaddrinfo(host, None)
            trouble[0] = ""
        except OSError as error:
            trouble[0] = error.strerror or str(error)

    # A name server that does not answer holds up a thread, and not the end of the program.
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(RESOLVE_LIMIT_S)
    return trouble[0]


def _check_password(document: Document, path: Path) -> list[Problem]:
    from gateway.nodes.status_page.access import read_password  # noqa: PLC0415 - only where there is a page

    try:
        read_password(path)
    except OSError as error:
        words = f"{path}: {error.strerror}" if error.strerror else str(error)
        return [document.fault(("status_page", "password_file"), words)]
    return []


def _check_tls(document: Document, loc: Loc, config: TlsConfig, folder: Path) -> list[Problem]:
    from gateway.transport.tls import why_not_usable  # noqa: PLC0415 - only where there is TLS

    found = why_not_usable(tls_files(config, folder))
    return [document.fault((*loc, key), what, hint) for key, what, hint in found]

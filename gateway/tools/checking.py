"""Check what a configuration needs from this machine: files, ports, devices and host names.

Nothing is opened in a way that a meter, a client or another program would notice.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.config import Config
from gateway.config.meter import MeterConfig
from gateway.config.source import HOMEWIZARD
from gateway.config.types import CertificateConfig, Listen
from gateway.files.document import Document, Loc, dotted
from gateway.problems.problem import Problem, in_order
from gateway.problems.system import device_problem, file_problem, listening_problem
from gateway.runtime.clock import utc_now
from gateway.service.audit_log import audit_problem
from gateway.service.file_look import broker_files, certificates, look_at_files
from gateway.service.meter_files import key_files, shared_tokens, token_files
from gateway.service.node_settings import tls_files
from gateway.tools.host_names import unresolved
from gateway.tools.listening_programs import ListeningPrograms
from gateway.transport.secret_file import read_key, read_login, read_token
from gateway.transport.serial_device import holder_of, why_not_opened

OWN_NAME = "dsmr-gateway"
MODBUS_PORT, PASSTHROUGH_PORT, PUSH_PORT, STATUS_PAGE_PORT = 5020, 2001, 8082, 8080
"""Ports to suggest where the configured port needs a permission."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of the checks."""

    problems: list[Problem]
    running: str
    """`name (process id)` of a gateway that is running with a port or device of this configuration, or nothing."""


def check_files(document: Document, config: Config, folder: Path) -> list[Problem]:
    """Return the problems of the certificates and of the password; relative paths begin at `folder`."""
    problems: list[Problem] = []
    for loc, tls in certificates(config):
        problems += _check_tls(document, loc, tls, folder)
    problems += _check_meter_files(document, config, folder)
    for loc, key, path in broker_files(config, folder):
        from gateway.transport.client_tls import trust  # noqa: PLC0415 - only where there are brokers

        problems += _check_file(document, loc, path, trust if key == "ca" else read_login)
    if config.audit and (problem := audit_problem(config.audit, folder)):
        problems.append(problem.at(document.place(("audit",))))
    page = config.status_page
    if page and page.password_file:
        from gateway.nodes.status_page.access import read_password  # noqa: PLC0415 - only where there is a page

        loc = ("status_page", "password_file")
        problems += _check_file(document, loc, folder / page.password_file, read_password)
    return problems


def folder_warnings(document: Document, config: Config, folder: Path) -> Iterator[Problem]:
    """Yield that the folder for what a restart must not lose is missing; the gateway runs without it."""
    if config.state_dir and _is_missing(path := folder / config.state_dir):
        yield document.problem(("state_dir",), "no-such-folder", f"there is no folder {path}", f"Run: mkdir -p {path}")


def _is_missing(folder: Path) -> bool:
    try:
        return not folder.is_dir()
    except PermissionError:
        return False  # the user of the service may see it
    except OSError:
        return True


def file_warnings(config: Config, path: Path) -> list[Problem]:
    """Return what has to be done soon about files that can be used: certificates that expire, and rights of secrets."""
    warnings = look_at_files(config, path).warnings(utc_now())
    # An expired certificate is a problem already.
    return [warning for warning in warnings if warning.code != "certificate-expired"]


def check_machine(document: Document, config: Config) -> CheckReport:
    """Check that this machine has the ports, devices and names of a configuration."""
    problems: list[Problem] = []
    holders: list[str] = []
    programs = ListeningPrograms()
    for loc, address, transport, port in _addresses(config):
        problem, holder = _listening(document, loc, (address, transport, port), programs)
        problems += [problem] if problem else []
        holders.append(holder)
    taken: dict[str, Loc] = {}
    for loc, device in _devices(config):
        before = taken.setdefault(os.path.realpath(device), loc)
        if before != loc:
            what = f"{device} is the device of {dotted(before)} already"
            problems.append(document.problem(loc, "device-twice", what, "Each meter and each bus has its own device"))
            continue
        problem, holder = _device(document, loc, device)
        problems += [problem] if problem else []
        holders.append(holder)
    located = list(_hosts(config))
    reasons = unresolved(host for _, host in located)
    for loc, host in located:
        if host in reasons:
            what = f"the name {host} is not found ({reasons[host]})"
            problems.append(document.problem(loc, "name-not-found", what, "Is it correct, and is the network up?"))
    running = next((holder for holder in holders if holder.startswith(OWN_NAME)), "")
    return CheckReport(in_order(problems), running)


def _addresses(config: Config) -> Iterator[tuple[Loc, Listen, str, int]]:
    for index, server in enumerate(config.modbus):
        if server.serial is None:
            transport = "udp" if server.transport == "udp" else "tcp"
            yield ("modbus", index, "listen"), server.address, transport, MODBUS_PORT
    for index, passthrough in enumerate(config.passthrough):
        yield ("passthrough", index, "listen"), passthrough.listen, "tcp", PASSTHROUGH_PORT
    if config.push:
        yield ("push", "listen"), config.push.listen, "tcp", PUSH_PORT
    if config.status_page:
        yield ("status_page", "listen"), config.status_page.listen, "tcp", STATUS_PAGE_PORT


def _devices(config: Config) -> Iterator[tuple[Loc, str]]:
    for loc, meter in config.located_meters():
        if not meter.simulate and meter.is_serial:
            yield (*loc, "port"), meter.device
    for index, server in enumerate(config.modbus):
        if server.serial:
            yield ("modbus", index, "serial", "port"), server.serial.port


def _hosts(config: Config) -> Iterator[tuple[Loc, str]]:
    for loc, meter in config.located_meters():
        source = meter.parsed_source
        if not meter.simulate and (host := source.host if source else meter.host):
            yield (*loc, "source" if source else "host"), host
    for index, broker in enumerate(config.mqtt.addresses if config.mqtt else ()):
        yield ("mqtt", "brokers", index), broker.host


def _listening(
    document: Document, loc: Loc, place: tuple[Listen, str, int], programs: ListeningPrograms
) -> tuple[Problem | None, str]:
    """Return why an address cannot be listened on, and the program that listens on it."""
    address, transport, port = place
    try:
        _bind(address, transport)
    except OSError as error:
        problem = listening_problem(error, str(address), port=address.port, other_port=port).at(document.place(loc))
        if error.errno != errno.EADDRINUSE:
            return problem, ""
        holder = programs.of(address.port, transport) or ""
        if holder.startswith(OWN_NAME):
            return None, holder
        if holder:
            hint = "Stop that program, or choose another port"
            problem = replace(problem, what=f"{address} is in use by {holder}", hint=hint)
        return problem, holder
    return None, ""


def _bind(address: Listen, transport: str) -> None:
    """Bind a port for a moment, as asyncio does for a server."""
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    flags = socket.AI_PASSIVE
    for family, *_, where in socket.getaddrinfo(address.host or None, address.port, type=kind, flags=flags):
        with socket.socket(family, kind) as sock:
            if transport == "tcp":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(where)


def _device(document: Document, loc: Loc, device: str) -> tuple[Problem | None, str]:
    """Return why a serial device cannot be opened, and the program that has it open."""
    problem: Problem | None = None
    holder = ""
    try:
        mode = os.stat(device).st_mode  # noqa: PTH116 - what is configured is not always a path
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
    if problem:
        problem = replace(problem, place=document.place(loc), what=f"{device}: {problem.what}")
    return problem, holder


def _check_file(document: Document, loc: Loc, path: Path, read: Callable[[Path], object]) -> list[Problem]:
    """Return why `read` cannot use the file that is named at `loc`."""
    try:
        read(path)
    except OSError as error:
        problem = file_problem(error)
        return [replace(problem, place=document.place(loc), what=f"{path}: {problem.what}")]
    return []


def _check_meter_files(document: Document, config: Config, folder: Path) -> Iterator[Problem]:
    trusted: set[Path] = set()
    for loc, meter in config.located_meters():
        if meter.ca and meter.ca not in trusted:  # many meters may share it, and it takes long to load
            trusted.add(meter.ca)
            from gateway.transport.client_tls import trust  # noqa: PLC0415 - only where there is such a line

            yield from _check_file(document, (*loc, "ca"), folder / meter.ca, trust)
        if meter.password_file:
            yield from _check_file(document, (*loc, "password_file"), folder / meter.password_file, read_login)
        if meter.token_file and not meter.is_pushed:
            reader = _reader_of_token(meter)
            yield from _check_file(document, (*loc, "token_file"), folder / meter.token_file, reader)
    for loc, _, path in token_files(config, folder):
        yield from _check_file(document, loc, path, read_token)
    for loc, problem in shared_tokens(config, folder):
        yield problem.at(document.place(loc))
    for loc, _, path in key_files(config, folder):
        yield from _check_file(document, loc, path, read_key)


def _reader_of_token(meter: MeterConfig) -> Callable[[Path], object]:
    """Return the function that reads the token file of a meter as its line does."""
    if meter.parsed_source and meter.parsed_source.scheme == HOMEWIZARD:
        from gateway.lines.homewizard_identity import read_pairing  # noqa: PLC0415 - only where there is such a line

        return read_pairing
    from gateway.lines.http import read_bearer_token  # noqa: PLC0415 - only where there is such a line

    return read_bearer_token


def _check_tls(document: Document, loc: Loc, config: CertificateConfig, folder: Path) -> list[Problem]:
    from gateway.transport.tls_check import check_tls_files  # noqa: PLC0415 - only where there is TLS

    found = check_tls_files(tls_files(config, folder))
    return [problem.at(document.place((*loc, key))) for key, problem in found]

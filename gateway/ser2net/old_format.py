"""Reads ser2net.conf, with one line per port: `[address,]port:state:timeout:device:options`."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.problems.problem import MAX_PROBLEMS, Place, Problem, problem_of
from gateway.problems.quoting import cut, quoted
from gateway.ser2net.connection import MAX_CONNECTIONS, MODEM_LINES, OFF, XONXOFF, Ser2netConnection

_LINE = re.compile(
    r"(?:(?P<host>\[[^\]]*\]|[^,:\[\]]*(?:,[^,:\[\]]*)*),)?(?P<port>[0-9]{1,9}):(?P<state>\w+):(?P<timeout>[^:]*):"
    r"(?P<device>[^:]*):(?P<options>.*)"
)
_NO_PORT = re.compile(
    r"(?:BANNER|CONTROLPORT|DEFAULT|TRACEFILE|DEVICE|LED|ROTATOR"
    r"|OPENSTR|CLOSESTR|SIGNATURE)\b",
    re.IGNORECASE,
)
_SERIAL: dict[str, dict[str, object]] = {
    "EVEN": {"parity": "E"},
    "ODD": {"parity": "O"},
    "NONE": {"parity": "N"},
    "1STOPBIT": {"stopbits": 1},
    "2STOPBITS": {"stopbits": 2},
    "7DATABITS": {"bytesize": 7},
    "8DATABITS": {"bytesize": 8},
}
_SILENT = {"-XONXOFF", "-RTSCTS", "NOBREAK", "-NOBREAK", "REMCTL"}
"""Options that match the gateway's behaviour and need no comment."""


def read_old_format(text: str, file: str) -> tuple[list[Ser2netConnection], list[Problem]]:
    """Return the ports of a ser2net.conf, and its problems."""
    connections: list[Ser2netConnection] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        if not entry or entry.startswith("#") or _NO_PORT.match(entry):
            continue
        if len(connections) >= MAX_CONNECTIONS:
            problems.append(_invalid(f"more than {MAX_CONNECTIONS} ports").at(Place(file, number, 1)))
        if len(problems) > MAX_PROBLEMS or len(connections) >= MAX_CONNECTIONS:
            break
        match = _LINE.fullmatch(entry)
        connection = Ser2netConnection(number, entry)
        problem = _invalid("this is not port:state:timeout:device:options") if match is None else None
        if match:
            problem = _take(connection, match)
        if problem:
            column = 1 + len(line) - len(line.lstrip())
            problems.append(problem.at(Place(file, number, column, cut(entry.partition(":")[0]))))
        else:
            connections.append(connection)
    return connections, problems


def _invalid(what: str) -> Problem:
    return problem_of("invalid-ser2net-line", what, "See ser2net.conf(5) of ser2net 3")


def _take(connection: Ser2netConnection, match: re.Match[str]) -> Problem | None:
    """Set the connection from a line; return its problem, or None."""
    connection.host = (match["host"] or "").rpartition(",")[2].strip("[]")
    connection.port, connection.device = int(match["port"]), match["device"]
    if not 0 < connection.port < 65536:
        return _invalid(f"{connection.port} is not a TCP port")
    if not connection.device.startswith("/"):
        return _invalid(f"{quoted(connection.device)} is not a device")
    state = match["state"].lower()
    if state not in ("raw", "rawlp", "telnet", "off"):
        return _invalid(f"{quoted(match['state'])} is not one of raw, rawlp, telnet, off")
    connection.is_on = state != "off"
    if state == "off":
        connection.note(OFF)
    if state == "telnet":
        connection.take_telnet(has_settings="remctl" in match["options"].lower().split())
    if not connection.take_timeout(match["timeout"].strip() or "0"):
        return _invalid(f"{quoted(match['timeout'])} is not a number of seconds")
    for option in match["options"].split():
        _take_option(connection, option)
    return None


def _take_option(connection: Ser2netConnection, option: str) -> None:
    key, _, value = option.partition("=")
    takers: dict[str, Callable[[str], bool]] = {"max-connections": connection.take_max_connections}
    if option.upper() in _SERIAL:
        connection.serial |= _SERIAL[option.upper()]
    elif option.upper() == "XONXOFF":
        connection.note(XONXOFF)
    elif option.upper() == "LOCAL":
        connection.note(MODEM_LINES)
    elif option.lower() == "kickolduser":
        connection.passthrough["kick_oldest"] = True
    elif not (option.upper() in _SILENT or connection.take_speed(option) or (key in takers and takers[key](value))):
        connection.note(f"{option} is dropped: the gateway has no such option")

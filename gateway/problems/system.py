"""Errors of the operating system as problems: opening a serial device, connecting, listening, reading a file."""

from __future__ import annotations

import errno
import socket

from gateway.problems.problem import HERE, Place, Problem, ProblemError, first_that_fits, problem_of

_LOOK = "Look in /dev/serial/by-id"


def reason_of(error: OSError) -> str:
    """Return the system's own text of an error."""
    return error.strerror or str(error)


def device_problem(error: OSError, *, group: str = "dialout", holder: str | None = None) -> Problem:
    """Return why a serial device cannot be opened.

    Args:
        error: the error of the attempt.
        group: the group whose members may open the device.
        holder: `name (process id)` of the process that has the device open, if known.

    """
    match error.errno:
        case errno.ENOENT:
            return problem_of("no-such-device", "no such device", f"Is the cable plugged in? {_LOOK}")
        case errno.EACCES:
            hint = (
                f"Add the user to the group {group} (usermod -aG {group} USER), then log in again."
                f" For a systemd service, set SupplementaryGroups={group}"
            )
            return problem_of("device-not-permitted", "no permission to open it", hint, short="no permission to open")
        case errno.EPERM:  # a list of devices forbids it; the rights of its file would give EACCES
            what = "this service may not use the device, even if its user may"
            hint = "Allow it with DeviceAllow= in the systemd unit, or under devices: of the container"
            return problem_of("device-not-allowed", what, hint, short="not allowed for this service")
        case errno.ENOTTY | errno.EISDIR:
            return problem_of("not-a-serial-device", "not a serial device", _LOOK)
        case errno.EBUSY | errno.EAGAIN:
            what = f"in use by {holder or 'another process'}"
            short = first_that_fits(what, "in use by another process")
            return problem_of("device-in-use", what, short=short, holder=holder or "another process")
    return problem_of("device-failed", reason_of(error), reason=reason_of(error))


def connection_problem(error: OSError) -> Problem:
    """Return why a TCP connection cannot be made."""
    if isinstance(error, socket.gaierror):
        what = f"the name is not found ({error.strerror})"
        return problem_of("name-not-found", what, "Is it correct, and is the network up?", short="name not found")
    match error.errno:
        case errno.ECONNREFUSED:
            what = "the connection is refused: no program listens there"
            return problem_of("connection-refused", what, "Is the port correct, and is the ser2net running?")
        case errno.EHOSTUNREACH:
            hint = "Is the address right, and is the host on?"
            return problem_of("no-route-to-host", "there is no route to the host", hint)
        case errno.ENETUNREACH:
            hint = "Is the address right, and is the network up?"
            return problem_of("no-route-to-network", "there is no route to the network", hint)
    return problem_of("connection-failed", reason_of(error), reason=reason_of(error))


def connection_timeout(limit_s: float) -> Problem:
    """Return that no TCP connection was made within `limit_s` seconds."""
    what = f"no connection within {limit_s:.0f} s"
    return problem_of("connection-timeout", what, "Is the host on?", short=what, seconds=round(limit_s))


def name_server_timeout(limit_s: float) -> Problem:
    """Return that no address of a host was found within `limit_s` seconds."""
    what = f"no name server has responded within {limit_s:.0f} s"
    hint = "Does the first name server of this machine work? See resolvectl status, or /etc/resolv.conf"
    return problem_of("name-server-timeout", what, hint, short="no response of a name server")


def listening_problem(error: OSError, where: str, *, port: int, other_port: int) -> Problem:
    """Return why the gateway cannot listen.

    Args:
        error: the error of the attempt.
        where: the address and the port.
        port: the number of the port.
        other_port: a port that needs no permission, to suggest.

    """
    match error.errno:
        case errno.EACCES | errno.EPERM:
            what = f"no permission to listen on {where}: ports below 1024 are reserved"
            hint = (
                f"Choose another port such as {other_port}, or allow it with setcap cap_net_bind_service=+ep on python,"
                " AmbientCapabilities=CAP_NET_BIND_SERVICE in systemd, or sysctl net.ipv4.ip_unprivileged_port_start="
                f"{port}"
            )
            return problem_of("port-not-permitted", what, hint, short=f"no permission for port {port}", port=port)
        case errno.EADDRINUSE:
            what = f"{where} is in use by another program"
            hint = "As root, ss -lntup shows which. Stop that program, or choose another port"
            return problem_of("port-in-use", what, hint, short=f"port {port} in use", port=port)
        case errno.EADDRNOTAVAIL:
            what = f"{where} is not an address of this machine"
            return problem_of("not-an-address-of-this-machine", what, "The command `ip address` shows its addresses")
    what = f"cannot listen on {where}: {reason_of(error)}"
    short = f"cannot listen on port {port}"
    return problem_of("cannot-listen", what, short=short, port=port, reason=reason_of(error))


def file_problem(error: OSError, place: Place = HERE) -> Problem:
    """Return why a file cannot be read; `place` is the file, or the place that names it."""
    if isinstance(error, ProblemError):
        return error.problem.at(place)
    match error.errno:
        case errno.ENOENT:
            hint = "Check the name, and the folder that it begins in"
            return problem_of("no-such-file", "no such file", hint, place=place)
        case errno.EISDIR:
            return problem_of("not-a-file", "this is a folder", "Give a file in it", place=place)
        case errno.EACCES:
            what = "the user of this program may not read it"
            hint = "See ls -l, and allow it with chmod or chown"
            return problem_of("file-not-permitted", what, hint, short="no permission to read it", place=place)
    return problem_of("file-not-readable", reason_of(error), place=place, reason=reason_of(error))

"""Errors of the operating system as problems."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from gateway.problems.problem import MAX_SHORT_CHARACTERS, Place, Problem
from gateway.problems.system import (
    connection_problem,
    connection_timeout,
    device_problem,
    file_problem,
    listening_problem,
)

ERRORS = [OSError(code, os.strerror(code)) for code in sorted(errno.errorcode)]


def all_problems() -> list[Problem]:
    """Return the problem of each error number, of each kind."""
    longest = "a-program-with-a-long-name-of-its-own (process 4194304)"
    return [
        *(device_problem(error, group="dialout", holder=holder) for error in ERRORS for holder in (None, longest)),
        *(connection_problem(error) for error in [*ERRORS, socket.gaierror(-2, "Name or service not known")]),
        *(listening_problem(error, "[2001:db8::7:6:5]:65535", port=65_535, other_port=5020) for error in ERRORS),
        *(file_problem(error) for error in ERRORS),
        connection_timeout(10),
    ]


def test_each_short_text_fits_under_a_node_and_is_a_whole_phrase() -> None:
    for problem in all_problems():
        assert 0 < len(problem.short) <= MAX_SHORT_CHARACTERS, problem
        assert problem.short[-1].isalnum(), problem


def test_each_code_is_lower_case_words_with_hyphens() -> None:
    for problem in all_problems():
        assert all(part.isalpha() and part.islower() for part in problem.code.split("-")), problem


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (errno.ENOENT, "no-such-device", "no such device. Is the cable plugged in? Look in /dev/serial/by-id"),
        (errno.EACCES, "device-not-permitted", "Add the user to the group tty (usermod -aG tty USER)"),
        (errno.EACCES, "device-not-permitted", "For a systemd service, set SupplementaryGroups=tty"),
        (errno.EPERM, "device-not-allowed", "may not use the device, even if its user may. Allow it with DeviceAllow="),
        (errno.ENOTTY, "not-a-serial-device", "not a serial device. Look in /dev/serial/by-id"),
        (errno.EBUSY, "device-in-use", "in use by another process"),
        (errno.EIO, "device-failed", "Input/output error"),
    ],
)
def test_a_device_that_cannot_be_opened(number: int, code: str, text: str) -> None:
    problem = device_problem(OSError(number, os.strerror(number)), group="tty", holder=None)
    assert problem.code == code
    assert text in str(problem)


def test_the_process_that_has_a_device_open_is_named_where_it_fits() -> None:
    busy = OSError(errno.EBUSY, "busy")
    assert device_problem(busy, group="tty", holder="ser2net (process 812)").short == "in use by ser2net (process 812)"
    long = device_problem(busy, group="tty", holder="a-program-with-a-long-name (process 812)")
    assert long.short == "in use by another process"
    assert long.what == "in use by a-program-with-a-long-name (process 812)"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (socket.gaierror(-2, "Name or service not known"), "name-not-found"),
        (OSError(errno.ECONNREFUSED, "refused"), "connection-refused"),
        (OSError(errno.EHOSTUNREACH, "no route"), "no-route-to-host"),
        (OSError(errno.ENETUNREACH, "no route"), "no-route-to-network"),
        (OSError("reset"), "connection-failed"),
    ],
)
def test_a_connection_that_cannot_be_made(error: OSError, code: str) -> None:
    assert connection_problem(error).code == code


@pytest.mark.parametrize(
    ("number", "code", "short"),
    [
        (errno.EADDRINUSE, "port-in-use", "port 502 in use"),
        (errno.EACCES, "port-not-permitted", "no permission for port 502"),
        (errno.EADDRNOTAVAIL, "not-an-address-of-this-machine", "not an address of this machine"),
        (errno.ENOBUFS, "cannot-listen", "cannot listen on port 502"),
    ],
)
def test_a_port_that_cannot_be_listened_on(number: int, code: str, short: str) -> None:
    problem = listening_problem(OSError(number, os.strerror(number)), "*:502", port=502, other_port=5020)
    assert (problem.code, problem.short) == (code, short)
    assert "*:502" in problem.what


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOENT, "a.yaml: no such file. Check the name, and the folder that it begins in"),
        (errno.EISDIR, "a.yaml: this is a folder. Give a file in it"),
        (errno.EACCES, "a.yaml: the user of this program may not read it. See ls -l, and allow it with chmod or chown"),
        (errno.EIO, "a.yaml: Input/output error"),
    ],
)
def test_a_file_that_cannot_be_read(number: int, text: str) -> None:
    assert str(file_problem(OSError(number, os.strerror(number)), Place("a.yaml"))) == text

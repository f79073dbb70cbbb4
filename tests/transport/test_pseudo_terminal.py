"""A pseudo terminal as a serial line: whoever opens it gets what comes then, and nothing old."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import termios
from pathlib import Path

import pytest

from gateway.transport.pseudo_terminal import PseudoTerminal
from gateway.transport.serial_device import holder_of

TIOCGEXCL = 0x80045440
"""Request for the lock of a terminal (Linux 3.8), which `termios` does not name."""


@pytest.fixture
async def terminal() -> PseudoTerminal:
    line = PseudoTerminal()
    closed = await line.open(lambda _data: None)
    assert not closed.done()
    return line


async def test_who_opens_it_gets_what_is_written_from_then_on(terminal: PseudoTerminal) -> None:
    assert holder_of(terminal.device) is None
    assert not terminal.write(b"nobody is there")
    reader = os.open(terminal.device, os.O_RDONLY | os.O_NOCTTY)
    assert terminal.write(b"/SIM5\r\n\x11\x13\xff")
    assert os.read(reader, 100) == b"/SIM5\r\n\x11\x13\xff"
    os.close(reader)
    assert not terminal.write(b"nobody is there any more")
    terminal.close()


async def test_a_reader_that_takes_nothing_holds_nobody_up(terminal: PseudoTerminal) -> None:
    reader = os.open(terminal.device, os.O_RDONLY | os.O_NOCTTY)
    written = [terminal.write(b"x" * 1000) for _ in range(100)]
    assert written[0]
    assert not written[-1]
    assert select.select([reader], [], [], 0)[0]
    os.close(reader)
    terminal.close()


async def test_a_reader_that_has_locked_it_does_not_keep_it(
    terminal: PseudoTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = os.open(terminal.device, os.O_RDONLY | os.O_NOCTTY)
    fcntl.ioctl(reader, termios.TIOCEXCL)
    os.close(reader)
    if os.geteuid() == 0:
        # Root opens it all the same, and unlocks it. Another user gets EBUSY, and the device is made again.
        terminal.write(b"nobody is there")
        assert not is_locked(terminal.device)
    opened, device = os.open, terminal.device

    def refuse(path: str, flags: int) -> int:
        if path == device:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return opened(path, flags)

    monkeypatch.setattr(os, "open", refuse)
    terminal.write(b"nobody is there")
    monkeypatch.undo()
    assert not is_locked(terminal.device)
    reader = os.open(terminal.device, os.O_RDONLY | os.O_NOCTTY)
    assert terminal.write(b"/SIM5\r\n")
    assert os.read(reader, 100) == b"/SIM5\r\n"
    os.close(reader)
    terminal.close()


def is_locked(device: str) -> bool:
    slave = os.open(device, os.O_RDWR | os.O_NOCTTY)
    flag = bytearray(4)
    fcntl.ioctl(slave, TIOCGEXCL, flag)
    os.close(slave)
    return any(flag)


def is_there(device: str) -> bool:
    return Path(device).exists()


async def test_it_is_gone_when_closed_and_stays_so(terminal: PseudoTerminal) -> None:
    assert is_there(terminal.device)
    terminal.close()
    terminal.close()
    assert not is_there(terminal.device)
    assert not terminal.write(b"gone")

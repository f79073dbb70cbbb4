"""A pseudo terminal as a serial line: whoever opens it gets what comes then, and nothing old."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from gateway.transport.pseudo_terminal import PseudoTerminal
from gateway.transport.serial_device import holder_of


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


def is_there(device: str) -> bool:
    return Path(device).exists()


async def test_it_is_gone_when_closed_and_stays_so(terminal: PseudoTerminal) -> None:
    assert is_there(terminal.device)
    terminal.close()
    terminal.close()
    assert not is_there(terminal.device)
    assert not terminal.write(b"gone")

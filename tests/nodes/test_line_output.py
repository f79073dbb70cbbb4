"""A line output writes what it gets, and waits for a line that is not there."""

from __future__ import annotations

import asyncio
import os
import tty

import pytest

from gateway.lines.serial import SerialLine
from gateway.nodes.line_output import LineOutput
from gateway.protocol.p1.variants import FAST_LINE
from gateway.runtime.clock import now
from tests.waiting import until

LIMIT_S = 60.0


async def test_it_writes_to_a_serial_device_and_says_so() -> None:
    far, near = os.openpty()
    tty.setraw(near)
    device = os.ttyname(near)
    node = LineOutput("output", device, SerialLine(device, FAST_LINE))
    node.receive(b"too early", now())
    task = asyncio.create_task(node.run())
    await until(node.ready.is_set)
    assert str(node.status) == f"green dot: {device}"
    node.receive(b"/SIM5\r\n", now())
    assert await asyncio.to_thread(os.read, far, 100) == b"/SIM5\r\n"
    assert node.details() == {"line": device, "pieces_dropped": 1}
    os.close(near)
    os.close(far)
    with pytest.raises(OSError, match="was closed"):
        await asyncio.wait_for(task, LIMIT_S)
    node.receive(b"too late", now())
    assert node.dropped == 2


async def test_a_missing_device_is_reported_with_what_to_do() -> None:
    node = LineOutput("output", "/dev/no-such", SerialLine("/dev/no-such", FAST_LINE))
    with pytest.raises(OSError, match=r"/dev/no-such: no such device. Is the cable plugged in"):
        await node.run()
    assert str(node.status).startswith("red ring: no such device")

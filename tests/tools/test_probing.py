"""Listening to a P1 port: which ports are tried, and when enough has come."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.lines.line import Line, Receive
from gateway.tools.probing import MAX_REFUSED, probe, serial_ports
from tests.waiting import LIMIT_S


def test_serial_ports_are_named_so_that_the_name_stays(tmp_path: Path) -> None:
    assert serial_ports(tmp_path) == []
    for name in ("ttyUSB1", "ttyUSB0", "ttyAMA0", "ttyS0", "null"):
        (tmp_path / name).touch()
    assert [Path(port).name for port in serial_ports(tmp_path)] == ["ttyAMA0", "ttyUSB0", "ttyUSB1"]
    by_id = tmp_path / "serial" / "by-id"
    by_id.mkdir(parents=True)
    (by_id / "usb-FTDI_P1-port0").symlink_to("../../ttyUSB0")
    assert [Path(port).name for port in serial_ports(tmp_path)] == ["usb-FTDI_P1-port0", "ttyAMA0", "ttyUSB1"]


class Flood(Line):
    """A line over which the same bytes come without end, as fast as they are taken."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        self._sending = asyncio.create_task(self._send(receive))
        return asyncio.get_running_loop().create_future()

    async def _send(self, receive: Receive) -> None:
        while True:
            receive(self._data)
            await asyncio.sleep(0)

    def close(self) -> None:
        self._sending.cancel()


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"Welcome to a port\r\n" * 100, "not-a-telegram"), (b"/KFM5\r\n\r\n!0000\r\n", "telegrams-refused")],
)
async def test_a_source_that_sends_without_end_is_left_long_before_the_time_is_over(data: bytes, code: str) -> None:
    async with asyncio.timeout(LIMIT_S):
        (result,) = await probe([("flood", Flood(data))], listen_s=10 * LIMIT_S)
    assert result.problem
    assert result.problem.code == code
    assert len(result.refused) <= MAX_REFUSED

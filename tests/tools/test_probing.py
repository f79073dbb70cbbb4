"""Listening to a P1 port: which ports are tried."""

from __future__ import annotations

from pathlib import Path

from gateway.tools.probing import serial_ports


def test_serial_ports_are_named_so_that_the_name_stays(tmp_path: Path) -> None:
    assert serial_ports(tmp_path) == []
    for name in ("ttyUSB1", "ttyUSB0", "ttyAMA0", "ttyS0", "null"):
        (tmp_path / name).touch()
    assert [Path(port).name for port in serial_ports(tmp_path)] == ["ttyAMA0", "ttyUSB0", "ttyUSB1"]
    by_id = tmp_path / "serial" / "by-id"
    by_id.mkdir(parents=True)
    (by_id / "usb-FTDI_P1-port0").touch()
    assert serial_ports(tmp_path) == [str(by_id / "usb-FTDI_P1-port0")]

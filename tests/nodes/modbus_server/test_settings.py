"""The settings of a server, as text, name what it opens."""

from __future__ import annotations

from gateway.nodes.modbus_server import SerialPort, ServerSettings, Transport
from gateway.protocol.p1.variants import SerialSettings


def test_a_port_is_named_by_its_number_and_with_its_address() -> None:
    everywhere = ServerSettings(Transport.TCP, port=502)
    assert str(everywhere).endswith(":502")
    assert str(ServerSettings(Transport.UDP, "192.0.2.1", 5020)) == "192.0.2.1:5020"


def test_a_serial_line_is_named_by_its_device_and_settings() -> None:
    line = SerialSettings(9600, 8, "E", 1)
    settings = ServerSettings(Transport.SERIAL, serial=SerialPort("/dev/ttyUSB0", line))
    assert str(settings) == f"/dev/ttyUSB0 {line}"

"""Modbus server: serves units over TCP, TLS, UDP or a serial line.

pymodbus opens the listener and keeps the list of connections (`listeners`). The connections themselves are written
here (`connections`): those of pymodbus lose requests that arrive together, respond with wrong exception codes, and
stop responding after one bad header.
"""

from gateway.nodes.modbus_server.node import ModbusServer
from gateway.nodes.modbus_server.settings import SerialPort, ServerSettings, Transport

__all__ = ["ModbusServer", "SerialPort", "ServerSettings", "Transport"]

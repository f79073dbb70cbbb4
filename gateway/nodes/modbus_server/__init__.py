"""Modbus server: serves units over TCP, TLS, UDP or a serial line.

pymodbus listens and keeps the connections (`listeners`); the connections themselves are ours (`connections`),
because stock pymodbus loses requests that come together, answers with wrong codes and can be wedged by one
bad header.
"""

from gateway.nodes.modbus_server.node import ModbusServer
from gateway.nodes.modbus_server.settings import SerialPort, ServerSettings, Transport

__all__ = ["ModbusServer", "SerialPort", "ServerSettings", "Transport"]

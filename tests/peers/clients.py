"""Modbus clients that others wrote, all put to the same use: questions in, registers or exception codes out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import modbus_tk.modbus
import umodbus.exceptions
from modbus_tk.modbus_rtu_over_tcp import RtuOverTcpMaster
from modbus_tk.modbus_tcp import TcpMaster
from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient, ModbusTlsClient, ModbusUdpClient
from umodbus.client import tcp as umodbus_tcp

from tests.certificates import client_context
from tests.conftest import program
from tests.peers.npm import packages

READ_HOLDING, READ_INPUT, WRITE_SINGLE = 3, 4, 6
LIMIT_S = 60
NPM = ("modbus-serial@8.0.25", "jsmodbus@4.0.10")


class Question(NamedTuple):
    """One request."""

    unit: int
    function: int
    address: int
    count: int
    """Of registers; for a write, its value."""


Result = list[int] | int
"""Registers, or an exception code."""


class Server(NamedTuple):
    """Where a client finds the server."""

    port: int
    folder: Path
    """Where its certificates lie."""


Ask = Callable[[Server, Sequence[Question]], list[Result]]


def ask_umodbus(server: Server, questions: Sequence[Question]) -> list[Result]:
    """UModbus over TCP."""
    makers = {
        READ_HOLDING: umodbus_tcp.read_holding_registers,
        READ_INPUT: umodbus_tcp.read_input_registers,
        WRITE_SINGLE: umodbus_tcp.write_single_register,
    }
    results: list[Result] = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as sock:
        for unit, function, address, count in questions:
            try:
                values = umodbus_tcp.send_message(makers[function](unit, address, count), sock)
                results.append(values if isinstance(values, list) else [values])
            except umodbus.exceptions.ModbusError as error:
                results.append(error.error_code)
    return results


def _modbus_tk(kind: Callable[..., Any]) -> Ask:
    def ask(server: Server, questions: Sequence[Question]) -> list[Result]:
        client = kind("127.0.0.1", server.port, timeout_in_sec=LIMIT_S)
        results: list[Result] = []
        for unit, function, address, count in questions:
            of_write = {"output_value": count} if function == WRITE_SINGLE else {}
            try:
                values = client.execute(unit, function, address, 0 if of_write else count, **of_write)
                results.append(list(values))
            except modbus_tk.modbus.ModbusError as error:
                results.append(error.get_exception_code())
        client.close()
        return results

    return ask


def _pymodbus(connect: Callable[[Server], Any]) -> Ask:
    def ask(server: Server, questions: Sequence[Question]) -> list[Result]:
        client = connect(server)
        assert client.connect()
        calls = {
            READ_HOLDING: lambda unit, address, count: client.read_holding_registers(
                address, count=count, device_id=unit
            ),
            READ_INPUT: lambda unit, address, count: client.read_input_registers(address, count=count, device_id=unit),
            WRITE_SINGLE: lambda unit, address, count: client.write_register(address, count, device_id=unit),
        }
        results: list[Result] = []
        for unit, function, address, count in questions:
            answer = calls[function](unit, address, count)
            results.append(answer.exception_code if answer.isError() else answer.registers)
        client.close()
        return results

    return ask


def _node(library: str) -> Ask:
    def ask(server: Server, questions: Sequence[Question]) -> list[Result]:
        modules = packages(*NPM)
        script = Path(__file__).with_name("node_client.js")
        command = [program("node"), script, library, str(server.port), json.dumps(questions)]
        result = subprocess.run(
            command,
            env={**os.environ, "NODE_PATH": str(modules)},
            capture_output=True,
            text=True,
            timeout=6 * LIMIT_S,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return [
            answer["exception"] if "exception" in answer else answer.get("registers", [answer.get("written")])
            for answer in json.loads(result.stdout)
        ]

    return ask


CLIENTS: dict[str, tuple[str, Ask]] = {
    "uModbus": ("tcp", ask_umodbus),
    "modbus-tk": ("tcp", _modbus_tk(TcpMaster)),
    "modbus-tk rtu": ("rtu_over_tcp", _modbus_tk(RtuOverTcpMaster)),
    "pymodbus": ("tcp", _pymodbus(lambda server: ModbusTcpClient("127.0.0.1", port=server.port))),
    "pymodbus rtu": (
        "rtu_over_tcp",
        _pymodbus(lambda server: ModbusTcpClient("127.0.0.1", port=server.port, framer=FramerType.RTU)),
    ),
    "pymodbus udp": ("udp", _pymodbus(lambda server: ModbusUdpClient("127.0.0.1", port=server.port))),
    "pymodbus tls": (
        "tls",
        _pymodbus(lambda server: ModbusTlsClient("127.0.0.1", port=server.port, sslctx=client_context(server.folder))),
    ),
    "modbus-serial": ("tcp", _node("modbus-serial")),
    "modbus-serial rtu": ("rtu_over_tcp", _node("modbus-serial rtu")),
    "jsmodbus": ("tcp", _node("jsmodbus")),
}
"""Name → the transport it speaks, and how it asks."""

"""Modbus client that reads all registers of a map from a server, such as a gateway or a real meter.

pymodbus logs the bytes of what it cannot read. The results say in words what is wrong, so its log is switched off.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field

from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient, ModbusUdpClient
from pymodbus.exceptions import ModbusException, ModbusIOException

from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.modbus.read_plan import read_plan
from gateway.protocol.registers.register_map import RegisterMap
from gateway.transport.addresses import place_of

TIMEOUT_S = 3.0
EXCEPTIONS = {
    1: "illegal function: the server does not read registers with this function code",
    2: "illegal data address: the server has no registers there. Is it the right map?",
    3: "illegal data value",
    4: "server device failure",
    6: "server device busy: ask again later",
    10: "gateway path unavailable: this unit id is not configured",
    11: "gateway target device failed to respond: the meter is offline",
}
"""Name of each exception code (Modbus V1.1b3, 7), with its usual cause."""


@dataclass(slots=True)
class ReadResult:
    """The registers that a server returned, and the problems of the requests that failed."""

    registers: dict[str, bytes] = field(default_factory=dict)
    """Bytes of each register, by its name. One that could not be read, or is not served while absent, has no entry."""
    failures: dict[str, list[str]] = field(default_factory=dict)
    """Reason → the addresses of the requests that failed for it."""
    missing: int = 0
    """Number of requests for registers that the server does not have."""

    @property
    def problems(self) -> list[str]:
        """The reasons of the failures, each with the addresses that it concerns."""
        return [f"{', '.join(places)}: {reason}" for reason, places in self.failures.items()]

    def fail(self, place: str, reason: str) -> None:
        """Add a failed request for the registers at `place`."""
        self.failures.setdefault(reason, []).append(place)


class ReadingClient:
    """A connection to one unit of a server."""

    def __init__(self, host: str, port: int, unit_id: int, transport: str = "tcp") -> None:
        """Prepare the connection; `transport` is `tcp`, `rtu_over_tcp` or `udp`."""
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
        kind = ModbusUdpClient if transport == "udp" else ModbusTcpClient
        framer = FramerType.RTU if transport == "rtu_over_tcp" else FramerType.SOCKET
        self._client = kind(host, port=port, framer=framer, timeout=TIMEOUT_S, retries=0)
        self._unit_id = unit_id
        self._where = place_of(host, port)

    def connect(self) -> None:
        """Open the connection.

        Raises:
            ConnectionError: there is no server.

        """
        try:
            is_connected = self._client.connect()  # type: ignore[no-untyped-call]
        except UnicodeError:  # raised by Python for a name that cannot be a host name
            is_connected = False
        if not is_connected:
            raise ConnectionError(f"no server on {self._where}. Is the gateway running, and is the port correct?")

    def read(self, register_map: RegisterMap) -> ReadResult:
        """Read all registers of a map; a request that fails becomes a problem of the result.

        A request that fails because a register in it is absent is sent again in halves, down to that register.
        """
        result = ReadResult()
        requests = deque(read_plan(register_map, register_map.registers))
        while requests:
            request = requests.popleft()
            is_holding = register_map.function_code_of(request[0]) == 3
            send = self._client.read_holding_registers if is_holding else self._client.read_input_registers
            first, end = request[0].address, request[-1].end
            count, where = end - first, f"{first} to {end - 1}"
            try:
                response = send(first, count=count, device_id=self._unit_id)
            except (ModbusException, OSError) as error:
                result.fail(where, self._failure(error))
                self._client.connect()  # type: ignore[no-untyped-call]
                continue
            code = response.exception_code if response.isError() else 0
            if code == ExceptionCode.SERVER_DEVICE_FAILURE and any(each.refuses_absent for each in request):
                middle = len(request) // 2
                requests.extendleft(part for part in (request[middle:], request[:middle]) if len(request) > 1)
                continue
            if code:
                meaning = f", {EXCEPTIONS[code]}" if code in EXCEPTIONS else ""
                result.missing += code == ExceptionCode.ILLEGAL_DATA_ADDRESS
                result.fail(where, f"exception 0x{code:02X}{meaning}")
                continue
            if len(response.registers) != count:
                result.fail(where, f"{len(response.registers)} registers in the response instead of {count}")
                continue
            data = b"".join(word.to_bytes(2, "big") for word in response.registers)
            for register in request:
                start = 2 * (register.address - first)
                result.registers[register.name] = data[start : start + 2 * register.length]
        return result

    def _failure(self, error: Exception) -> str:
        """Return why a request has no response."""
        is_late = isinstance(error, ModbusIOException)
        what = f"no response within {TIMEOUT_S:.0f} s" if is_late else "the server closed the connection"
        return f"{what}. Is {self._where} a Modbus server, and does it serve unit {self._unit_id}?"

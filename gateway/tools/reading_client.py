"""Reads a server, any gateway or a real meter, with a register map."""

from __future__ import annotations

from dataclasses import dataclass, field

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from gateway.protocol.modbus.read_plan import read_plan
from gateway.protocol.registers.register_map import RegisterMap

TIMEOUT_S = 3.0
WHAT_IT_MEANS = {
    1: "illegal function: it does not read registers this way",
    2: "illegal data address: there is nothing; is it the right map?",
    3: "illegal data value",
    4: "server device failure",
    10: "gateway path unavailable: nothing is wired to this unit id",
    11: "gateway target device failed to respond: the meter is silent",
}
"""Exception code → the words for it (Modbus V1.1b3, 7), and what it mostly comes from."""


@dataclass(slots=True)
class ReadResult:
    """What a server said."""

    words: dict[str, bytes | None] = field(default_factory=dict)
    """Register by name → its bytes, None where it could not be read."""
    troubles: list[str] = field(default_factory=list)


class ReadingClient:
    """A connection to a server."""

    def __init__(self, host: str, port: int, unit_id: int) -> None:
        self._client = ModbusTcpClient(host, port=port, timeout=TIMEOUT_S, retries=0)
        self._unit_id = unit_id
        self._where = f"{host}:{port}"

    def connect(self) -> None:
        """Connect.

        Raises:
            ConnectionError: nothing answers there.

        """
        try:
            is_connected = self._client.connect()  # type: ignore[no-untyped-call]
        except UnicodeError:  # what Python says of a name that it cannot look up
            is_connected = False
        if not is_connected:
            raise ConnectionError(f"nothing answers on {self._where}; is the gateway running, and is it that port?")

    def read(self, register_map: RegisterMap) -> ReadResult:
        """Read all registers of a map."""
        answer = ReadResult()
        ask = self._client.read_holding_registers
        if 3 not in register_map.function_codes:
            ask = self._client.read_input_registers
        for request in read_plan(register_map, register_map.registers):
            first, end = request[0].address, request[-1].end
            count, where = end - first, f"{first} to {end - 1}"
            try:
                got = ask(first, count=count, device_id=self._unit_id)
            except ModbusException as error:
                answer.troubles.append(f"{where}: no answer ({error})")
                self._client.connect()  # type: ignore[no-untyped-call]
                continue
            if got.isError():
                meaning = WHAT_IT_MEANS.get(got.exception_code, "")
                answer.troubles.append(f"{where}: exception 0x{got.exception_code:02X}, {meaning}")
                continue
            if len(got.registers) != count:
                answer.troubles.append(f"{where}: {len(got.registers)} registers came for {count}")
                continue
            data = b"".join(word.to_bytes(2, "big") for word in got.registers)
            for register in request:
                start = 2 * (register.address - first)
                answer.words[register.name] = data[start : start + 2 * register.length]
        return answer

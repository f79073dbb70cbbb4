"""A Modbus/TCP client that adds as little time of its own as Python allows."""

from __future__ import annotations

import socket
import struct
import time
from typing import Self

PATIENCE_S = 10.0


class Client:
    """A connection to one unit of a server on this machine."""

    def __init__(self, port: int, unit: int = 1, patience_s: float = PATIENCE_S) -> None:
        self._unit = unit
        self._socket = socket.create_connection(("127.0.0.1", port), patience_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def of_unit(self, unit: int) -> Self:
        """Send the next requests to another unit."""
        self._unit = unit
        return self

    def ask(self, address: int, count: int, function: int = 3) -> None:
        """Send a request that reads `count` registers, by default holding registers."""
        self._socket.sendall(struct.pack(">HHHBBHH", 1, 0, 6, self._unit, function, address, count))

    def take(self) -> bytes | None:
        """Wait for the next response and return the bytes of its registers, None for an exception response."""
        response = self._socket.recv(512)
        while len(response) < 6 or len(response) < 6 + int.from_bytes(response[4:6], "big"):
            piece = self._socket.recv(512)
            if not piece:
                raise EOFError("the server has closed the connection")
            response += piece
        return None if response[7] & 0x80 else response[9:]

    def read(self, address: int, count: int) -> bytes | None:
        """Send a request that reads registers and return the response, as `take` does."""
        self.ask(address, count)
        return self.take()

    def uint32(self, address: int) -> int | None:
        """Read an unsigned number of two registers; return None for an exception response."""
        data = self.read(address, 2)
        return None if data is None else int.from_bytes(data, "big")


def connect(port: int, limit_s: float = PATIENCE_S, unit: int = 1) -> Client:
    """Return a client; wait up to `limit_s` until the server listens."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return Client(port, unit)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)

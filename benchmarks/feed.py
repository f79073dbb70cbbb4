"""A meter over TCP as a ser2net offers it: a simulated DSMR 5 household."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count as count_from
from itertools import islice
from typing import Self

from gateway.protocol.crc16 import crc16
from gateway.simulation.forms import simulated_meter

NOON = 1_767_610_800
"""Noon of a winter day in unix seconds: 5 January 2026."""
CONNECT_LIMIT_S = 30.0
CADENCE_S = 1.0

_IMPORT = re.compile(rb"(?<=1-0:1\.7\.0\()[0-9.]+")


def telegrams(count: int) -> list[bytes]:
    """Return the telegrams of `count` seconds, each a little different from the one before."""
    return list(islice(one_per_second(), count))


def one_per_second() -> Iterator[bytes]:
    """Yield the telegram of each second from noon on."""
    household = simulated_meter("5")
    return (household.telegram(second) for second in count_from(NOON))


def with_power(telegram: bytes, watts: int) -> bytes:
    """Return the telegram with another import power and a valid checksum."""
    body = _IMPORT.sub(b"%06.3f" % (watts / 1000), telegram[: telegram.rindex(b"!") + 1])
    return body + b"%04X\r\n" % crc16(body)


class Feed:
    """A server that sends the same bytes to every client."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(CONNECT_LIMIT_S)
        self.port = int(self._listener.getsockname()[1])
        self._readers: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._readers):
            each.close()

    def accept(self) -> None:
        """Wait for a client."""
        reader, _ = self._listener.accept()
        reader.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader.settimeout(CONNECT_LIMIT_S)
        self._readers.append(reader)

    def send(self, data: bytes) -> None:
        """Send `data` to all clients."""
        for reader in self._readers:
            reader.sendall(data)

    def every_second(self) -> AbstractContextManager[None]:
        """Send a telegram per second while the block runs."""
        return self.sending(one_per_second(), CADENCE_S)

    @contextmanager
    def sending(self, telegrams: Iterable[bytes], every_s: float) -> Iterator[None]:
        """Send the telegrams one by one, `every_s` seconds apart, while the block runs."""
        done = threading.Event()

        def work() -> None:
            for telegram in telegrams:
                self.send(telegram)
                if done.wait(every_s):
                    return

        thread = threading.Thread(target=work, name="meter")
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

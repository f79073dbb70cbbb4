"""P1 lines that a test feeds: pseudo terminals at the right or the wrong speed, and TCP ports."""

from __future__ import annotations

import os
import pty
import socket
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from gateway.protocol.p1.variants import FAST_LINE, SLOW_LINE, SerialSettings
from tests.uart import received

PAUSE_S = 0.05


@contextmanager
def sending(data_at: Callable[[int], bytes]) -> Iterator[str]:
    """Give a pty that sends again and again what `data_at` returns for the speed (`termios`) that it is set to."""
    meter, device = pty.openpty()
    tty.setraw(meter)
    tty.setraw(device)
    os.set_blocking(meter, False)
    stop = threading.Event()

    def feed() -> None:
        while not stop.wait(PAUSE_S):
            # While nobody reads, what does not fit is lost, as on a real line.
            with suppress(BlockingIOError):
                os.write(meter, data_at(termios.tcgetattr(device)[4]))

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield os.ttyname(device)
    finally:
        stop.set()
        thread.join()
        os.close(meter)
        os.close(device)


def fed_pty(data: bytes, baud: int | None = None) -> AbstractContextManager[str]:
    """Give a pty that sends `data` again and again, or noise while it is not set to `baud`."""
    right = {115200: termios.B115200, 9600: termios.B9600}.get(baud or 0)
    noise = bytes(range(128, 256)) * 4
    return sending(lambda speed: data if right in (None, speed) else noise)


@contextmanager
def fed_port(data: bytes) -> Iterator[str]:
    """Give the address of a TCP port that sends `data` to the first client, and then closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def serve() -> None:
            client, _ = server.accept()
            # A client that has seen enough closes before the end.
            with client, suppress(ConnectionError):
                client.sendall(data)
                # Anything that the client sent to the meter would come here.
                client.settimeout(5)
                sent.extend(client.recv(100))

        sent = bytearray()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()
        assert not sent


def wired_pty(raw: bytes, sent: SerialSettings, *, is_inverted: bool) -> AbstractContextManager[str]:
    """Give a pty that sends what a UART receives from a meter, at the speed that the port is set to."""
    settings = {termios.B115200: FAST_LINE, termios.B9600: SLOW_LINE}
    brought = {speed: received(raw, sent, each, is_inverted=is_inverted) for speed, each in settings.items()}
    return sending(lambda speed: brought.get(speed, b""))

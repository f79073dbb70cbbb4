"""Attacks that a Modbus/TCP server may meet on a network, all at once, from a process of their own.

Each attack is one round against a port. `attack` repeats all of them, each in its own thread, until the time is over.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

SOURCE = "127.0.0.2"
"""Source address of the attacks."""
PATIENCE_S = 2.0
CROWD, CROWD_STAYS_S = 200, 0.5
SLOW_BYTE_S = 1.0
IN_FLIGHT = 16
UNREAD_REQUESTS = 20_000
MOST_REGISTERS = 125
PAUSE_S = 0.01
NICENESS = 10
"""Niceness of the attackers: they must not take the core from the client that is measured."""

_READ = struct.Struct(">HHHBBHH")

Attack = Callable[[int, random.Random], None]


def attack(port: int, seconds: float) -> None:
    """Attack the server on `port` for `seconds`."""
    os.nice(NICENESS)
    deadline = time.monotonic() + seconds

    def repeat(attack_once: Attack) -> None:
        generator = random.Random(attack_once.__name__)
        while time.monotonic() < deadline:
            # Go on when the server closes the connection or is gone.
            with suppress(OSError):
                attack_once(port, generator)
            time.sleep(PAUSE_S)

    threads = [threading.Thread(target=repeat, args=(each,), name=each.__name__) for each in ATTACKS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def connect(port: int) -> socket.socket:
    """Open a connection from the attacker's address."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S, (SOURCE, 0))


def read(number: int, count: int, address: int = 0, unit_id: int = 1) -> bytes:
    """Return a request that reads holding registers."""
    return _READ.pack(number & 0xFFFF, 0, 6, unit_id, 3, address, count)


def noise(port: int, generator: random.Random) -> None:
    """Send random bytes."""
    with connect(port) as sock:
        sock.sendall(generator.randbytes(generator.randrange(1, 4000)))


def mutated(port: int, generator: random.Random) -> None:
    """Send requests with some of their bytes changed."""
    with connect(port) as sock:
        for number in range(20):
            request = bytearray(read(number, 10))
            for _ in range(generator.randrange(1, 4)):
                request[generator.randrange(len(request))] = generator.randrange(256)
            sock.sendall(request)
        sock.recv(4096)


def lying_lengths(port: int, generator: random.Random) -> None:
    """Send requests with a wrong length field."""
    with connect(port) as sock:
        length = generator.choice((0, 1, 2, 5, 7, 253, 254, 255, 300, 0xFFFF))
        sock.sendall(struct.pack(">HHHBBHH", 1, 0, length, 1, 3, 0, 10) * 5)


def impossible_quantities(port: int, generator: random.Random) -> None:
    """Ask for quantities that no response can hold: 200 ends a jsmodbus."""
    with connect(port) as sock:
        sock.sendall(read(1, generator.choice((0, 126, 200, 255, 0xFFFF))))
        sock.recv(64)


def every_function(port: int, generator: random.Random) -> None:
    """Send all function codes, also those that write."""
    with connect(port) as sock:
        for function_code in range(256):
            body = generator.randbytes(generator.randrange(8))
            sock.sendall(struct.pack(">HHHBB", function_code, 0, 2 + len(body), 1, function_code) + body)
            sock.recv(512)


def scanner(port: int, generator: random.Random) -> None:
    """Ask all unit ids, at random addresses of the whole range."""
    with connect(port) as sock:
        for number in range(256):
            sock.sendall(read(number, 1, generator.randrange(0x10000), unit_id=number))
            sock.recv(512)


def pipeline(port: int, generator: random.Random) -> None:
    """Send as many requests at once as the implementation guide allows."""
    with connect(port) as sock:
        for _ in range(50):
            sock.sendall(b"".join(read(number, generator.randrange(1, MOST_REGISTERS)) for number in range(IN_FLIGHT)))
            sock.recv(65536)


def byte_by_byte(port: int, _generator: random.Random) -> None:
    """Send a byte each second."""
    with connect(port) as sock:
        for byte in read(1, 10):
            sock.sendall(bytes((byte,)))
            time.sleep(SLOW_BYTE_S)


def takes_no_response(port: int, _generator: random.Random) -> None:
    """Send many requests and read no response."""
    with connect(port) as sock:
        sock.sendall(read(1, MOST_REGISTERS) * UNREAD_REQUESTS)


def connect_in_turn(port: int, _generator: random.Random) -> None:
    """Open and close connections one after another, every second one with a reset."""
    for number in range(100):
        with connect(port) as sock:
            if number % 2:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def crowd(port: int, _generator: random.Random) -> None:
    """Open far more connections at once than are allowed."""
    with ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(connect(port))
        time.sleep(CROWD_STAYS_S)


ATTACKS: tuple[Attack, ...] = (
    noise,
    mutated,
    lying_lengths,
    impossible_quantities,
    every_function,
    scanner,
    pipeline,
    byte_by_byte,
    takes_no_response,
    connect_in_turn,
    crowd,
)

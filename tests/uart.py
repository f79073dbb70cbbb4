"""A simulated UART: the bytes that it receives at a speed and form that may differ from the sender's, or inverted."""

from __future__ import annotations

from gateway.protocol.p1.variants import SerialSettings

SAMPLES_PER_BIT = 12
"""Samples of a bit at 115200 baud; a bit at 9600 baud has 144."""
TICKS_PER_SECOND = 115_200 * SAMPLES_PER_BIT
IDLE_BITS = 200


def received(data: bytes, sent: SerialSettings, read: SerialSettings, *, is_inverted: bool = False) -> bytes:
    """Return the bytes that a UART with the settings `read` receives of `data`, sent with the settings `sent`."""
    levels = _levels(data, sent)
    if is_inverted:
        levels = bytes(1 - level for level in levels)
    width = TICKS_PER_SECOND // read.baudrate
    bits = read.bytesize + (read.parity != "N")
    found, at = bytearray(), 0
    while (start := levels.find(0, at)) >= 0:
        middles = [start + width // 2 + width * bit for bit in range(1, bits + 2)]
        if middles[-1] >= len(levels):
            break
        byte = sum(levels[middle] << bit for bit, middle in enumerate(middles[: read.bytesize]))
        ones = sum(levels[middle] for middle in middles[:bits])
        # The gateway sets a line so that a byte with wrong parity is received as NUL.
        is_good = read.parity == "N" or ones % 2 == (read.parity == "O")
        found.append(byte if is_good else 0)
        has_stop = levels[middles[-1]] == 1
        at = middles[-1]
        if not byte and not has_stop:
            # A break: nothing is received until the line is idle again.
            at = levels.find(1, at)
            if at < 0:
                break
    return bytes(found)


def _levels(data: bytes, settings: SerialSettings) -> bytes:
    """Return the level of the line at each tick, idle before and after the data."""
    width = TICKS_PER_SECOND // settings.baudrate
    idle = b"\1" * (IDLE_BITS * width)
    levels = bytearray(idle)
    for byte in data:
        bits = [byte >> bit & 1 for bit in range(settings.bytesize)]
        parity = {"N": [], "E": [sum(bits) % 2], "O": [1 - sum(bits) % 2]}[settings.parity]
        for level in [0, *bits, *parity, *[1] * settings.stopbits]:
            levels += bytes([level]) * width
    return bytes(levels + idle)

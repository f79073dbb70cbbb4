"""CPU time of a telegram in the nodes of many meters, from its bytes to the registers, without connections.

    python -m benchmarks.nodes [N ...] [--seconds S]

The meters send each second of a clock that this script moves, one after the other, so the caches of the processor hold
little of a meter when its next telegram comes. The telegrams are those of `many.py`. CPU time does not depend on how
much of a core the script gets, so two versions of the gateway, or of Python, can be compared on a busy machine: run
them in turns, and compare the smallest.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.feed import telegrams
from benchmarks.guard import CLOCK
from benchmarks.many import UNITS_PER_PORT, configuration, with_clock
from benchmarks.measure import machine
from gateway.protocol.crc16 import crc16, use_library
from gateway.runtime import clock
from gateway.runtime.memory import settle

COUNTS = (1, 1000)
FIRST_SECONDS = 12
"""Number of telegrams of each meter before the measurement: a new line is watched for some seconds."""
BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)
PORT = 20_000
"""First port of the configuration; nothing listens on any."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("counts", type=int, nargs="*", metavar="N", help="numbers of meters")
    options.add_argument("--seconds", type=int, default=10, help="number of telegrams of each meter")
    given = options.parse_args()
    logging.disable(logging.CRITICAL)
    clock.now, clock.unix_now = CLOCK.now, CLOCK.unix_now
    use_library()
    print(machine())
    print("meters  us/telegram: mean  smallest")
    for count in given.counts or COUNTS:
        found = asyncio.run(measure(count, given.seconds))
        print(f"{count:6} {sum(found) / len(found):18.1f} {min(found):9.1f}", flush=True)


async def measure(count: int, seconds: int) -> list[float]:
    """Return the mean CPU time of a telegram in each of some seconds, in microseconds."""
    # They read the clock, so they are imported once it is the one that this script moves.
    from gateway.config import load_config, load_maps  # noqa: PLC0415
    from gateway.nodes.dsmr_parser import DsmrParser  # noqa: PLC0415
    from gateway.service.wiring import Wiring  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.yaml"
        servers = -(-count // UNITS_PER_PORT)
        path.write_text(configuration(count, PORT, list(range(PORT + 1, PORT + 1 + servers))))
        config = load_config(path, {})
        wiring = Wiring(config, load_maps(config, path.parent), path.parent)
    parsers = [node for node in wiring.flow.nodes if isinstance(node, DsmrParser)]
    settle()
    plain, found = telegrams(1)[0], []
    for second in range(FIRST_SECONDS + seconds):
        text = with_clock(plain, BEGIN + timedelta(seconds=second))
        bodies = [text % {b"number": n, b"kilowatts": (second * 17 + n) % 9000 / 1000} for n in range(count)]
        sent = [body + b"%04X\r\n" % crc16(body) for body in bodies]
        used = time.process_time()
        for number, (parser, telegram) in enumerate(zip(parsers, sent, strict=True)):
            CLOCK.moment = 1000.0 + second + number / count
            parser.receive(telegram, CLOCK.moment)
        found.append(1e6 * (time.process_time() - used) / count)
    return found[FIRST_SECONDS:]


if __name__ == "__main__":
    main()

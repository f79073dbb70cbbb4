"""Memory of the page over a restart: the last hour and day of each meter, and the begin of the present day.

It is written into one file, now and then and at the end. After a start the gateway collects for itself first: what an
earlier run wrote is placed in time by the wall clock, which a machine without a battery sets some time after its
start. Then it fills the gaps. If the file cannot be used, the page works without it.

The file has a line of text, a checksum, and compressed: a line of JSON with the meters and the begin of their arrays,
then the arrays themselves.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.protocol.p1.day import Begin
from gateway.protocol.p1.history import History, Ring
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import is_synchronised, now, unix_now
from gateway.transport.state_file import put_aside, read_state, write_state
from gateway.transport.timed_reading import read_in_time

FILE = "page-history"
MAGIC = b"dsmr-gateway page history 1\n"
MAX_FILE_BYTES = 16_000_000
MAX_BYTES = 64_000_000
"""Largest size of the uncompressed content."""
MAX_METERS = 2000
"""Largest number of meters that are remembered, in the order of the configuration."""
SAVE_EVERY_S = 300.0
"""Shortest time between two writings; a large file is written more seldom, so that a memory card lasts."""
BYTES_PER_SAVE = 500_000
SET_CLOCK_S = 120.0
"""Longest time to wait until the wall clock follows a time server."""
LOOK_EVERY_S = 5.0

Histories = Callable[[], Mapping[MeterState, History]]
Log = Callable[[str], None]


class UnusableError(ValueError):
    """The content of the file is not what this version writes."""


class Memory:
    """The file with what the page remembers."""

    def __init__(self, folder: Path, histories: Histories, log: Log) -> None:
        """Remember what `histories` returns in a file in `folder`; `log` gets a line for each problem."""
        self._path = folder / FILE
        self._histories = histories
        self._log = log
        self._is_restored = False
        self._saved_at = self._started = now()
        self._pause_s = SAVE_EVERY_S

    async def run(self) -> None:
        """Restore what an earlier run wrote, then write now and then, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Restore or write, if it is time for that."""
        moment = now()
        if not self._is_restored:
            if is_synchronised() or moment - self._started >= SET_CLOCK_S:
                await self.restore()
        elif moment - self._saved_at >= self._pause_s:
            await self.save()

    async def restore(self) -> None:
        """Add what an earlier run wrote."""
        self._is_restored = True
        try:
            content = await read_in_time(read_state, self._path, MAX_FILE_BYTES)
            if content is None:
                return
            document, rest = await asyncio.to_thread(_unpack, content)
            for meter, history in self._histories().items():
                _restore(history, document["meters"].get(meter.name), rest, unix_now() - now(), now())
                await asyncio.sleep(0)
        except UnusableError as error:
            await self._put_aside(str(error))
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            await self._put_aside(f"{type(error).__name__}: {error}")
        except OSError as error:
            self._log(f"{self._path} cannot be read: {error.strerror or error}. The history begins now")

    async def end(self) -> None:
        """Write for the last time, unless what an earlier run wrote would be lost."""
        if not self._is_restored and is_synchronised():
            await self.restore()
        if self._is_restored:
            await self.save()

    async def save(self) -> None:
        """Write what is known now."""
        self._saved_at = now()
        try:
            content = await self._pack()
            await read_in_time(write_state, self._path, content)
            self._pause_s = SAVE_EVERY_S * max(1.0, len(content) / BYTES_PER_SAVE)
        except OSError as error:
            self._log(f"{self._path} cannot be written: {error.strerror or error}. A restart loses the history")

    async def _pack(self) -> bytes:
        meters: dict[str, Any] = {}
        parts: list[bytes] = []
        position = 0
        for meter, history in list(self._histories().items())[:MAX_METERS]:
            meters[meter.name] = _described(history, unix_now() - now(), position)
            arrays = [column.tobytes() for ring in (history.hour, history.day) for column in ring.columns.values()]
            position += sum(map(len, arrays))
            parts += arrays
            await asyncio.sleep(0)
        head = json.dumps({"byteorder": sys.byteorder, "meters": meters}).encode()
        return await asyncio.to_thread(_compressed, b"\n".join((head, b"".join(parts))))

    async def _put_aside(self, why: str) -> None:
        try:
            aside = await asyncio.to_thread(put_aside, self._path)
        except OSError as error:
            self._log(f"{self._path} cannot be used ({why}) nor renamed: {error.strerror or error}")
        else:
            self._log(f"{self._path} cannot be used ({why}): it is now {aside.name}. The history begins now")


def _compressed(content: bytes) -> bytes:
    packed = zlib.compress(content, 1)
    return MAGIC + zlib.crc32(packed).to_bytes(4, "big") + packed


def _unpack(content: bytes) -> tuple[dict[str, Any], memoryview]:
    if not content.startswith(MAGIC):
        raise UnusableError("it is not a history of this version")
    check, packed = content[len(MAGIC) : len(MAGIC) + 4], content[len(MAGIC) + 4 :]
    if zlib.crc32(packed).to_bytes(4, "big") != check:
        raise UnusableError("its checksum is wrong")
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(packed, MAX_BYTES)
    except zlib.error as error:
        raise UnusableError(str(error)) from error
    head, found, _ = plain.partition(b"\n")
    if not (found and unpacking.eof):
        raise UnusableError("it is larger than any history")
    document = json.loads(head)
    if document["byteorder"] != sys.byteorder:
        raise UnusableError("another kind of machine wrote it")
    return document, memoryview(plain)[len(head) + 1 :]


def _described(history: History, offset_s: float, position: int) -> dict[str, Any]:
    today = history.today
    rings = {"hour": history.hour, "day": history.day}
    return {
        "columns": list(history.layout.columns),
        "position": position,
        **{name: _time_of(ring, offset_s) for name, ring in rings.items()},
        "today": today.kept(),
    }


def _time_of(ring: Ring, offset_s: float) -> list[float | None]:
    """Return the length and number of buckets, the number of the newest one, and the unix time at which it begins."""
    ring.flush()
    newest = ring.newest
    begins = None if newest is None else newest * ring.length_s + offset_s
    return [ring.length_s, ring.size, newest, begins]


def _restore(
    history: History, saved: Mapping[str, Any] | None, content: memoryview, offset_s: float, moment: float
) -> None:
    if saved is None or saved["columns"] != list(history.layout.columns):
        return
    position = saved["position"]
    for ring, kept in ((history.hour, saved["hour"]), (history.day, saved["day"])):
        length_s, size, newest, begins = kept
        if (length_s, size) != (ring.length_s, ring.size):
            return
        columns = list(_arrays(content, position, size, len(ring.columns)))
        position += 4 * size * len(ring.columns)
        for back in range(size if newest is not None else 0):
            row = [column[(newest - back) % size] for column in columns]
            if not math.isnan(row[-2]):
                ring.restore(round((begins - back * length_s - offset_s) / length_s), row, moment)
    if saved["today"]:
        history.today.restore(Begin(*saved["today"]))


def _arrays(content: memoryview, position: int, size: int, count: int) -> Iterator[array[float]]:
    for index in range(count):
        column = array("f")
        column.frombytes(content[position + 4 * size * index : position + 4 * size * (index + 1)])
        if len(column) != size:
            raise UnusableError("its end is missing")
        yield column

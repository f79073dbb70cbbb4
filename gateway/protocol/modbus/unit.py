"""The registers of one unit id, and how the unit responds while there is no fresh telegram.

A unit holds the snapshot of its newest telegram and the moment until which that is fresh. Each read checks that
moment, so that a stale number never leaves as a fresh one, even if nothing else runs in between. What a stale unit
does is chosen by `on_stale`. Registers of the gateway's own state are encoded at each read, and never stale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from gateway.protocol import freshness
from gateway.protocol.freshness import FOREVER, NEVER
from gateway.protocol.modbus.latch import Image, Latches
from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.modbus.repeat import Repeat, Repeats
from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.register_map import RegisterMap
from gateway.protocol.registers.snapshot import Snapshot


class OnStale(StrEnum):
    """A way to respond while the newest telegram is too old."""

    EXCEPTION = "exception"
    """Respond with exception 0x0B."""
    SILENT = "silent"
    """Do not respond, like a meter without power."""
    ABSENT = "absent"
    """Respond with the codes for absent values."""
    HOLD = "hold"
    """Keep responding with the last telegram, for as long as the gateway runs."""


StatusValues = Callable[[float], Mapping[str, Value]]
"""Function from a moment to the gateway's own values (`gateway_*`) at that moment."""


class Unit:
    """The registers of one unit id. Times are seconds of one monotonic clock.

    An `address` is the place of a read: `RegisterMap.place` returns it for a map with `has_tables`.
    """

    def __init__(
        self,
        register_map: RegisterMap,
        on_stale: OnStale,
        status_values: StatusValues,
        *,
        shows_test_pattern: bool = False,
        repeats: Repeats | None = None,
    ) -> None:
        self.register_map = register_map
        self.on_stale = on_stale
        self.function_codes = register_map.function_codes
        self.has_tables = register_map.has_tables
        self._status_values = status_values
        self._absent = register_map.readings.empty
        self._layout = self._absent._replace(refused=())
        self.repeats = repeats
        """Handler of repeated requests; None to serve them."""
        # For a client that gets each telegram once, an image is latched only to complete values.
        self._latches = Latches(register_map, only_completes=repeats is not None)
        self._status_latches = Latches(register_map)
        self.snapshot: Snapshot | None = None
        self.fresh_until = NEVER
        """Last moment at which the snapshot is fresh."""
        self.shows_test_pattern = shows_test_pattern
        if shows_test_pattern:
            self.repeats = None  # nothing new ever comes
            self.snapshot = register_map.readings.test_pattern()
            self.fresh_until = FOREVER

    def publish(self, snapshot: Snapshot, fresh_until: float) -> None:
        """Serve `snapshot` from now on; it is fresh up to and including `fresh_until`.

        A unit that shows its test pattern keeps showing it.
        """
        if self.shows_test_pattern:
            return
        self.snapshot = snapshot
        self.fresh_until = fresh_until
        if self.repeats:
            self.repeats.wake()

    def succeed(self, before: Unit) -> None:
        """Go on as the unit before a reload, if nothing of what its clients get has changed.

        They then do not get the same telegram again, the requests that are held back stay so, and halves of a value
        that are read before and after the reload belong together.
        """
        if self.snapshot is None or before.snapshot is None:
            return
        is_same_telegram = self.snapshot.values is before.snapshot.values and self.fresh_until == before.fresh_until
        is_same_map = self.snapshot == before.snapshot and self.register_map.inside == before.register_map.inside
        if is_same_telegram and is_same_map and self._behaviour == before._behaviour:
            self.snapshot, self.repeats, self._latches = before.snapshot, before.repeats, before._latches

    @property
    def _behaviour(self) -> tuple[OnStale, tuple[Repeat, float] | None]:
        """Return the settings that decide how it responds."""
        return self.on_stale, (self.repeats.repeat, self.repeats.wait_up_to_s) if self.repeats else None

    def withdraw(self) -> None:
        """Respond as before the first telegram, whatever `on_stale` is."""
        if not self.shows_test_pattern:
            self.snapshot, self.fresh_until = None, NEVER
            self._latches.clear()
            if self.repeats:
                self.repeats.wake()

    def is_fresh(self, now: float) -> bool:
        """Return whether the newest telegram may be served as current."""
        return freshness.is_fresh(self.fresh_until, now)

    def read(self, address: int, count: int, now: float) -> bytes | ExceptionCode | None:
        """Return the bytes of `count` registers from `address` on, an exception, or None for no response at all."""
        if now <= self.fresh_until and self.snapshot is not None:
            data = self.snapshot.read(address, count)
            if data is not None:
                return data
            if self._layout.read(address, count) is not None:
                return ExceptionCode.SERVER_DEVICE_FAILURE
        if self._layout.read(address, count) is None:
            return self._read_status(address, count, now)
        return self._read_stale(address, count)

    def read_for(self, client: CountedClient, address: int, count: int, now: float) -> bytes | ExceptionCode | None:
        """Return the response for one client, which may have read a part of a value, or the same registers, before.

        Returns:
            The same as `read`. If the request is held back, `client.held` is set, and the result means nothing.

        """
        is_split = self.register_map.splits(address, count)
        if self.repeats and self._is_repeated(self.repeats, client, address, count, now, is_split=is_split):
            if self.repeats.repeat is Repeat.BUSY:
                return ExceptionCode.SERVER_DEVICE_BUSY
            self.repeats.hold((address, count), now, self.fresh_until, client)
            return None
        return self._read_part(client, address, count, now) if is_split else self.read(address, count, now)

    def _is_repeated(
        self, repeats: Repeats, client: CountedClient, address: int, count: int, now: float, *, is_split: bool
    ) -> bool:
        """Return True if the client already has these registers from the newest, fresh telegram."""
        if self.snapshot is None or not self.is_fresh(now) or self.snapshot.read(address, count) is None:
            return False
        is_repeated = repeats.is_repeated((address, count), self.snapshot, now, client)
        return is_repeated and not (is_split and self._latches.completes(address, count, now, client))

    def _read_part(self, client: CountedClient, address: int, count: int, now: float) -> bytes | ExceptionCode | None:
        """Return the response to a read that splits a value."""
        is_status = self._layout.read(address, count) is None
        if is_status:
            image = self._status_latches.choose(address, count, now, client, lambda: self._status_image(now))
        else:
            image = self._latches.choose(address, count, now, client, lambda: self._newest_image(now))
        if isinstance(image, ExceptionCode):
            return image
        if image is None:
            return self._read_stale(address, count)
        if now <= image.fresh_until:
            data = image.snapshot.read(address, count)
            if data is None:
                return ExceptionCode.ILLEGAL_DATA_ADDRESS if is_status else ExceptionCode.SERVER_DEVICE_FAILURE
            return data
        if is_status:
            return self._read_status(address, count, now)
        if self.on_stale is OnStale.ABSENT:
            # A part of a number and a part of the code for absent would be another number.
            return ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND
        return self._read_stale(address, count)

    def _newest_image(self, now: float) -> Image | None:
        """Return the image that is served now; None if there is none but a response by `on_stale`."""
        if self.snapshot is not None and self.on_stale is OnStale.HOLD:
            return Image(self.snapshot, FOREVER)
        if self.snapshot is not None and self.is_fresh(now):
            return Image(self.snapshot, self.fresh_until)
        return Image(self._absent, FOREVER) if self.on_stale is OnStale.ABSENT else None

    def _status_image(self, now: float) -> Image:
        """Return the gateway's own state; it is served as long as its bit for fresh is true."""
        return Image(self._status(now), self.fresh_until if self.is_fresh(now) else FOREVER)

    def _read_status(self, address: int, count: int, now: float) -> bytes | ExceptionCode:
        data = self._status(now).read(address, count)
        return ExceptionCode.ILLEGAL_DATA_ADDRESS if data is None else data

    def _status(self, now: float) -> Snapshot:
        values = {**self._status_values(now), "gateway_fresh": int(self.is_fresh(now))}
        if self.shows_test_pattern:
            values |= {"gateway_fresh": 0, "gateway_simulated": 1}
        return self.register_map.status.encode(values)

    def _read_stale(self, address: int, count: int) -> bytes | ExceptionCode | None:
        if self.on_stale is OnStale.SILENT:
            return None
        shown = self._absent if self.on_stale is OnStale.ABSENT else None
        if self.on_stale is OnStale.HOLD:
            shown = self.snapshot
        data = shown.read(address, count) if shown else None
        return ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND if data is None else data

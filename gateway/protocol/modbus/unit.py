"""A unit id's registers, and how they answer while there is no fresh telegram."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.register_map import RegisterMap
from gateway.protocol.registers.snapshot import Snapshot

NEVER, FOR_EVER = float("-inf"), float("inf")


class ExceptionCode(IntEnum):
    """Modbus V1.1b3, 7."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    GATEWAY_PATH_UNAVAILABLE = 10
    """Given for a unit id that nothing is wired to."""
    GATEWAY_TARGET_FAILED_TO_RESPOND = 11
    """Given while the meter is silent."""


class OnStale(StrEnum):
    """What a unit does while its newest telegram is too old."""

    EXCEPTION = "exception"
    """Answers with exception 0x0B."""
    SILENT = "silent"
    """Gives no answer, as a meter without power."""
    ABSENT = "absent"
    """Answers with the codes for absent values."""
    HOLD = "hold"
    """Goes on answering with the last telegram, for as long as the gateway runs."""


StatusValues = Callable[[float], Mapping[str, Value]]
"""Moment → the gateway's own values (`gateway_*`) at that moment."""


class Unit:
    """What one unit id answers with. Times are seconds of one monotonic clock."""

    def __init__(
        self,
        register_map: RegisterMap,
        on_stale: OnStale,
        status_values: StatusValues,
        *,
        shows_test_pattern: bool = False,
    ) -> None:
        self.register_map = register_map
        self.on_stale = on_stale
        self.function_codes = register_map.function_codes
        self._status_values = status_values
        self._absent = register_map.readings.encode({})
        self.snapshot: Snapshot | None = None
        self.fresh_until = NEVER
        """The moment after which the snapshot is stale."""
        self.shows_test_pattern = shows_test_pattern
        if shows_test_pattern:
            self.snapshot = register_map.readings.test_pattern()
            self.fresh_until = FOR_EVER

    def publish(self, snapshot: Snapshot, fresh_until: float) -> None:
        """Answer with `snapshot` from now on; it is fresh while the clock is at most at `fresh_until`.

        A unit that shows its test pattern goes on showing it.
        """
        if self.shows_test_pattern:
            return
        self.snapshot = snapshot
        self.fresh_until = fresh_until

    def withdraw(self) -> None:
        """Answer as before the first telegram, whatever `on_stale` says."""
        if not self.shows_test_pattern:
            self.snapshot, self.fresh_until = None, NEVER

    def is_fresh(self, now: float) -> bool:
        """Whether the newest telegram may be given out as good."""
        return now <= self.fresh_until

    def read(self, address: int, count: int, now: float) -> bytes | ExceptionCode | None:
        """The bytes of `count` registers from `address` on, an exception, or None for no answer at all."""
        if now <= self.fresh_until and self.snapshot is not None:
            data = self.snapshot.read(address, count)
            if data is not None:
                return data
        if self._absent.read(address, count) is None:
            return self._read_status(address, count, now)
        return self._read_stale(address, count)

    def _read_status(self, address: int, count: int, now: float) -> bytes | ExceptionCode:
        values = {**self._status_values(now), "gateway_fresh": int(self.is_fresh(now))}
        if self.shows_test_pattern:
            values |= {"gateway_fresh": 0, "gateway_simulated": 1}
        status = self.register_map.status.encode(values)
        data = status.read(address, count)
        return ExceptionCode.ILLEGAL_DATA_ADDRESS if data is None else data

    def _read_stale(self, address: int, count: int) -> bytes | ExceptionCode | None:
        if self.on_stale is OnStale.SILENT:
            return None
        if self.on_stale is OnStale.ABSENT:
            return self._absent.read(address, count)
        if self.on_stale is OnStale.HOLD and self.snapshot is not None:
            return self.snapshot.read(address, count)
        return ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND

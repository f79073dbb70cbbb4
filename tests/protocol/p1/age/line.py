"""A meter and its line, a telegram at a time."""

from __future__ import annotations

import zlib

from gateway.protocol.p1.age.timeline import Timeline
from gateway.protocol.p1.age.verdict import MachineClock, Verdict

NOON = 1_700_000_000
"""A moment on the meter's clock."""


class Line:
    """Sends telegrams to a timeline. Its clock and its moment begin at 0, on different clocks."""

    def __init__(self, cadence: int = 1, limit: float = 5.0) -> None:
        self.cadence = cadence
        self.timeline = Timeline(cadence, limit)
        self.at = 0.1
        """When the next telegram arrives at the meter's own pace."""
        self.clock: int | None = 0
        """The stamp of the next telegram, counted from `NOON`."""
        self.counter = 1000
        self.last: Verdict
        self.is_synchronised = True
        """What the machine says of its clock."""
        self.was_asked = 0
        """Number of times that it was asked."""
        self._sent = 0

    def _is_synchronised(self) -> bool:
        self.was_asked += 1
        return self.is_synchronised

    def send(
        self,
        at: float,
        clock: int | None,
        counter: int = 1000,
        power: int = 300,
        meter: str = "A",
        connected: bool = False,
        machine_clock: float | None = None,
    ) -> Verdict:
        """One telegram; the same stamp, counter and power are the same bytes."""
        stamp = None if clock is None else NOON + clock
        text = zlib.crc32(f"{stamp} {counter} {power} {meter}".encode())
        machine = None if machine_clock is None else MachineClock(machine_clock, self._is_synchronised)
        self.last = self.timeline.take(at, stamp, meter, (counter,), text, connected, machine)
        self._sent += 1
        assert self.last.token == self._sent
        return self.last

    def go_on(self, count: int, power: int = 300, rises: int = 1, **more: object) -> Verdict:
        """Telegrams at the meter's own pace."""
        for _ in range(count):
            self.counter += rises
            self.send(self.at, self.clock, self.counter, power, **more)  # type: ignore[arg-type]
            self.at += self.cadence
            if self.clock is not None:
                self.clock += self.cadence
        return self.last

    def set_clock(self, seconds: int) -> None:
        """The meter's clock is set."""
        assert self.clock is not None
        self.clock += seconds

    def hold(self, seconds: float) -> None:
        """From here on everything comes so much later."""
        self.at += seconds

    def is_fresh(self, now: float | None = None) -> bool:
        return self.timeline.is_fresh(self.at - self.cadence if now is None else now)

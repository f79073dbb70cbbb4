"""Confirmation of telegrams without checksum: two of them that agree are accepted, one alone is not always.

Without a checksum, noise can change a digit and nothing in the telegram shows it. A telegram is compared with the one
that was accepted before. Two cases need a second telegram that agrees: the first telegram of a meter, and a telegram
that contradicts the one before. Two in a row that agree with each other and not with the past show that the meter was
replaced. A telegram that agrees with the last but one and not with the last shows that the last one was wrong. If two
meters send by turns, the last but one is of the same meter.
"""

from __future__ import annotations

from gateway.protocol.p1.acceptance import contradict
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram, Telegram


class Confirmation:
    """Telegrams of one meter that a later telegram may confirm or contradict."""

    def __init__(self, *, needs_two: bool) -> None:
        """Begin without telegrams.

        Args:
            needs_two: False to accept the first telegram without a second one.

        """
        self._needs_two = needs_two
        self.before: Readings | None = None
        """Readings of the newest accepted telegram as it came, with those that are withheld."""
        self.before_at = 0.0
        """Its arrival, in seconds."""
        self._agreed: tuple[Readings, float] | None = None
        """Readings that the newest accepted telegram agreed with, and their arrival."""
        self._unconfirmed: tuple[tuple[Readings, float], ...] = ()
        """Readings of the telegrams that were refused since an accepted one, and their arrivals, newest first."""

    def refuse(
        self, telegram: Telegram, readings: Readings, refusal: RefusedTelegram | None, arrived: float
    ) -> RefusedTelegram | None:
        """Return the refusal of a telegram without checksum, or None if it is accepted.

        Args:
            telegram: the telegram.
            readings: its readings.
            refusal: its contradiction with the telegram before; None if there is none.
            arrived: its arrival on the monotonic clock, in seconds.

        """
        if refusal is None and (self.before or not self._needs_two):
            self._agreed = (self.before, self.before_at) if self.before else None
            return None
        earlier_ones = [*self._unconfirmed, self._agreed]
        self._unconfirmed = ((readings, arrived), *self._unconfirmed[:1])
        for earlier in earlier_ones:
            if earlier and contradict(earlier[0], readings, arrived - earlier[1]) is None:
                self._agreed = earlier
                return None
        detail = "the first telegram without checksum waits for a second one that agrees"
        return refusal or RefusedTelegram(telegram.raw, RefusalReason.UNCONFIRMED, detail)

    def accept(self, readings: Readings, arrived: float) -> None:
        """Note the readings of an accepted telegram, with or without a checksum."""
        self._unconfirmed = ()
        self.before, self.before_at = readings, arrived

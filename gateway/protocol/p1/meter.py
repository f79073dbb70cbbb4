"""The state of one meter: its newest readings, until when they are fresh, and the counts of its telegrams.

Each telegram is read, accepted or refused, and completed with the values that depend on the country. A refused telegram
changes nothing but the counts. For an accepted one, `gateway.protocol.p1.serving` decides whether its readings are
served and how old they are. The limit of freshness follows the meter's cadence unless the configuration sets it;
`gateway.protocol.freshness` has the rule itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from gateway.protocol import freshness
from gateway.protocol.p1.acceptance import refuse
from gateway.protocol.p1.age.verdict import MachineClock
from gateway.protocol.p1.confirmation import Confirmation
from gateway.protocol.p1.country import interpret
from gateway.protocol.p1.guards import Guards
from gateway.protocol.p1.reading import Reading
from gateway.protocol.p1.readings import Readings, read_ahead, read_body
from gateway.protocol.p1.serving import UNPROVEN, Received, Serving
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram, Telegram
from gateway.protocol.p1.variants import Variant, detect

FAST_CADENCE_S = 1.0
"""Cadence that is assumed before the first telegram."""
STALE_AFTER_FAST_S = 5.0
"""Age limit for a meter that sends each second; some telegrams may be lost to noise."""
STALE_AFTER_SLOW_S = 35.0
"""Age limit for a meter that sends each ten seconds; three telegrams may be lost."""
FAST_LIMIT_S = 3.0
"""Cadence below which a meter counts as fast."""
MIN_INTERVAL_S = 0.2
"""Shortest interval that shows the cadence; telegrams that are closer were delayed on the way, or sent twice."""
MAX_DRAFTS = 4
"""Largest number of times that a telegram is read before its end line has come."""
ERROR_WINDOW_S = 60.0
"""Time during which an error counts as recent."""
OTHER_METER = "it has another equipment identifier than the configured one, or none"
"""Detail of the refusal of another meter's telegram; it quotes no identifier."""


class _Interpreted(NamedTuple):
    """The readings of a telegram on its own, without a comparison with other telegrams; the end line may be missing."""

    lines: bytes
    readings: Readings
    variant: Variant
    detected: Variant
    interpreted: Readings
    """The readings with those that depend on the country."""


class MeterState:
    """Newest readings and counts of one meter."""

    written_after = UNPROVEN
    """Moment after which the next telegram was written; set before its bytes where its way proves one."""

    identifiers: frozenset[str] = frozenset()
    """The equipment identifiers of the only meter whose telegrams are accepted; empty to accept any meter."""
    fresh_since = freshness.NEVER
    """Moment since which the readings have been fresh without interruption."""
    interval_s: float | None = None
    """Seconds between the last two telegrams that did not come together."""
    cadence_s: float
    """Expected seconds between two telegrams."""
    stale_after_s: float
    """Age in seconds after which the readings are stale.

    It follows the variant's cadence, or that of the meter's clock where the clock moves faster. Arrivals never change
    it: telegrams that are lost or held back look like a slow meter.
    """

    def __init__(
        self,
        name: str,
        variant: Variant | None,
        stale_after_s: float | None = None,
        *,
        is_simulated: bool = False,
        needs_two: bool = True,
    ) -> None:
        """Start without readings.

        Args:
            name: the meter's name in the configuration.
            variant: the variant that is configured; None to detect it from the telegrams.
            stale_after_s: the age after which readings are stale; None to follow the meter's cadence.
            is_simulated: True for a meter whose readings are generated.
            needs_two: False to accept the first telegram of a meter without checksum, for one that is only looked at.

        """
        self.name = name
        self.is_simulated = is_simulated
        self.is_connected = False
        self.when_connected: set[Callable[[], None]] = set()
        """Called when its line is opened; `note_line` calls them."""
        self.newest: Received | None = None
        """The telegram that was accepted last; it may be late, a copy, or not confirmed yet."""
        self.serving = Serving(is_simulated=is_simulated)
        """The telegram whose readings are served, and how telegrams come in."""
        self.accepted = self.line_errors = self.unconfirmed = self._drafts = 0
        self.refused: Counter[RefusalReason] = Counter()
        self.newest_refused: RefusedTelegram | None = None
        self._configured = variant
        self._stale_after_s = stale_after_s
        self._follow_cadence()
        self._confirmation = Confirmation(needs_two=needs_two and not is_simulated)
        self._ahead: dict[bytes, Reading] = {}
        self._draft: _Interpreted | None = None
        self.guards = Guards()
        self._last_error = freshness.NEVER

    def note_line(self, *, is_open: bool) -> None:
        """Note that the line is open from now on, or closed."""
        if is_open != self.is_connected:
            self.is_connected = is_open
            for note in tuple(self.when_connected) if is_open else ():
                note()

    def read_ahead(self, lines: bytes) -> None:
        """Decode complete lines of a telegram that has not ended yet, so that little work is left at its last byte."""
        read_ahead(lines, self._confirmation.before, self._ahead)

    def read_body_ahead(self, lines: bytes) -> Readings | None:
        """Read a telegram whose end line has not come, if it has as many lines as the one before.

        Return its readings if they are new. They are those of `take`, unless it refuses the telegram or withholds some.

        Args:
            lines: its lines so far, all complete, without the last line end.

        """
        if not lines or self.newest is None or (self._draft and self._draft.lines == lines):
            return None
        if lines.count(b"\n") < self.newest.telegram.lines.count(b"\n") or self._drafts >= MAX_DRAFTS:
            return None
        self._drafts += 1
        self._draft = self._interpret(lines)
        return self._draft.interpreted

    def peek(self, lines: bytes) -> Readings:
        """Return the readings of lines that the meter of the newest telegram may have sent, and keep nothing."""
        readings, newest = read_body(lines, self._confirmation.before), self.newest
        return interpret(readings, newest.variant, newest.detected) if newest else readings

    def take(
        self,
        item: Telegram | RefusedTelegram,
        arrived: float,
        arrived_at: float,
        *,
        is_first: bool = False,
        waited_since: float | None = None,
        machine_clock: MachineClock | None = None,
    ) -> Received | RefusedTelegram:
        """Accept or refuse a telegram; a refused one changes nothing but the counts.

        Args:
            item: the telegram, or the bytes that were refused already.
            arrived: the moment on the monotonic clock at which its last byte was read, in seconds.
            arrived_at: its arrival on the wall clock, in unix seconds.
            is_first: True for the first one of a new connection.
            waited_since: the moment since which it may have waited to be read; None where it cannot have waited.
            machine_clock: this machine's clock at `arrived`; None where it is not known.

        """
        received = item if isinstance(item, RefusedTelegram) else self._evaluate(item, arrived, arrived_at)
        self._ahead, self._draft, self._drafts = {}, None, 0
        if isinstance(received, RefusedTelegram):
            self._count_refusal(received, arrived)
            return received
        was_fresh = self.is_fresh(arrived)
        if (interval := arrived - self.newest.arrived if self.newest else 0.0) > MIN_INTERVAL_S:
            self.interval_s = interval
        if received.readings.errors:
            self.line_errors += len(received.readings.errors)
            self._last_error = arrived
        self.newest = received
        self.accepted += 1
        self._follow_cadence()
        self.serving.take(received, self.stale_after_s, waited_since, machine_clock, is_first=is_first)
        self._follow_cadence()
        if not was_fresh:
            self.fresh_since = arrived
        return received

    def _follow_cadence(self) -> None:
        cadence = self.newest.variant.cadence_s if self.newest else FAST_CADENCE_S
        self.cadence_s = min(cadence, self.serving.clock_cadence_s or cadence)
        of_cadence = STALE_AFTER_FAST_S if self.cadence_s < FAST_LIMIT_S else STALE_AFTER_SLOW_S
        self.stale_after_s = of_cadence if self._stale_after_s is None else self._stale_after_s

    def _count_refusal(self, refused: RefusedTelegram, arrived: float) -> None:
        self.refused[refused.reason] += 1
        if refused.reason is RefusalReason.UNCONFIRMED:
            self.unconfirmed += 1
        else:
            self.newest_refused = refused
            self._last_error = arrived

    @property
    def telegrams(self) -> int:
        """Return the number of accepted telegrams, without one that waits to be served."""
        return self.accepted - self.serving.is_pending

    @property
    def served(self) -> Received | None:
        """Return the telegram whose readings are served; None where none may be."""
        return self.serving.served

    def other_meter(self, now: float) -> str | None:
        """Return the identity of a second meter that sends on the same line; None where there is none."""
        return self.serving.other_meter(now)

    def _evaluate(self, telegram: Telegram, arrived: float, arrived_at: float) -> Received | RefusedTelegram:
        lines, before = telegram.lines, self._confirmation.before
        found = self._draft if self._draft and self._draft.lines == lines else self._interpret(lines)
        readings, variant = found.readings, found.variant
        elapsed = arrived - self._confirmation.before_at if before else 0.0
        refusal = refuse(telegram, readings, variant, before, elapsed)
        if refusal and refusal.reason is not RefusalReason.IMPLAUSIBLE:
            return refusal
        if self.identifiers and readings.values.get("equipment_identifier") not in self.identifiers:
            return RefusedTelegram(telegram.raw, RefusalReason.OTHER_METER, OTHER_METER)
        plausible, withheld = self.guards.judge(telegram, readings, arrived)
        if not telegram.checked:
            refusal = self._confirmation.refuse(telegram, readings, refusal, arrived)
            if refusal:
                return refusal
        self._confirmation.accept(readings, arrived)
        is_whole = plausible is readings
        interpreted = found.interpreted if is_whole else interpret(plausible, variant, found.detected)
        suffix, detected, after = self.guards.suffix, found.detected, self.written_after
        moments = arrived, arrived_at
        return Received(telegram, interpreted, variant, *moments, detected, arrived, withheld, suffix, after)

    def _interpret(self, lines: bytes) -> _Interpreted:
        """Return the readings of a telegram on its own."""
        readings = read_body(lines, self._confirmation.before, self._ahead)
        variant, detected = self._variants_of(lines, readings)
        return _Interpreted(lines, readings, variant, detected, interpret(readings, variant, detected))

    def _variants_of(self, lines: bytes, readings: Readings) -> tuple[Variant, Variant]:
        """Return the variant of the meter, and the variant that this telegram shows."""
        if self.newest and self.newest.readings.identification == readings.identification and not self._configured:
            return self.newest.variant, self.newest.variant
        version = readings.values.get("p1_version")
        has_d0_codes = b"*255(" in lines
        if (known := self.newest) and known.readings.codes is readings.codes:
            before = known.readings.values.get("p1_version"), b"*255(" in known.telegram.raw
            if before == (version, has_d0_codes):
                return known.variant, known.detected
        detected = detect(readings.codes, str(version) if version else None, has_d0_codes, readings.identification)
        return self._configured or detected, detected

    @property
    def fresh_until(self) -> float:
        """Return the last moment at which the readings that are served are fresh."""
        return freshness.fresh_until(self.served.measured, self.stale_after_s) if self.served else freshness.NEVER

    def is_fresh(self, now: float) -> bool:
        """Return True while the readings that are served are fresh."""
        return freshness.is_fresh(self.fresh_until, now)

    def is_offline(self, now: float) -> bool:
        """Return True where nothing changes but the age of readings: the line is closed, and nothing is fresh."""
        return not (self.is_connected or self.serving.is_pending or self.is_fresh(now))

    def refusal_since_newest(self, since: float) -> RefusedTelegram | None:
        """Return the telegram that was refused last, if that was after `since` and after the newest accepted one."""
        accepted = self.newest.arrived if self.newest else freshness.NEVER
        return self.newest_refused if self._last_error > max(since, accepted) else None

    def has_recent_errors(self, now: float) -> bool:
        """Return True when a telegram was refused, or a line could not be read, in the last minute."""
        return now - self._last_error < ERROR_WINDOW_S

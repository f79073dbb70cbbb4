"""DSMR parser: finds the telegrams in the bytes of a line, and accepts or refuses each.

In: bytes. Out: accepted telegrams as they came, the readings that are served, and the verdict on every telegram.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.problems.quoting import quoted
from gateway.protocol.p1.age.verdict import Condition, Kind, MachineClock
from gateway.protocol.p1.doubt import REMEDIES
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.obis_line import CHANNEL_1
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.redaction import redact_line
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram, Telegram, TelegramReader
from gateway.protocol.p1.variants import variant_mismatch
from gateway.runtime.clock import is_synchronised, now, unix_now, unix_time
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import Output
from gateway.runtime.status import Colour, Label, Mark, label
from gateway.runtime.ticking import Rest, look_each

TICK_S = 0.5
TIMER_SLACK_S = 0.001  # an event loop may run a timer a little early
GAP_FAST_S, GAP_SLOW_S = 1.0, 3.0
"""Time without bytes that ends a telegram."""
SLOWEST_BYTES_PER_S = 960
"""Speed of the slowest line: 9600 baud, ten bits for a byte."""
INNER_PAUSE_S = 0.3
"""Pause within a telegram, in seconds, after which the rest may be of another one; a checksum would show that."""
LATE_S = 0.25
"""Delay of a look at the line, in seconds. After a longer one, the process counts as having stood still."""
CONDITIONS = {
    Condition.LATE: "telegrams come late: they are held back on their way. Their age includes the delay",
    Condition.LATE_OR_CLOCK_SET: "telegrams come late, or the meter's clock was set back. Their age includes the delay",
    Condition.REPEATING: "the source repeats its last telegram: the readings age, whatever arrives",
    Condition.REPLAYING: "the source sends telegrams of the past; their readings are not served",
    Condition.CLOCK_CHANGED: "the meter's clock has changed; its readings are served again once it goes on steadily",
}
"""Text of the log for each condition that a user should know of."""
TWO_METERS = (
    "two meters send on this line: one of them is served until it is silent, and the other is not used. Give each meter"
    " a line of its own"
)
OLD = {Kind.REPEAT: CONDITIONS[Condition.REPEATING], Kind.REPLAY: CONDITIONS[Condition.REPLAYING]}
"""Text of the log for a telegram that is not served, in place of what its values would give."""
PAUSED = "the bytes paused in a telegram without checksum, so it may be the halves of two"
MAX_LOGGED_ERRORS = 10
"""Largest number of different errors that are logged until a minute has passed without errors."""
WITHHELD_QUIET_S = 600.0
"""Seconds after a log line about a withheld reading in which there is no other one about the same reading."""


class DsmrParser(Node):
    """The parser of one meter's telegrams."""

    kind = "DSMR parser"

    def __init__(self, name: str, meter: MeterState, gap_s: float) -> None:
        super().__init__(name)
        self._meter = meter
        self._gap_s = gap_s
        self._reader = TelegramReader()
        self._last_read = float("-inf")
        """The moment at which the last bytes were read; they may have arrived before."""
        self._last_bytes = self._begun = self._looked = float("-inf")
        self._has_paused = self._usually_pauses = self._shows = False
        self._rest = Rest(meter.when_connected)
        self._is_new_connection = True
        self._served: Received | None = None
        self._ripe: asyncio.TimerHandle | None = None
        self._condition = Condition.STARTING
        self._error: Label | None = None
        self._logged_errors: set[str] = set()
        self._logged_meter = ("", "")
        self._withheld: set[str] = set()
        self._withheld_at: dict[str, float] = {}
        self.telegrams: Output[Callable[[Telegram], None]] = Output(self)
        """Each accepted telegram as it came, sent as early as possible."""
        self.readings: Output[Callable[[Received | None], None]] = Output(self)
        """The telegram whose readings are served from now on; None if nothing is served any more."""
        self.drafts: Output[Callable[[Readings], None]] = Output(self)
        """The readings of a telegram whose checksum has not come. They are served later, or never."""
        self.verdicts: Output[Callable[[Received | RefusedTelegram, float], None]] = Output(self)
        """Each telegram, accepted or refused, with the moment of its arrival."""

    def receive(self, data: bytes, arrived: float) -> None:
        """Take bytes from the line, with the moment of their arrival on the gateway's clock."""
        moment = now()
        # After the process stood still, neither time is exact: bytes count as older than they are, and are read later
        # than they came. Only a pause in both times is a pause of the meter.
        pause_s = min(arrived - self._last_bytes, moment - self._last_read)
        if pause_s > self._gap_s:
            self.end_telegram()
        elif pause_s > INNER_PAUSE_S and self._reader.is_in_lines:
            self._has_paused = True
        self._last_bytes, self._last_read = arrived, moment
        if not self._reader.pending:
            self._begun = moment
        for item in self._reader.feed(data):
            self._take(item, arrived)
            self._begun = moment
        lines = self._reader.lines_ahead()
        if lines:
            self._meter.read_ahead(lines)
        draft = self._meter.read_body_ahead(self._reader.body_ahead())
        if draft:
            for prepare in self.drafts.receivers:
                prepare(draft)

    def line_lost(self) -> None:
        """Drop a telegram that has begun, so that the bytes of the next connection cannot complete it."""
        self._reader.reset()
        self._has_paused = self._usually_pauses = False
        self._is_new_connection = True

    def details(self) -> Details:
        """Return the variant, and how many telegrams were accepted and refused."""
        meter, newest = self._meter, self._meter.newest
        return {
            "variant": newest.variant.title if newest else None,
            "telegrams_accepted": meter.telegrams,
            **{f"telegrams_refused ({reason})": count for reason, count in sorted(meter.refused.items())},
            **{f"readings_withheld ({doubt})": count for doubt, count in sorted(meter.guards.withheld.items())},
            **{f"telegrams_not_served ({kind.value})": n for kind, n in meter.serving.not_served.items()},
            "lines_unreadable": meter.line_errors,
            "stale_after_s": meter.stale_after_s,
        }

    async def run(self) -> None:
        """End telegrams after a pause in the bytes, and keep the status current, until cancelled."""
        self.show(Colour.GREY, Mark.RING, "no-telegram-yet")
        self.ready.set()
        self._looked = now()
        await look_each(TICK_S, self._look, rest=self._rest)

    def _look(self, moment: float) -> None:
        is_late, self._looked = moment - self._looked > TICK_S + LATE_S, moment  # then the next look decides
        if self._reader.pending and not is_late and moment - self._last_read > self._gap_s:
            self.end_telegram()
        self._shows = not self._shows or self._rest.is_on
        if self._shows:  # once a second is enough
            self._show(moment)
            if self._meter.is_offline(moment):
                self._rest.begin()

    def end_telegram(self) -> None:
        """End a telegram that has begun: its last byte has come, though no checksum shows that."""
        for item in self._reader.silence():
            self._take(item, self._last_bytes)

    def _take(self, item: Telegram | RefusedTelegram, arrived: float) -> None:
        # A correct checksum is enough to pass the telegram on as it came, before its readings are parsed.
        if isinstance(item, Telegram) and item.checked and not self._meter.identifiers:
            self._pass_on(item)
        # Bytes that drip in were written earlier: no meter takes longer for its telegram than the slowest line.
        came = min(self._last_read, self._begun + self._gap_s + len(item.raw) / SLOWEST_BYTES_PER_S)
        result = self._meter.take(
            self._without_halves(item),
            came,
            unix_time(arrived),
            is_first=self._is_new_connection,
            waited_since=arrived if arrived < came else None,
            machine_clock=MachineClock(unix_now() - (self._last_read - came), is_synchronised),
        )
        if isinstance(result, RefusedTelegram) and result.reason is RefusalReason.UNCONFIRMED:
            self.log(logging.INFO, "the meter sends no checksum: its readings are shown when two telegrams agree")
        elif isinstance(result, RefusedTelegram):
            error = label("refused-" + result.reason.replace(" ", "-"))
            self._note_error(f"refused: {result.reason} ({result.detail})", error)
        else:
            if not result.telegram.checked or self._meter.identifiers:
                self._pass_on(result.telegram)
            self._is_new_connection = False
            self._serve()
            self._note_good(result, arrived)
            self._note_withheld(result)
        for note in self.verdicts.receivers:
            note(result, arrived)

    def _without_halves(self, item: Telegram | RefusedTelegram) -> Telegram | RefusedTelegram:
        """Refuse a telegram without checksum in which the bytes paused, unless those of the one before paused too."""
        has_paused, self._has_paused = self._has_paused, False
        if not isinstance(item, Telegram) or item.checked:
            return item
        is_usual, self._usually_pauses = self._usually_pauses, has_paused
        if has_paused and not is_usual:
            return RefusedTelegram(item.raw, RefusalReason.TRUNCATED, PAUSED)
        return item

    def _serve(self) -> None:
        """Send the served telegram if it is another one, and look again when a pending one is due."""
        serving = self._meter.serving
        if serving.served is not self._served:
            self._served = serving.served
            for receive in self.readings.receivers:
                receive(self._served)
        if self._ripe:
            self._ripe.cancel()
            self._ripe = None
        if serving.next_change is not None:
            pause_s = max(0.0, serving.next_change - now()) + TIMER_SLACK_S
            self._ripe = asyncio.get_running_loop().call_later(pause_s, self._ripen)
        if serving.condition is not self._condition:
            self._condition = serving.condition
            if text := CONDITIONS.get(self._condition):
                self.log_seldom(logging.WARNING, text)
        if self._meter.other_meter(now()):
            self.log_seldom(logging.WARNING, TWO_METERS)

    def _ripen(self) -> None:
        """Serve the pending telegram, because no other one has followed."""
        self._ripe = None
        self._meter.serving.update(now())
        self._serve()

    def _pass_on(self, telegram: Telegram) -> None:
        for receive in self.telegrams.receivers:
            receive(telegram)

    def _note_good(self, result: Received, arrived: float) -> None:
        errors = result.readings.errors
        if errors:
            number, line, reason = errors[0].number, quoted(redact_line(errors[0].line)), errors[0].reason
            text = f"line {number} cannot be read: {reason} ({line})"
            self._note_error(text, label("line-unreadable", reason=reason))
        else:
            self._error = None
            if self._logged_errors and not self._meter.has_recent_errors(arrived):
                self._logged_errors.clear()
                self.log(logging.INFO, "no errors in telegrams for a minute")
        self._note_meter(result)

    def _note_withheld(self, received: Received) -> None:
        """Log each reading that begins to be withheld, at most once in `WITHHELD_QUIET_S`."""
        # Nothing is withheld from anybody where the whole telegram is not served.
        if (kind := self._meter.serving.newest_kind) in OLD and received.withheld:
            self.log_seldom(logging.WARNING, OLD[kind])
            return
        for item in received.withheld if len(self._withheld_at) < MAX_LOGGED_ERRORS else ():
            if item.name not in self._withheld and item.name not in self._withheld_at:
                self._withheld_at[item.name] = received.arrived
                unit = f" {item.unit}" if item.unit else ""
                change = f"{item.new}{unit}" if item.old is None else f"{item.old} to {item.new}{unit}"
                what = f"{item.name} is withheld: {item.doubt}"
                self.log(logging.WARNING, f"{what} ({change}). {REMEDIES[item.doubt]}", alike=what)
        self._withheld = {item.name for item in received.withheld}
        if self._withheld_at:
            since = received.arrived - WITHHELD_QUIET_S
            self._withheld_at = {name: at for name, at in self._withheld_at.items() if at > since}

    def _note_meter(self, received: Received) -> None:
        key = received.variant.title, received.readings.identification
        if key != self._logged_meter:
            self._logged_meter = key
            meter = f"{key[0]}, {redact_line(f'/{key[1]}')}"
            mismatch = variant_mismatch(received.variant, received.detected)
            verb = "configured as" if mismatch else "found"
            text = f"{verb} {meter}: {len(received.readings.lines)} readings"
            self.log(logging.INFO, text, alike=f"{verb} {key[0]}")
            if any(code.startswith(CHANNEL_1) for code in received.readings.codes):
                text = f"the meter's own codes begin with {CHANNEL_1}, as in Switzerland; they are read"
                self.log(logging.INFO, text)
            if mismatch:
                problem, hint = mismatch
                self.log(logging.WARNING, f"dsmr_version {problem}. {hint}, or readings may be absent or wrong")

    def _note_error(self, text: str, error: Label) -> None:
        self._error, kind = error, str(error)
        # A noisy line brings bad telegrams between good ones all day: each kind of error is logged once.
        if kind not in self._logged_errors and len(self._logged_errors) < MAX_LOGGED_ERRORS:
            self._logged_errors.add(kind)
            self.log(logging.WARNING, f"telegram {text}", alike=f"telegrams are not used: {kind}")

    def _show(self, moment: float) -> None:
        meter = self._meter
        newest, served = meter.newest, meter.served
        if newest is None:
            if meter.refused and (bad := meter.refused.total() - meter.unconfirmed):
                self.show(Colour.RED, Mark.DOT, "none-accepted-yet", count=bad)
            return
        if meter.has_recent_errors(moment):
            self.show(Colour.YELLOW, Mark.DOT, self._error or label("recent-errors"))
        elif not meter.is_fresh(moment):
            silent_s = moment - newest.arrived
            if silent_s > meter.stale_after_s or served is None:
                self.show(Colour.RED, Mark.DOT, "no-telegram", seconds=round(silent_s))
            else:
                self.show(Colour.RED, Mark.DOT, "stale", seconds=round(moment - served.measured))
        elif variant_mismatch(newest.variant, newest.detected):
            keys = {"variant": newest.variant.key, "detected": newest.detected.key}
            self.show(Colour.YELLOW, Mark.DOT, "other-version", **keys)
        else:
            count = len(newest.readings.lines)
            self.show(Colour.GREEN, Mark.DOT, "receiving", variant=newest.variant.key, count=count)

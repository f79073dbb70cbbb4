"""MQTT meter: the newest telegram of one meter, from whichever broker and edge it comes first.

In: messages. Out: telegrams, as the bytes of a line. It has no timer and no connection of its own; the receiver looks
at all of its meters.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.lines.mqtt import telegram_of
from gateway.nodes.mqtt_receiver import problems
from gateway.nodes.mqtt_receiver.problems import Unused
from gateway.problems.problem import Problem
from gateway.problems.quoting import cut
from gateway.protocol.fleet.inbox import Inbox, Incoming, Outcome, Verdict
from gateway.protocol.fleet.newest import Stamp
from gateway.protocol.fleet.ticks import Ticks
from gateway.protocol.p1.diagnosis import explain_refusal
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.readings import Readings
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import ByteSink, Output
from gateway.runtime.status import CONDITION_CODES, Colour, Mark, label_of
from gateway.transport.mqtt import Message

RECENT_S = 15.0
"""Time for which a message that was not used explains why there are no readings: longer than a slow meter's cadence."""
FIRST_WITHIN_S = 12.0
"""Longest wait for the first telegram before its absence is shown: a slow meter sends every ten seconds."""
USED = frozenset({Outcome.USED, Outcome.USED_WITHOUT_ENVELOPE})
USUAL = frozenset({Outcome.COPY, Outcome.OLDER, Outcome.RETAINED, Outcome.UNKNOWN_AGE})
"""Outcomes that are no problem by themselves: a second broker, or the time until the first tick comes back."""
REPEATED = frozenset({Outcome.COPY, Outcome.OLDER})


class Arrival(NamedTuple):
    """The arrival of a message."""

    edge: str
    moment: float
    forwarded_after: float
    """The moment after which the broker forwarded it."""


class MqttMeter(Node):
    """The messages of one meter."""

    kind = "MQTT meter"
    reads_meter = True

    def __init__(self, name: str, meter: MeterState) -> None:
        super().__init__(name)
        self.meter = meter
        self.line_bytes: Output[ByteSink] = Output(self)
        self.ends: Output[Callable[[], None]] = Output(self)
        """Called after each message: a telegram without checksum ends with it."""
        self.inbox = Inbox()
        self.topic = ""
        self.places: Sequence[str] = ()
        """The brokers of this meter."""
        self.bytes_received = 0
        self._edge = ""
        self._unused: Unused | None = None
        self._problem: Problem | None = None
        self._has_telegrams = False
        self._offline_since = float("inf")
        """The moment of the first look at which the brokers called the edge offline."""

    def details(self) -> Details:
        """Return the topic, the edge, and what became of the messages."""
        return {
            "topic": self.topic,
            "brokers": ", ".join(self.places),
            "edge": self._edge or None,
            "bytes_received": self.bytes_received,
            "interval_s": self.meter.interval_s,
            f"messages ({Outcome.USED.value})": self.inbox.outcomes[Outcome.USED],
            **{f"messages ({outcome.value})": count for outcome, count in self.inbox.outcomes.items()},
            "last_trouble": str(self._problem) if self._problem else None,
        }

    async def run(self) -> None:
        """Wait until cancelled: messages come in calls."""
        self.show(Colour.YELLOW, Mark.RING, "no-telegram-yet")
        self.ready.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.meter.note_line(is_open=False)

    def take(self, message: Message, arrival: Arrival, ticks: Ticks) -> None:
        """Take a message, and pass its telegram on if it is the newest one of a proven age."""
        telegram = telegram_of(message.payload)
        if not telegram:
            self.inbox.outcomes[Outcome.NOT_A_TELEGRAM] += 1
            self._note_unused(Verdict(Outcome.NOT_A_TELEGRAM), arrival, message.topic)
            return
        incoming = Incoming(
            arrival.edge,
            message.properties,
            message.is_retained,
            arrival.moment,
            arrival.forwarded_after,
            lambda: self._stamps(telegram),
        )
        verdict = self.inbox.take(incoming, ticks)
        if verdict.outcome not in USED:
            self._note_unused(verdict, arrival, message.topic)
            return
        self.bytes_received += len(telegram)
        self.meter.written_after = verdict.written_after
        for sink in self.line_bytes.receivers:
            sink.receive(telegram, arrival.moment)
        for end in self.ends.receivers:
            end()
        if self._edge != arrival.edge or not self._has_telegrams:
            self._note_edge(arrival.edge)

    def look(self, moment: float, since: float, *, is_connected: bool, is_offline: Callable[[str], bool]) -> bool:
        """Show how telegrams come in; return whether they do.

        Args:
            moment: this moment.
            since: the moment since which messages could come.
            is_connected: whether one of the meter's brokers is connected.
            is_offline: returns whether an edge is offline.

        """
        meter, newest = self.meter, self.meter.newest
        silent_s = moment - max(newest.arrived if newest else since, since)
        meter.note_line(is_open=is_connected and not self._is_gone(moment, silent_s, is_offline))
        if silent_s <= (meter.stale_after_s if newest else max(meter.stale_after_s, FIRST_WITHIN_S)):
            if newest and newest.arrived >= since:
                self._show_receiving(moment)
            return newest is not None
        problem = self._why(moment, round(silent_s), is_connected=is_connected, is_offline=is_offline)
        self.show(Colour.RED, Mark.RING, label_of(problem))
        self._has_telegrams = False
        if self._problem is None or problem.code != self._problem.code:
            self.log(logging.WARNING, str(problem), alike=problem.short)
        self._problem = problem
        return False

    def _is_gone(self, moment: float, silent_s: float, is_offline: Callable[[str], bool]) -> bool:
        """Return whether the brokers call the edge offline, and no telegram has come since.

        They call an edge offline that runs if the clock numbers its starts and was set back.
        """
        if not (self._edge and is_offline(self._edge)):
            self._offline_since = float("inf")
            return False
        self._offline_since = min(self._offline_since, moment)
        newest = self.meter.newest
        return silent_s > self.meter.stale_after_s or newest is None or newest.arrived <= self._offline_since

    def _why(self, moment: float, silent_s: int, *, is_connected: bool, is_offline: Callable[[str], bool]) -> Problem:
        """Return why there are no telegrams."""
        if not is_connected:
            return problems.no_broker(self.places)
        refused = self.meter.refusal_since_newest(moment - RECENT_S)
        if refused:
            return explain_refusal(refused)
        unused = self._unused
        if unused and self._explains(unused, moment):
            return problems.unused(unused)
        edge = self._edge or (unused.edge if unused else "")
        if edge and is_offline(edge):
            return problems.edge_offline(edge)
        if self._edge:
            return problems.edge_silent(self._edge, silent_s)
        return problems.unused(unused) if unused else problems.no_message(self.topic)

    def _explains(self, unused: Unused, moment: float) -> bool:
        """Return whether a message that was not used is why there are no telegrams.

        A repeated one is only if it came long after the last telegram: the copies of a second broker come soon.
        """
        if unused.outcome is Outcome.RETAINED or moment - unused.moment > RECENT_S:
            return False
        newest = self.meter.newest
        is_soon = newest is not None and unused.moment - newest.arrived <= self.meter.stale_after_s / 2
        return not (unused.outcome in REPEATED and is_soon)

    def _show_receiving(self, moment: float) -> None:
        meter = self.meter
        if meter.other_meter(moment):
            self.show(Colour.YELLOW, Mark.DOT, "two-meters")
        elif code := CONDITION_CODES.get(meter.serving.condition):
            self.show(Colour.YELLOW, Mark.DOT, code, seconds=round(meter.serving.delay_s or 0.0))
        elif self._unused and self._unused.outcome not in USUAL and moment - self._unused.moment <= RECENT_S:
            self.show(Colour.YELLOW, Mark.DOT, label_of(problems.unused(self._unused)))
        elif meter.interval_s is not None:
            self.show(Colour.GREEN, Mark.DOT, "line-receiving", interval_s=round(meter.interval_s, 1), line=self._edge)

    def _note_edge(self, edge: str) -> None:
        """Log from which edge telegrams come in."""
        self.meter.note_line(is_open=True)
        before, self._edge = self._edge, edge
        if self._has_telegrams:
            self.log_seldom(logging.INFO, f"telegrams come in from {cut(edge)} now, not from {cut(before)}")
            return
        self._has_telegrams = True
        self._problem = None
        self.log(logging.INFO, f"telegrams come in from {cut(edge)} over MQTT", alike="telegrams come in")

    def _note_unused(self, verdict: Verdict, arrival: Arrival, topic: str) -> None:
        before = self._unused
        self._unused = Unused(verdict.outcome, arrival.moment, arrival.edge, topic, verdict.reason)
        if verdict.outcome in USUAL:
            if before and before.outcome not in USUAL and arrival.moment - before.moment <= RECENT_S:
                self._unused = before  # the copies of a second broker say less
            return
        if before is None or before.outcome is not verdict.outcome or arrival.moment - before.moment > RECENT_S:
            problem = problems.unused(self._unused)
            self.log_seldom(logging.WARNING, str(problem), alike=problem.short)

    def _stamps(self, telegram: bytes) -> tuple[Stamp, Stamp | None]:
        """Return the stamp of a telegram, and that of the telegram that was accepted last."""
        newest = self.meter.newest
        readings = self.meter.peek(telegram.partition(b"\n!")[0])
        return _stamp(readings), _stamp(newest.readings) if newest else None


def _stamp(readings: Readings) -> Stamp:
    return Stamp(readings.time, f"{readings.identification} {readings.values.get('equipment_identifier', '')}")

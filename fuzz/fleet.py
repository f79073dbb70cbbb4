"""Fuzzes the messages of a meter over MQTT: `python -m fuzz.fleet [OPTION...] fuzz/corpus/fleet`."""

from __future__ import annotations

from fuzz.harness import Source, fuzz
from gateway.protocol.fleet.envelope import Envelope, decode, encode
from gateway.protocol.fleet.inbox import EDGE_GONE_AFTER_S, NEVER, Inbox, Incoming, Outcome
from gateway.protocol.fleet.newest import Stamp
from gateway.protocol.fleet.ticks import KEPT_TICKS, TICK_EVERY_S, Tick, Ticks, tick_text

MAX_MESSAGES = 40
EDGES = ("north", "south")
GATEWAY, BOOT = "gateway", 7
NAMES = ("edge", "boot", "seq", "held", "delay", "crc", "tick", "other")

Properties = list[tuple[str, str]]


def check(data: bytes) -> None:
    """Check that a message is used only if a tick of this run proves its age and it is newer than those before.

    One that a broker had stored is never used, and none counts as written after it came, or before its proven moment
    less the times that its edge names. An envelope that is read comes back from its properties.
    """
    source = Source(data)
    inbox, ticks, moments = Inbox(), Ticks(GATEWAY, BOOT, lambda: 1), dict[int, float]()
    now, used, total = 0.0, dict[tuple[str, int], tuple[int, float]](), 0
    newest: Stamp | None = None
    while not source.is_empty and total < MAX_MESSAGES:
        for _ in range(source.number(3)):
            now += TICK_EVERY_S
            moments[ticks.next(now).number] = now
        kind = source.number(255)
        edge = EDGES[kind & 1]
        properties = make_properties(source, edge) if kind & 6 else raw_properties(source)
        stamp = Stamp(source.pick((None, 1, 2, 3)), "AB"[source.number(255) == 255])
        answered = now - 1 if kind & 16 else NEVER
        current = newest
        incoming = Incoming(
            edge, properties, kind & 8 > 0, now, answered, lambda stamp=stamp, old=current: (stamp, old)
        )
        verdict = inbox.take(incoming, ticks)
        total += 1
        envelope = decode(properties)
        if isinstance(envelope, Envelope):
            assert decode(encode(envelope)) == envelope
        if verdict.outcome is Outcome.USED:
            assert isinstance(envelope, Envelope)
            check_used(envelope, incoming, verdict.written_after, moments, used)
            newest = stamp
        elif verdict.outcome is Outcome.USED_WITHOUT_ENVELOPE:
            assert envelope is None
            assert now - max((arrived for _, arrived in used.values()), default=NEVER) >= EDGE_GONE_AFTER_S
            assert verdict.written_after == answered
    assert inbox.outcomes.total() == total


def check_used(
    envelope: Envelope,
    incoming: Incoming,
    written_after: float,
    moments: dict[int, float],
    used: dict[tuple[str, int], tuple[int, float]],
) -> None:
    """Check a message that is used, and remember its number."""
    assert not incoming.is_retained
    assert envelope.edge == incoming.edge
    own = [tick.number for tick in envelope.ticks if (tick.gateway, tick.boot) == (GATEWAY, BOOT)]
    proven = [moments[number] for number in own if number in moments and number > len(moments) - KEPT_TICKS]
    assert proven
    assert written_after == max(proven) - envelope.held_s - envelope.delay_s
    assert written_after <= incoming.arrived
    last, arrived = used.get((envelope.edge, envelope.boot), (-1, NEVER))
    # An edge that has lost the count of its starts begins again, after a silence, with a tick that proves it.
    assert envelope.seq > last or (max(proven) > arrived and incoming.arrived - arrived >= 5.0)
    used[envelope.edge, envelope.boot] = envelope.seq, incoming.arrived


def make_properties(source: Source, edge: str) -> Properties:
    """Return the properties of an edge, perhaps with one that is changed."""
    envelope = Envelope(
        edge,
        source.number(2),
        source.number(7),
        source.number(3000) / 1000,
        source.number(255) / 1000,
        is_checked=True,
        ticks=tuple(Tick(GATEWAY, source.pick((BOOT, BOOT, BOOT, 8)), source.number(127)) for _ in range(2)),
    )
    properties = list(encode(envelope))
    change = source.number(255)
    if change < len(properties):
        name, value = properties[change]
        properties[change] = name, value + source.take(2).decode("latin-1")
    return properties


def raw_properties(source: Source) -> Properties:
    """Return properties of any names and contents."""
    count = source.number(15)
    properties = [(source.pick(NAMES), source.take(source.number(24)).decode("latin-1")) for _ in range(count)]
    if count == 15:
        properties.append(("tick", tick_text(Tick(GATEWAY, BOOT, 1))))
    return properties


if __name__ == "__main__":
    fuzz(__file__)

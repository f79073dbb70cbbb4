"""The health of the gateway, for monitoring and for programs that restart it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gateway.problems.listing import listed
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.flow import Node
from gateway.runtime.status import label

GOOD = "ok"


@dataclass(frozen=True, slots=True)
class Health:
    """The result of an assessment."""

    reason: str
    """`GOOD`, or everything that is wrong."""
    since: float
    """The moment since when this is so, in seconds of the gateway's clock."""
    note: str = ""
    """A problem that a restart would make worse, and that is therefore not in the reason; empty for none."""

    @property
    def is_good(self) -> bool:
        """Return whether nothing is wrong."""
        return self.reason == GOOD


def assess(
    nodes: Iterable[Node],
    meters: Collection[MeterState],
    started: float,
    now: float,
    refused: Health | None = None,
) -> Health:
    """Return what is wrong with these nodes and meters, the oldest problem first.

    A check for restarts gives no meters: a restart of the gateway does not bring a meter online. For such a check the
    reload that was `refused` is only a note, because the gateway would not start again with such a configuration.
    """
    good_since = started
    problems = [refused] if refused and meters else []
    note = refused.reason if refused and not meters else ""
    for node in nodes:
        if node.reads_meter:
            continue
        if node.status.is_failure:
            problems.append(Health(f"{node.name}: {node.status.text}", node.since))
        good_since = max(good_since, node.since)
    for meter in meters:
        if meter.newest is None:
            problems.append(Health(f"{meter.name}: {_none_accepted(meter)}", started))
        elif not meter.is_fresh(now):
            since = meter.newest.arrived
            reason = f"no telegram for {now - since:.0f} s"
            if now - since <= meter.stale_after_s:
                since = meter.served.measured if meter.served else started
                reason = f"no fresh readings for {now - since:.0f} s: {meter.serving.condition.value}"
            problems.append(Health(f"{meter.name}: {reason}", since))
        good_since = max(good_since, meter.fresh_since)
    if not problems:
        return Health(GOOD, good_since, note)
    problems.sort(key=lambda problem: problem.since)
    return Health(listed([problem.reason for problem in problems], between="; "), problems[0].since, note)


def _none_accepted(meter: MeterState) -> str:
    """Return why a meter has no telegram: none came, or all were refused."""
    if meter.newest_refused is None:
        return "no telegram yet"
    code = "refused-" + meter.newest_refused.reason.replace(" ", "-")
    return f"no telegram accepted yet, the newest was refused: {label(code).text}"

"""The newest changes of state: meters that become stale or fresh again, nodes that fail, clients that come and go.

The state is looked at once a second, so nothing is added to the path of a telegram or of a request. The number of
changes that are kept is limited, and so is what one client can add.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.nodes.status_page.client_watch import Came, ClientEvent, ClientWatch, Mistaken
from gateway.nodes.status_page.labels import LabelView, label_view
from gateway.nodes.status_page.observation import Gateway, Reload
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import unix_now
from gateway.runtime.flow import Node
from gateway.runtime.status import Colour

CHANGES_KEPT = 50
"""Number of newest changes that are kept."""
COLOURS = {
    **dict.fromkeys(("meter_first", "meter_fresh", "node_works", "client_came", "reloaded"), Colour.GREEN),
    "client_mistake": Colour.YELLOW,
    **dict.fromkeys(("meter_stale", "node_failed", "reload_refused"), Colour.RED),
    "client_gone": Colour.GREY,
}
"""The colour of each kind of change: that of the state which it leads to."""


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A change of state."""

    at: float
    kind: str
    """`meter_first`, `meter_fresh`, `meter_stale`, `node_failed`, `node_works`, `client_came`, `client_gone`,
    `client_mistake`, `reloaded` or `reload_refused`."""
    subject: str
    """Name of the meter, label of the node, or host of the client."""
    colour: str
    """green, yellow, red or grey."""
    seconds: float | None = None
    """Time for which the state before lasted."""
    label: LabelView | None = None
    """Reason of the change, if it is known."""
    values: Mapping[str, int | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """The newest changes of state, newest first."""

    number: int
    """Number of changes since the start."""
    changes: list[ChangeView]


class Journal:
    """Keeps the newest changes of state."""

    def __init__(self, gateway: Gateway, clients: ClientWatch) -> None:
        self._gateway = gateway
        self._clients = clients
        self._changes: deque[ChangeView] = deque(maxlen=CHANGES_KEPT)
        self.number = 0
        """Number of changes so far."""
        self._meters: dict[MeterState, tuple[bool | None, float]] = {}
        """For each meter, True if it was fresh at the last look (None before it was ever fresh), and since when."""
        self._failing: set[Node] | None = None
        self._reloaded: Reload | None = gateway.reloaded

    def changes(self) -> Changes:
        """Return the newest changes."""
        return Changes(self.number, list(reversed(self._changes)))

    def look(self, moment: float) -> None:
        """Note what has changed since the last look."""
        found = [*self._look_at_meters(moment), *self._look_at_nodes()]
        found += [_of_client(event) for event in self._clients.look(moment)]
        if self._gateway.reloaded is not self._reloaded:
            self._reloaded = self._gateway.reloaded
            if self._reloaded and self._reloaded.is_applied:
                changes = "; ".join(self._reloaded.changes)
                found.append(_change("reloaded", "", values={"changes": changes or "nothing has changed"}))
            else:
                found.append(_change("reload_refused", ""))
        self.number += len(found)
        self._changes.extend(found)

    def _look_at_meters(self, moment: float) -> Iterator[ChangeView]:
        before, self._meters = self._meters, {}
        for name, meter in self._gateway.meters.items():
            was, since = before.get(meter, (None, moment))
            # Fresh can come after the first telegram: a telegram over MQTT can be a stored one.
            is_fresh = meter.is_fresh(moment) or (None if was is None else False)
            if is_fresh is not was:
                if is_fresh:
                    kind, seconds = ("meter_first", None) if was is None else ("meter_fresh", round(moment - since, 1))
                    yield _change(kind, name, seconds)
                elif was:
                    yield _change("meter_stale", name, label=self._trouble_of(name))
                since = moment
            self._meters[meter] = is_fresh, since

    def _trouble_of(self, name: str) -> LabelView | None:
        """Return the status of the meter's line if it is a reason to be stale, and not that telegrams arrive."""
        line = self._gateway.lines.get(name)
        is_trouble = line is not None and line.status.colour in (Colour.YELLOW, Colour.RED)
        return label_view(line.status.label) if line and is_trouble else None

    def _look_at_nodes(self) -> Iterator[ChangeView]:
        failing = {node for node in self._gateway.flow.nodes if node.status.is_failure and not node.reads_meter}
        before, self._failing = self._failing or set(), failing
        if failing == before:
            return
        for node in failing - before:
            yield _change("node_failed", node.label, label=label_view(node.status.label))
        present = set(self._gateway.flow.nodes)
        for node in (before - failing) & present:
            yield _change("node_works", node.label)


def _change(
    kind: str,
    subject: str,
    seconds: float | None = None,
    label: LabelView | None = None,
    values: Mapping[str, int | str | None] | None = None,
) -> ChangeView:
    """Return a change of state that happens now."""
    return ChangeView(round(unix_now(), 3), kind, subject, COLOURS[kind].value, seconds, label, values or {})


def _of_client(event: ClientEvent) -> ChangeView:
    if isinstance(event, Mistaken):
        values = {"unit": event.unit_id, "address": event.address, "mistake": event.advice.mistake.value}
        return _change("client_mistake", event.host, values=values)
    return _change("client_came" if isinstance(event, Came) else "client_gone", event.host)

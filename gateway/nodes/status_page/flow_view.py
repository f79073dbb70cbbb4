"""The view of the flow of a few meters: nodes, wires with what passes over them each second, and the clients.

More than `FEW_METERS` meters do not fit on a drawing, so it shows the one that the viewer chose.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from gateway.nodes.status_page.client_views import HostView
from gateway.nodes.status_page.flow_places import LISTENER, PlaceView, column_of, places
from gateway.nodes.status_page.frame import FEW_METERS, frame, net_power, unix_time
from gateway.nodes.status_page.json_text import to_json
from gateway.nodes.status_page.labels import MarkView, mark_view, short_label
from gateway.nodes.status_page.model import FrameView
from gateway.nodes.status_page.observation import ServedUnits
from gateway.nodes.status_page.query import Page
from gateway.nodes.status_page.requests import RATE_WINDOW_S, rate
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import Wire

UPDATE_EVERY_S = 0.5
"""Shortest time between two events."""
HOSTS_SHOWN = 12
"""Largest number of clients that are drawn; the newest ones."""
REGISTER_MAP = "register map"
"""Kind of nodes."""
PARSER, PARSER_NAME = column_of("DSMR parser"), "/parser"
"""Column of parsers, and the end of their names."""


@dataclass(frozen=True, slots=True)
class FlowNodeView:
    """A node of the flow."""

    name: str
    kind: str
    label: str
    short: str
    """The label without the address that the node listens on; its port tells it from others."""
    status: MarkView
    since: float
    """Time at which it failed or began to work."""
    details: Details


@dataclass(frozen=True, slots=True)
class FlowWireView:
    """A wire, with what passes over it."""

    source: str
    target: str
    unit: str
    """`telegrams` or `requests`."""
    per_s: float | None
    """Number per second in the last 10 s."""
    power_w: float | None
    """Net power in the telegrams, for the wire to a register map."""
    is_alive: bool
    """False while nothing passes because the meter is offline."""
    meter: str | None
    """Meter whose telegrams or registers pass; the wire is not alive while its readings are stale. None for several."""
    shows: str | None = None
    """Number on the wire, each shown once: `telegrams`, `power`, `requests`, or `per_s` to a client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowView(FrameView):
    """An event of the flow."""

    nodes: list[FlowNodeView]
    wires: list[FlowWireView]
    """The wires between the nodes, and those to the clients."""
    places: list[PlaceView]
    """The places of the nodes, and of the clients as `client KIND HOST`."""
    clients: list[HostView] = field(default_factory=list)
    """The clients of the servers and passthroughs that are shown."""
    more_clients: int = 0
    """Number of clients that are not among `clients`."""
    accepted: dict[str, int]
    """Telegrams that were accepted so far, by meter; a new one is a bead on the wires."""
    changes: int
    """Number of changes of state so far; `/api/changes` has the newest."""


class FlowChannel:
    """The events of the flow of some meters."""

    every_s = UPDATE_EVERY_S

    def __init__(self, page: Page, meter: str) -> None:
        """Show one meter, or all if they are few."""
        self._page = page
        self._meter = meter
        self._counts: dict[MeterState, deque[tuple[float, int]]] = {}
        """The number of accepted telegrams of each meter at the last looks."""

    def signature(self) -> object:
        """Return a value that changes each second, and with each telegram and status."""
        meters = self._shown()
        return int(now()), [meter.accepted for meter in meters], [node.status for node in self._nodes(meters)]

    async def whole(self) -> bytes:
        """Return everything that the view shows."""
        moment, gateway = now(), self._page.gateway
        meters = self._shown()
        nodes = self._nodes(meters)
        names = {node.name for node in nodes}
        served = [each for each in gateway.served if each.server.name in names]
        rates = {meter.name: self._rate(meter, moment) for meter in meters}
        found = self._page.book.hosts()
        clients = [host for host in found.hosts if names.intersection(host.servers) and _reads(host, meters)]
        wires = [*_wires(nodes, meters, rates, served), *_client_wires(clients[:HOSTS_SHOWN], names)]
        kinds = {node.name: node.kind for node in nodes} | {_client(host): "client" for host in clients[:HOSTS_SHOWN]}
        view = FlowView(
            **frame(gateway, moment, meters, has_advice=self._page.clients.has_mistake),
            nodes=list(map(_node, nodes)),
            wires=wires,
            places=places(kinds, [(wire.source, wire.target) for wire in wires]),
            clients=clients[:HOSTS_SHOWN],
            more_clients=max(0, len(clients) - HOSTS_SHOWN),
            accepted={meter.name: meter.accepted for meter in meters},
            changes=self._page.journal.number,
        )
        return to_json(view)

    change = whole

    def _shown(self) -> list[MeterState]:
        meters = self._page.gateway.meters
        if len(meters) <= FEW_METERS:
            return list(meters.values())
        chosen = meters.get(self._meter) or next(iter(meters.values()))
        return [chosen]

    def _nodes(self, meters: Sequence[MeterState]) -> list[Node]:
        """Return the nodes that the telegrams of the meters pass, in the order of the flow."""
        gateway = self._page.gateway
        if not meters:
            return list(gateway.flow.nodes)
        begins = [gateway.lines[meter.name] for meter in meters]
        found = dict.fromkeys(
            node
            for node in gateway.flow.nodes
            if column_of(node.kind) == LISTENER and any(wire.target in begins for wire in _wires_from(node))
        )
        left = list(reversed(begins))
        while left:
            node = left.pop()
            if node not in found:
                found[node] = None
                left += [wire.target for wire in _wires_from(node)]
        return list(found)

    def _rate(self, meter: MeterState, moment: float) -> float:
        """Return the accepted telegrams per second in the last seconds."""
        counts = self._counts.setdefault(meter, deque())
        if not counts or moment - counts[-1][0] >= self.every_s / 2:
            counts.append((moment, meter.accepted))
        while len(counts) > 2 and moment - counts[1][0] >= RATE_WINDOW_S:
            counts.popleft()
        elapsed, number = moment - counts[0][0], meter.accepted - counts[0][1]
        if elapsed >= 2 * (meter.interval_s or 1.0):
            return round(number / elapsed, 1)
        return round(1 / meter.interval_s, 1) if meter.interval_s and meter.is_fresh(moment) else 0.0


def _node(node: Node) -> FlowNodeView:
    mark, since = mark_view(node.status), unix_time(node.since)
    return FlowNodeView(
        node.name, node.kind, node.label, short_label(node.kind, node.label), mark, since, node.details()
    )


def _wires_from(node: Node) -> Iterable[Wire]:
    return (wire for output in node.outputs for wire in output.wires)


def _reads(host: HostView, meters: Sequence[MeterState]) -> bool:
    """Return whether a client reads one of these meters, as far as it is known."""
    return not host.meters or any(meter.name in host.meters for meter in meters)


def _wires(
    nodes: Sequence[Node], meters: Sequence[MeterState], rates: Mapping[str, float], served: Sequence[ServedUnits]
) -> list[FlowWireView]:
    """Return the wires between nodes, one for each pair, with what passes over them."""
    units = {each.server.name: {unit.unit_id: unit for unit in each.units} for each in served}
    requested = {each.server.name: _requests_per_s(each) for each in served}
    owners = _owners(meters, nodes)
    views: dict[tuple[str, str], FlowWireView] = {}
    with_power: set[str] = set()
    for node in nodes:
        for wire in _wires_from(node):
            source, target = wire.source, wire.target
            # What a broker receives is drawn from the receiver on: no wire goes back to the left.
            is_back = column_of(target.kind) < column_of(source.kind)
            if is_back or target not in nodes or (source.name, target.name) in views:
                continue
            unit = None
            if source.kind == REGISTER_MAP and target.name in units:
                unit = units[target.name].get(int(source.name.rpartition("/")[2]))
            if unit:
                is_alive = unit.unit.is_fresh(now())
                per_s = requested[target.name].get(unit.unit_id, 0.0)
                name = None if unit.unit.shows_test_pattern else unit.meter.name
                view = FlowWireView(source.name, target.name, "requests", per_s, None, is_alive, name, "requests")
            else:
                # The telegrams of all meters pass a listener, and those of one pass each of its wires.
                meter = owners.get(target if column_of(source.kind) == LISTENER else source)
                has_power = target.kind == REGISTER_MAP and source.name not in with_power
                view = _telegram_wire(wire, meter, rates, has_power=has_power)
                if has_power:
                    with_power.add(source.name)
            views[source.name, target.name] = view
    # A passthrough also gets the bytes of the line, for telegrams that only it can pass on; one wire to it is enough.
    parsed = {target for source, target in views if source.endswith(PARSER_NAME)}
    return [view for (source, target), view in views.items() if target not in parsed or source.endswith(PARSER_NAME)]


def _telegram_wire(
    wire: Wire, meter: MeterState | None, rates: Mapping[str, float], *, has_power: bool
) -> FlowWireView:
    """Return a wire that telegrams pass; its label is the power beside one map, or the rate before the parser."""
    source, target = wire.source, wire.target
    is_alive = bool(meter and meter.is_fresh(now()))
    power = net_power(meter) if meter and target.kind == REGISTER_MAP and is_alive else None
    shows = "power" if has_power else "telegrams" if LISTENER < column_of(source.kind) < PARSER else None
    passed, name = (rates[meter.name], meter.name) if meter else (None, None)
    return FlowWireView(source.name, target.name, "telegrams", passed, power, is_alive, name, shows)


def _client(host: HostView) -> str:
    return f"client {host.kind} {host.host}"


def _client_wires(hosts: Iterable[HostView], names: AbstractSet[str]) -> list[FlowWireView]:
    """Return the wires from servers and passthroughs among `names` to the clients."""
    views = []
    for host in hosts:
        is_reader, is_alive = host.kind == "passthrough", host.state not in {"stale", "idle"}
        unit = "telegrams" if is_reader else "requests"
        meter = host.meter if is_reader or host.meters == [host.meter] else None
        views += [
            FlowWireView(source, _client(host), unit, host.requests_per_s, None, is_alive, meter, "per_s")
            for source in host.servers
            if source in names
        ]
    return views


def _owners(meters: Sequence[MeterState], nodes: Sequence[Node]) -> dict[Node, MeterState]:
    """Return the meter of each node that only one meter feeds."""
    names = {meter.name: meter for meter in meters}
    owners: dict[Node, MeterState] = {}
    for node in nodes:
        if meter := names.get(node.name.partition("/")[0]) or owners.get(node):
            owners[node] = meter
            for wire in _wires_from(node):
                owners.setdefault(wire.target, meter)
    return owners


def _requests_per_s(served: ServedUnits) -> dict[int, float]:
    """Return the requests per second by unit id in the last seconds."""
    moment, moments = now(), dict[int, list[float]]()
    for at, _, record in reversed(served.server.responder.monitor.recent):
        if moment - at > RATE_WINDOW_S:
            break
        moments.setdefault(record[0], []).append(at)
    return {unit_id: rate(each[::-1], moment) or 0.0 for unit_id, each in moments.items()}

"""The status of the whole gateway: nodes, wires, meters, servers.

With many meters it is long, so its lists are made in turns of the event loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.exports import FORMATS
from gateway.maps.table import word_order
from gateway.nodes.status_page.download import reached_over
from gateway.nodes.status_page.frame import frame, meter_view
from gateway.nodes.status_page.json_text import list_in_turns, with_lists
from gateway.nodes.status_page.labels import mark_view
from gateway.nodes.status_page.model import NodeView, ServerView, StatusView, UnitView, WireView
from gateway.nodes.status_page.observation import Gateway, ServedUnit, ServedUnits
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap
from gateway.runtime.clock import now
from gateway.runtime.flow import Node
from gateway.runtime.output import Wire


async def status(gateway: Gateway, started: float, *, has_advice: bool = False) -> bytes:
    """Return a `StatusView` as JSON; `started` is the start of the gateway, in seconds of its clock."""
    moment = now()
    view = StatusView(
        **frame(gateway, moment, (), has_advice=has_advice),
        running_s=round(moment - started, 1),
        faults=list(map(str, gateway.problems)),
    )
    meters, nodes, served = list(gateway.meters.values()), list(gateway.flow.nodes), list(gateway.served)
    lists = {
        "meters": await list_in_turns(meters, lambda meter: meter_view(meter, moment)),
        "nodes": await list_in_turns(nodes, _node),
        "wires": await list_in_turns(_wires(nodes), lambda wire: WireView(wire.source.name, wire.target.name)),
        "servers": [await _server(each, moment) for each in served],
    }
    return with_lists(view, lists)


def _node(node: Node) -> NodeView:
    return NodeView(node.name, node.kind, node.label, mark_view(node.status), node.details())


def _wires(nodes: Iterable[Node]) -> Iterator[Wire]:
    """Yield one wire for each pair of nodes."""
    for node in nodes:
        yield from dict.fromkeys(wire for output in node.outputs for wire in output.wires)


async def _server(served: ServedUnits, moment: float) -> bytes:
    server, settings = served.server, served.server.settings
    view = ServerView(
        name=server.name,
        transport=str(settings.transport),
        host=settings.host,
        port=server.port,
        device=settings.serial.device if settings.serial else None,
        has_tls=settings.admission.tls is not None,
        exports={name: each.title for name, each in FORMATS.items() if reached_over(settings) in each.transports},
        units=[],
    )
    return with_lists(view, {"units": await list_in_turns(served.units, lambda unit: _unit(unit, moment))})


def _unit(served: ServedUnit, moment: float) -> UnitView:
    unit, register_map = served.unit, served.unit.register_map
    first = _first_reading(register_map)
    return UnitView(
        unit_id=served.unit_id,
        meter=served.meter.name,
        map=register_map.name,
        title=register_map.title,
        function_codes=sorted(unit.function_codes),
        word_order=_usual_word_order(register_map),
        on_stale=unit.on_stale.value,
        is_fresh=unit.is_fresh(moment),
        shows_test_pattern=unit.shows_test_pattern,
        first_register=first.name if first else None,
        first_address=first.address if first else None,
    )


def _first_reading(register_map: RegisterMap) -> Register | None:
    readings = [register for register in register_map.registers if register.uses and register.type_name != "string"]
    return next((each for each in readings if not any(name.startswith("gateway_") for name in each.uses)), None)


def _usual_word_order(register_map: RegisterMap) -> str:
    wide = (each for each in register_map.registers if each.length > 1 and each.type_name != "string")
    return next(map(word_order, wide), "")

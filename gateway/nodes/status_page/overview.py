"""The status of the whole gateway: nodes, wires, meters, servers."""

from __future__ import annotations

from gateway.exports import FORMATS
from gateway.maps.table import word_order
from gateway.nodes.status_page.download import reached_over
from gateway.nodes.status_page.frame import frame
from gateway.nodes.status_page.labels import mark_view
from gateway.nodes.status_page.model import NodeView, ServerView, StatusView, UnitView, WireView
from gateway.nodes.status_page.observation import Gateway, ServedUnit, ServedUnits
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap
from gateway.runtime.clock import now
from gateway.version import version


def status(gateway: Gateway, started: float, *, has_advice: bool = False) -> StatusView:
    """Return the status; `started` is the start of the gateway, in seconds of its clock."""
    moment = now()
    flow = gateway.flow
    return StatusView(
        **frame(gateway, moment, gateway.meters.values(), has_advice=has_advice),
        version=version(),
        running_s=round(moment - started, 1),
        nodes=[
            NodeView(node.name, node.kind, node.label, mark_view(node.status), node.details()) for node in flow.nodes
        ],
        wires=[WireView(wire.source.name, wire.target.name) for wire in flow.wires],
        servers=[_server(served, moment) for served in gateway.served],
        faults=list(map(str, gateway.problems)),
    )


def _server(served: ServedUnits, moment: float) -> ServerView:
    server, settings = served.server, served.server.settings
    return ServerView(
        name=server.name,
        transport=str(settings.transport),
        host=settings.host,
        port=server.port,
        device=settings.serial.device if settings.serial else None,
        has_tls=settings.admission.tls is not None,
        exports={name: each.title for name, each in FORMATS.items() if reached_over(settings) in each.transports},
        units=[_unit(unit, moment) for unit in served.units],
    )


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

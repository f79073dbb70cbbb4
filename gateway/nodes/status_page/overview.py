"""The status of the whole gateway: nodes, wires, meters, servers."""

from __future__ import annotations

from decimal import Decimal

from gateway.exports import FORMATS
from gateway.maps.table import word_order
from gateway.nodes.status_page.download import reached_over
from gateway.nodes.status_page.labels import mark_view, problem_view
from gateway.nodes.status_page.model import (
    MeterView,
    NodeView,
    ReloadView,
    ServerView,
    StatusView,
    UnitView,
    WireView,
)
from gateway.nodes.status_page.observation import Gateway, Reload, ServedUnit, ServedUnits
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.redaction import redact_line
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap
from gateway.runtime import clock
from gateway.runtime.clock import now, unix_now
from gateway.version import version


def unix_time(moment: float) -> float:
    """Return a moment of the gateway's clock as unix seconds."""
    return round(clock.unix_time(moment), 3)


def status(gateway: Gateway, started: float) -> StatusView:
    """Return the status; `started` is the start of the gateway, in seconds of its clock."""
    moment = now()
    flow = gateway.flow
    return StatusView(
        version=version(),
        at=round(unix_now(), 3),
        running_s=round(moment - started, 1),
        nodes=[
            NodeView(node.name, node.kind, node.label, mark_view(node.status), node.details()) for node in flow.nodes
        ],
        wires=[WireView(wire.source.name, wire.target.name) for wire in flow.wires],
        meters=[_meter(meter, moment) for meter in gateway.meters.values()],
        servers=[_server(served, moment) for served in gateway.served],
        faults=list(map(str, gateway.problems)),
        problems=[problem_view(problem) for problem in gateway.problems],
        warnings=[problem_view(warning) for warning in gateway.warnings],
        reload=_reload(gateway.reloaded),
        is_serving=gateway.is_serving,
    )


def _reload(reload: Reload | None) -> ReloadView | None:
    return ReloadView(round(reload.at, 3), reload.is_applied, list(reload.changes)) if reload else None


def age(meter: MeterState, moment: float) -> float | None:
    """Return the age of the readings that are served, in seconds."""
    return None if meter.served is None else round(moment - meter.served.measured, 3)


def identification(meter: MeterState, *, is_masked: bool) -> str | None:
    """Return the first line of the newest telegram, which contains a serial number for some makers."""
    if meter.newest is None:
        return None
    text = f"/{meter.newest.readings.identification}"
    return redact_line(text) if is_masked else text


def _meter(meter: MeterState, moment: float) -> MeterView:
    newest, served = meter.newest, meter.served
    power = served.readings.values.get("power_net") if served else None
    return MeterView(
        name=meter.name,
        variant=newest.variant.title if newest else None,
        identification=identification(meter, is_masked=True),
        is_simulated=meter.is_simulated,
        is_connected=meter.is_connected,
        is_fresh=meter.is_fresh(moment),
        age_s=age(meter, moment),
        stale_after_s=meter.stale_after_s,
        interval_s=None if meter.interval_s is None else round(meter.interval_s, 3),
        telegrams=meter.accepted,
        refused={str(reason): count for reason, count in sorted(meter.refused.items())},
        power_net_w=float(power) if isinstance(power, Decimal) else None,
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

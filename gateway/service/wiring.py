"""A configuration → the flow that follows from it, anew whenever the configuration changes.

P1 port ──bytes──► DSMR parser ──readings──► register map ──snapshot──► Modbus server
   └──bytes──► passthrough ◄──telegrams──┘                      status page, which looks at all of them
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.config import Config
from gateway.config.meter import AUTO, MeterConfig
from gateway.config.modbus import ModbusConfig
from gateway.config.passthrough import PassthroughConfig
from gateway.config.status_page import StatusPageConfig
from gateway.files.yaml_file import FileError, Problem
from gateway.lines.serial import SerialLine
from gateway.maps.load import find_map, load_map
from gateway.nodes.control import Control, socket_path
from gateway.nodes.dsmr_parser import GAP_FAST_S, GAP_SLOW_S, DsmrParser
from gateway.nodes.modbus_server import ModbusServer
from gateway.nodes.p1_port import P1Port
from gateway.nodes.register_map import RegisterMapNode
from gateway.protocol.modbus.monitor import Monitor
from gateway.protocol.modbus.responder import Responder, UnitTable
from gateway.protocol.modbus.unit import Unit
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.variants import VARIANTS
from gateway.protocol.registers.register_map import RegisterMap
from gateway.runtime.clock import now, unix_now
from gateway.runtime.description import describe
from gateway.runtime.flow import Flow, Node, Wire
from gateway.runtime.health import Health, assess
from gateway.runtime.observation import ServedUnit, ServedUnits
from gateway.service.node_settings import (
    identification_of,
    p1_connections,
    passthrough_settings,
    server_settings,
    status_page_settings,
)

if TYPE_CHECKING:
    from gateway.nodes.passthrough import Passthrough
    from gateway.nodes.simulated_meter import SimulatedMeterNode
    from gateway.nodes.status_page import StatusPage

Maps = Mapping[str, RegisterMap]
"""Register maps by the name that the configuration gives them."""


class _Source(NamedTuple):
    """A meter, and the nodes that read it."""

    meter: MeterState
    node: P1Port | SimulatedMeterNode
    parser: DsmrParser


def load_maps(config: Config, folder: Path) -> Maps:
    """The register maps of a configuration; paths begin at `folder`.

    Raises:
        FileError: with every fault of all of them.

    """
    maps: dict[str, RegisterMap] = {}
    faults: list[Problem] = []
    for name in sorted({unit.map for server in config.modbus for unit in server.units.values()}):
        try:
            maps[name] = load_map(find_map(name, folder))
        except FileError as error:
            faults += error.faults
    if faults:
        raise FileError(faults)
    return maps


class Wiring:
    """Builds the nodes of a configuration and connects them."""

    def __init__(self, config: Config, maps: Maps, folder: Path) -> None:
        """Build everything.

        Args:
            config: the checked configuration.
            maps: its register maps.
            folder: where paths of certificates begin.

        """
        self._folder = folder
        self._sources: dict[tuple[str, str], _Source] = {}
        self._servers: dict[str, ModbusServer] = {}
        self._passthroughs: dict[tuple[str, str, int], list[Node]] = {}
        self._page: tuple[str, StatusPage] | None = None
        self._monitors: dict[str, Monitor] = {}
        self._control = Control(socket_path(), self._monitors, self.health, self._describe)
        self._nodes: list[Node] = []
        self._wires: list[Wire] = []
        self.served: list[ServedUnits] = []
        """The servers with their units, in the order of the configuration."""
        self.faults: list[str] = []
        """What was wrong with the configuration when it was last read anew, and so was not taken over."""
        self.is_serving = True
        self._started = now()
        self._build(config, maps)
        self.flow = Flow(self._nodes, self._wires)

    @property
    def meters(self) -> dict[str, MeterState]:
        """The meters by name."""
        return {name: source.meter for (name, _), source in self._sources.items()}

    @property
    def servers(self) -> list[ModbusServer]:
        """The Modbus servers, in the order of the configuration."""
        return list(self._servers.values())

    def health(self, *, counts_meters: bool) -> Health:
        """Whether the gateway does its work, and its meters too if they count."""
        return assess(self.flow.nodes, self.meters.values() if counts_meters else (), self._started, now())

    def _describe(self) -> Mapping[str, object]:
        return describe(self.meters, self.flow.nodes, now())

    async def change(self, config: Config, maps: Maps) -> None:
        """Become what another configuration says: meters and servers that are in both keep their connections."""
        self._build(config, maps)
        await self.flow.change(self._nodes, self._wires)

    def _build(self, config: Config, maps: Maps) -> None:
        """Build all nodes that are not there yet, and connect all of them."""
        self._nodes, self._wires, self.served = [], [], []
        self._sources = {
            key: self._sources.get(key) or self._make_source(name, meter)
            for name, meter in config.all_meters().items()
            for key in [(name, _key(meter))]
        }
        for (name, _), source in self._sources.items():
            source.node.label = source.node.kind if len(self._sources) == 1 else f"{source.node.kind} {name}"
            self._connect_source(source)
        by_name = {name: source for (name, _), source in self._sources.items()}
        servers, self._servers = self._servers, {}
        for server in config.modbus:
            key = _key(server, but={"units", "other", "identification"})
            while key in self._servers:  # the system chooses the port of both
                key += "'"
            self._servers[key] = self._add_server(server, maps, by_name, servers.get(key))
        passthroughs, self._passthroughs = self._passthroughs, {}
        for passthrough in config.passthrough:
            source = by_name[passthrough.meter or next(iter(by_name))]
            self._add_passthrough(passthrough, source, passthroughs)
        self._monitors.clear()
        self._monitors.update({server.name: server.responder.monitor for server in self.servers})
        self._add_page(config.status_page)
        self._nodes.append(self._control)

    def _make_source(self, name: str, config: MeterConfig) -> _Source:
        variant = None if config.dsmr_version == AUTO else VARIANTS[config.dsmr_version]
        meter = MeterState(name, variant, config.stale_after, is_simulated=config.simulate)
        lines = p1_connections(config)
        is_slow = all(isinstance(line, SerialLine) and line.is_slow for _, line in lines)
        parser = DsmrParser(f"{name}/parser", meter, GAP_SLOW_S if is_slow else GAP_FAST_S)
        if not config.simulate:
            return _Source(meter, P1Port(f"{name}/port", meter, lines, parser, config.watchdog), parser)
        return _Source(meter, _simulate(name, config, meter, parser), parser)

    def _connect_source(self, source: _Source) -> None:
        node, parser = source.node, source.parser
        node.outputs = [parser]
        parser.outputs, parser.telegram_outputs, parser.watchers = [], [], []
        if isinstance(node, P1Port):
            parser.outputs.append(lambda _received: node.telegram_accepted())
        self._nodes += [node, parser]
        self._wires.append(Wire(node, parser))

    def _add_server(
        self, config: ModbusConfig, maps: Maps, sources: Mapping[str, _Source], server: ModbusServer | None
    ) -> ModbusServer:
        """Add a server, or give the one that is there its units."""
        units: dict[int, Unit] = {}
        served: list[ServedUnit] = []
        feeders: list[RegisterMapNode] = []
        for unit_id, unit_config in config.units.items():
            meter, _, parser = sources[unit_config.meter or next(iter(sources))]
            register_map = maps[unit_config.map]
            unit = Unit(
                register_map, unit_config.on_stale, meter.status_values, shows_test_pattern=unit_config.test_pattern
            )
            feeder = RegisterMapNode(f"{config}/{unit_id}", meter, unit, unit_config.stale_after)
            feeder.label = f"{unit_id}: {register_map.name}"
            if meter.newest:
                feeder.receive(meter.newest)
            parser.outputs.append(feeder.receive)
            self._wires.append(Wire(parser, feeder))
            units[unit_id] = unit
            served.append(ServedUnit(unit_id, meter, unit))
            feeders.append(feeder)
        wired = UnitTable(units, None if config.other is None else units[config.other])
        if server:
            server.responder.rewire(wired, identification_of(config))
        else:
            responder = Responder(wired, identification_of(config), Monitor(), is_serial=config.serial is not None)
            server = ModbusServer(f"modbus {config}", server_settings(config, self._folder), responder)
        self.served.append(ServedUnits(server, tuple(served)))
        self._nodes += [*feeders, server]
        self._wires += [Wire(feeder, server) for feeder in feeders]
        return server

    def _add_passthrough(
        self, config: PassthroughConfig, source: _Source, known: Mapping[tuple[str, str, int], list[Node]]
    ) -> None:
        from gateway.nodes.passthrough import Mode  # noqa: PLC0415 - only where there is one

        key = (source.meter.name, _key(config), id(source.meter))
        while key in self._passthroughs:  # the system chooses the port of both
            key = (key[0], f"{key[1]}'", key[2])
        nodes = self._passthroughs[key] = known.get(key) or self._make_passthrough(config, source)
        passthrough: Passthrough = nodes[0]  # type: ignore[assignment]
        # Before the parser and the register maps: what readers get as it came has nothing to wait for.
        source.node.outputs.insert(0, passthrough)
        if passthrough.settings.mode is Mode.TELEGRAMS:
            source.parser.telegram_outputs.append(passthrough.take)
        self._nodes += nodes
        self._wires.append(
            Wire(source.parser if passthrough.settings.mode is Mode.TELEGRAMS else source.node, nodes[0])
        )
        self._wires += [Wire(passthrough, node) for node in nodes[1:]]

    def _make_passthrough(self, config: PassthroughConfig, source: _Source) -> list[Node]:
        from gateway.nodes.passthrough import Passthrough  # noqa: PLC0415 - only where there is one

        settings = passthrough_settings(config, self._folder)
        line = source.node if settings.is_writable and isinstance(source.node, P1Port) else None
        passthrough = Passthrough(f"passthrough {config}", settings, source.meter, line)
        if not config.announce:
            return [passthrough]
        from gateway.nodes.announcement import Announcement  # noqa: PLC0415 - only where there is one

        return [passthrough, Announcement(f"announcement {config}", passthrough)]

    def _add_page(self, config: StatusPageConfig | None) -> None:
        if config is None:
            self._page = None
            return
        from gateway.nodes.status_page import StatusPage  # noqa: PLC0415 - only where there is one

        key = _key(config)
        if self._page is None or self._page[0] != key:
            settings = status_page_settings(config, self._folder)
            self._page = key, StatusPage(f"status page {config}", settings, self)
        page = self._page[1]
        for source in self._sources.values():
            source.parser.watchers.append(page.watch(source.meter))
            self._wires.append(Wire(source.parser, page))
        self._nodes.append(page)


def _simulate(name: str, config: MeterConfig, meter: MeterState, parser: DsmrParser) -> SimulatedMeterNode:
    from gateway.nodes.simulated_meter import SimulatedMeterNode  # noqa: PLC0415 - only where it is wanted
    from gateway.simulation.feed import Piece, live_telegrams  # noqa: PLC0415
    from gateway.simulation.forms import DEFAULT_VERSION, simulated_meter  # noqa: PLC0415

    version = DEFAULT_VERSION if config.dsmr_version == AUTO else config.dsmr_version

    def simulate() -> Iterator[Piece]:
        return live_telegrams(simulated_meter(version), unix_now, VARIANTS[version].cadence_s)

    return SimulatedMeterNode(f"{name}/port", meter, simulate, parser)


def _key(config: MeterConfig | ModbusConfig | PassthroughConfig | StatusPageConfig, but: set[str] | None = None) -> str:
    """What two configurations have in common exactly when one node serves for both."""
    return config.model_dump_json(exclude=but)

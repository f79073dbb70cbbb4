"""A configuration → the flow that follows from it.

P1 port ──bytes──► DSMR parser ──readings──► register map ──snapshot──► Modbus server
   └──bytes──► passthrough ◄──telegrams──┘
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import Config
from gateway.config.meter import AUTO, MeterConfig
from gateway.config.modbus import ModbusConfig
from gateway.config.passthrough import PassthroughConfig
from gateway.flow import Flow, Node, Wire
from gateway.lines import Line, SerialLine
from gateway.maps import find_map, load_map
from gateway.node_settings import identification_of, lines_of, passthrough_settings, server_settings
from gateway.nodes.control import Control, socket_path
from gateway.nodes.dsmr_parser import GAP_FAST_S, GAP_SLOW_S, DsmrParser
from gateway.nodes.modbus_server import ModbusServer
from gateway.nodes.p1_port import P1Port
from gateway.nodes.register_unit import RegisterUnit
from gateway.protocol.meter import Meter
from gateway.protocol.modbus import Responder, Units
from gateway.protocol.monitor import Monitor
from gateway.protocol.registers import RegisterMap
from gateway.protocol.unit import Unit
from gateway.protocol.variants import VARIANTS

if TYPE_CHECKING:
    from gateway.nodes.simulated_meter import SimulatedMeter

SIMULATED_VERSION = "5"


class Wiring:
    """Builds the nodes of a configuration and connects them."""

    def __init__(self, config: Config, folder: Path) -> None:
        """Build everything.

        Args:
            config: the checked configuration.
            folder: where paths of register maps begin.

        Raises:
            FileError: when a register map cannot be used.

        """
        self._config = config
        self._folder = folder
        self._maps: dict[str, RegisterMap] = {}
        self.meters: dict[str, Meter] = {}
        self._sources: dict[str, P1Port | SimulatedMeter] = {}
        self._parsers: dict[str, DsmrParser] = {}
        self._nodes: list[Node] = []
        self._wires: list[Wire] = []
        for name, meter_config in config.all_meters().items():
            self._add_meter(name, meter_config)
        self.servers = [self._add_server(server) for server in config.modbus]
        for passthrough in config.passthrough:
            self._add_passthrough(passthrough)
        control = Control(socket_path(), {server.name: server.responder.monitor for server in self.servers})
        self.flow = Flow([*self._nodes, control], self._wires)

    def _add_meter(self, name: str, config: MeterConfig) -> None:
        variant = None if config.dsmr_version == AUTO else VARIANTS[config.dsmr_version]
        meter = Meter(name, variant, config.stale_after, is_simulated=config.simulate)
        lines = lines_of(config)
        is_slow = all(isinstance(line, SerialLine) and line.is_slow for _, line in lines)
        parser = DsmrParser(f"{name}/parser", meter, GAP_SLOW_S if is_slow else GAP_FAST_S)
        source = self._source(name, config, meter, lines, parser)
        if isinstance(source, P1Port):
            parser.outputs.append(lambda _received: source.telegram_accepted())
        self.meters[name], self._sources[name], self._parsers[name] = meter, source, parser
        self._nodes += [source, parser]
        self._wires.append(Wire(source, parser))

    def _source(
        self, name: str, config: MeterConfig, meter: Meter, lines: list[tuple[str, Line]], parser: DsmrParser
    ) -> P1Port | SimulatedMeter:
        if not config.simulate:
            return P1Port(f"{name}/port", meter, lines, parser, config.watchdog)
        from gateway.nodes.simulated_meter import SimulatedMeter  # noqa: PLC0415 - only where it is wanted

        version = SIMULATED_VERSION if config.dsmr_version == AUTO else config.dsmr_version
        return SimulatedMeter(f"{name}/port", meter, version, VARIANTS[version].cadence_s, parser)

    def _add_server(self, config: ModbusConfig) -> ModbusServer:
        units: dict[int, Unit] = {}
        feeders: list[RegisterUnit] = []
        for unit_id, unit_config in config.units.items():
            meter = self.meters[unit_config.meter or next(iter(self.meters))]
            register_map = self._map(unit_config.map)
            unit = Unit(
                register_map, unit_config.on_stale, meter.status_values, shows_test_pattern=unit_config.test_pattern
            )
            name = f"{config}/{unit_id}"
            feeder = RegisterUnit(name, meter, unit, unit_config.stale_after)
            parser = self._parsers[meter.name]
            parser.outputs.append(feeder.receive)
            self._wires.append(Wire(parser, feeder))
            units[unit_id] = unit
            feeders.append(feeder)
        other = None if config.other is None else units[config.other]
        responder = Responder(
            Units(units, other), identification_of(config), Monitor(), is_serial=config.serial is not None
        )
        server = ModbusServer(f"modbus {config}", server_settings(config, self._folder), responder)
        self._nodes += [*feeders, server]
        self._wires += [Wire(feeder, server) for feeder in feeders]
        return server

    def _add_passthrough(self, config: PassthroughConfig) -> None:
        from gateway.nodes.passthrough import Mode, Passthrough  # noqa: PLC0415 - only where there is one

        meter = self.meters[config.meter or next(iter(self.meters))]
        source, parser = self._sources[meter.name], self._parsers[meter.name]
        settings = passthrough_settings(config, self._folder)
        line = source if settings.is_writable and isinstance(source, P1Port) else None
        passthrough = Passthrough(f"passthrough {config}", settings, meter, line)
        # Before the parser: what a reader gets as it comes has nothing to wait for.
        source.outputs.insert(0, passthrough)
        if settings.mode is Mode.TELEGRAMS:
            parser.outputs.append(passthrough.take)
        self._nodes.append(passthrough)
        self._wires.append(Wire(parser if settings.mode is Mode.TELEGRAMS else source, passthrough))
        if config.announce:
            from gateway.nodes.announcement import Announcement  # noqa: PLC0415 - only where there is one

            announcement = Announcement(f"announcement {config}", passthrough)
            self._nodes.append(announcement)
            self._wires.append(Wire(passthrough, announcement))

    def _map(self, name: str) -> RegisterMap:
        if name not in self._maps:
            self._maps[name] = load_map(find_map(name, self._folder))
        return self._maps[name]

"""A configuration → the flow that follows from it.

P1 port ──bytes──► DSMR parser ──readings──► register map ──snapshot──► Modbus server
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.clients import Admission
from gateway.config import Config
from gateway.config.meter import AUTO, MeterConfig
from gateway.config.modbus import ModbusConfig
from gateway.config.types import TlsConfig
from gateway.flow import Flow, Node, Wire
from gateway.lines import Line, SerialLine, TcpLine
from gateway.maps import find_map, load_map
from gateway.nodes.control import Control, socket_path
from gateway.nodes.dsmr_parser import GAP_FAST_S, GAP_SLOW_S, DsmrParser
from gateway.nodes.modbus_server import ModbusServer, SerialPort, ServerSettings, Transport
from gateway.nodes.p1_port import P1Port
from gateway.nodes.register_unit import RegisterUnit
from gateway.protocol.identification import Identification
from gateway.protocol.meter import Meter
from gateway.protocol.modbus import Responder, Units
from gateway.protocol.monitor import Monitor
from gateway.protocol.registers import RegisterMap
from gateway.protocol.unit import Unit
from gateway.protocol.variants import FAST_LINE, SLOW_LINE, VARIANTS, SerialSettings

if TYPE_CHECKING:
    from gateway.tls import TlsFiles

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
        self._parsers: dict[str, DsmrParser] = {}
        self._nodes: list[Node] = []
        self._wires: list[Wire] = []
        for name, meter_config in config.all_meters().items():
            self._add_meter(name, meter_config)
        self.servers = [self._add_server(server) for server in config.modbus]
        control = Control(socket_path(), {server.name: server.responder.monitor for server in self.servers})
        self.flow = Flow([*self._nodes, control], self._wires)

    def _add_meter(self, name: str, config: MeterConfig) -> None:
        variant = None if config.dsmr_version == AUTO else VARIANTS[config.dsmr_version]
        meter = Meter(name, variant, config.stale_after, is_simulated=config.simulate)
        lines = _lines(config)
        is_slow = all(isinstance(line, SerialLine) and line.is_slow for _, line in lines)
        parser = DsmrParser(f"{name}/parser", meter, GAP_SLOW_S if is_slow else GAP_FAST_S)
        source = self._source(name, config, meter, lines, parser)
        if isinstance(source, P1Port):
            parser.outputs.append(lambda _received: source.telegram_accepted())
        self.meters[name], self._parsers[name] = meter, parser
        self._nodes += [source, parser]
        self._wires.append(Wire(source, parser))

    def _source(
        self, name: str, config: MeterConfig, meter: Meter, lines: list[tuple[str, Line]], parser: DsmrParser
    ) -> Node:
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
            Units(units, other), _identification(config), Monitor(), is_serial=config.serial is not None
        )
        server = ModbusServer(f"modbus {config}", _settings(config, self._folder), responder)
        self._nodes += [*feeders, server]
        self._wires += [Wire(feeder, server) for feeder in feeders]
        return server

    def _map(self, name: str) -> RegisterMap:
        if name not in self._maps:
            self._maps[name] = load_map(find_map(name, self._folder))
        return self._maps[name]


def _lines(config: MeterConfig) -> list[tuple[str, Line]]:
    """What to open for a meter, with the words for it; both speeds in turn when the version is not known."""
    if config.host:
        return [(f"{config.host}:{config.port}", TcpLine(config.host, int(config.port or 0)))]
    speeds = [FAST_LINE, SLOW_LINE] if config.dsmr_version == AUTO else [VARIANTS[config.dsmr_version].line]
    settings = list(dict.fromkeys(_override(line, config) for line in speeds))
    return [(f"{config.device} {line}", SerialLine(config.device, line)) for line in settings]


def _override(line: SerialSettings, config: MeterConfig) -> SerialSettings:
    given = {key: getattr(config, key) for key in ("baudrate", "bytesize", "parity", "stopbits")}
    return replace(line, **{key: value for key, value in given.items() if value is not None})


def _settings(config: ModbusConfig, folder: Path) -> ServerSettings:
    """What a server is told; paths begin at `folder`."""
    serial = config.serial
    return ServerSettings(
        transport=Transport.SERIAL if serial else Transport(config.transport),
        host=config.address.host,
        port=config.address.port,
        serial=SerialPort(serial.port, SerialSettings(serial.baudrate, serial.bytesize, serial.parity, serial.stopbits))
        if serial
        else None,
        admission=Admission(
            max_clients=config.max_clients,
            allow=tuple(config.allow),
            priority=tuple(config.priority),
            idle_timeout_s=config.idle_timeout,
            tls=_tls(config.tls, folder),
        ),
    )


def _tls(config: TlsConfig | None, folder: Path) -> TlsFiles | None:
    if config is None:
        return None
    from gateway.tls import TlsFiles  # noqa: PLC0415 - only where there is TLS

    return TlsFiles(folder / config.certificate, folder / config.key, config.client_ca and folder / config.client_ca)


def _identification(config: ModbusConfig) -> Identification:
    given = config.identification
    return Identification(
        vendor_name=given.vendor_name,
        product_code=given.product_code,
        revision=given.revision or version("dsmr-modbus-gateway"),
        vendor_url=given.vendor_url,
        product_name=given.product_name,
        model_name=given.model_name,
        user_application_name=given.user_application_name,
    )

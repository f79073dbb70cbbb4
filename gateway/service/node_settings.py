"""From the configuration to the settings of the nodes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.meter import AUTO, MeterConfig
from gateway.config.modbus import DEFAULT_WAIT_S, ModbusConfig, UnitConfig
from gateway.config.passthrough import PassthroughConfig
from gateway.config.push import PushConfig
from gateway.config.status_page import StatusPageConfig
from gateway.config.types import CertificateConfig, TlsConfig
from gateway.lines.line import Line
from gateway.lines.serial import SerialLine
from gateway.lines.tcp import TcpLine
from gateway.nodes.modbus_server import SerialPort, ServerSettings, Transport
from gateway.protocol.modbus.device_identification import Identification
from gateway.protocol.modbus.repeat import Repeat, Repeats
from gateway.protocol.modbus.unit import StatusValues, Unit
from gateway.protocol.p1.variants import FAST_LINE, SLOW_LINE, VARIANTS, SerialSettings
from gateway.protocol.registers.register_map import RegisterMap
from gateway.runtime.clock import unix_now
from gateway.service.source_lines import lines_of
from gateway.transport.addresses import place_of
from gateway.transport.clients import Admission, Eviction
from gateway.version import version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.nodes.passthrough import PassthroughSettings
    from gateway.nodes.push_listener import PushSettings
    from gateway.nodes.simulated_meter import SimulatedMeterNode
    from gateway.nodes.status_page.access import StatusPageSettings
    from gateway.protocol.p1.meter import MeterState
    from gateway.simulation.feed import Piece
    from gateway.transport.tls import TlsFiles


def p1_connections(config: MeterConfig, folder: Path) -> list[tuple[str, Line]]:
    """Return the lines to open for a meter, with their labels; both speeds if the version is unknown.

    Paths in the configuration begin at `folder`.
    """
    if config.host:
        return [(place_of(config.host, int(config.port or 0)), TcpLine(config.host, int(config.port or 0)))]
    speeds = [FAST_LINE, SLOW_LINE] if config.dsmr_version == AUTO else [VARIANTS[config.dsmr_version].line]
    settings = list(dict.fromkeys(_override(line, config) for line in speeds))
    if config.parsed_source:
        return lines_of(config.parsed_source, config, folder, settings)
    return [(f"{config.device} {line}", SerialLine(config.device, line)) for line in settings]


def _override(line: SerialSettings, config: MeterConfig) -> SerialSettings:
    given = {key: getattr(config, key) for key in ("baudrate", "bytesize", "parity", "stopbits")}
    return replace(line, **{key: value for key, value in given.items() if value is not None})


def server_settings(config: ModbusConfig, folder: Path) -> ServerSettings:
    """Return the settings of a server; paths begin at `folder`."""
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
            tls=tls_files(config.tls, folder) if config.tls else None,
        ),
    )


def unit_of(config: UnitConfig, register_map: RegisterMap, status_values: StatusValues) -> Unit:
    """Return the unit of a configuration, without readings yet."""
    return Unit(
        register_map if config.identifiers else register_map.without_identifiers,
        config.on_stale,
        status_values,
        shows_test_pattern=config.test_pattern,
        repeats=None if config.repeat is Repeat.SERVE else Repeats(config.repeat, config.wait_up_to or DEFAULT_WAIT_S),
    )


def passthrough_settings(config: PassthroughConfig, folder: Path) -> PassthroughSettings:
    """Return the settings of a passthrough; paths begin at `folder`."""
    from gateway.nodes.passthrough import Mode, PassthroughSettings  # noqa: PLC0415 - only where there is one

    return PassthroughSettings(
        host=config.listen.host,
        port=config.listen.port,
        mode=Mode(config.mode),
        is_decrypted=config.content == "decrypted",
        is_telnet=config.telnet is not None,
        closes_on_meter_loss=config.on_meter_loss == "close",
        greets_with_newest=config.greet == "newest",
        is_writable=config.writable,
        admission=Admission(
            max_clients=config.max_clients,
            allow=tuple(config.allow),
            eviction=Eviction.OLDEST if config.kick_oldest else Eviction.NOBODY,
            idle_timeout_s=config.idle_timeout,
            tls=tls_files(config.tls, folder) if config.tls else None,
        ),
    )


def push_settings(config: PushConfig, folder: Path) -> PushSettings:
    """Return the settings of a push listener; paths begin at `folder`."""
    from gateway.nodes.push_listener import PushSettings  # noqa: PLC0415 - only where there is one

    tls = tls_files(config.tls, folder) if config.tls else None
    return PushSettings(config.listen.host, config.listen.port, tuple(config.allow), tls)


def status_page_settings(config: StatusPageConfig, folder: Path) -> StatusPageSettings:
    """Return the settings of a status page; paths begin at `folder`."""
    from gateway.nodes.status_page.access import StatusPageSettings  # noqa: PLC0415 - only where there is one

    return StatusPageSettings(
        host=config.listen.host,
        port=config.listen.port,
        is_local=config.is_local,
        password_file=config.password_file and folder / config.password_file,
        allow=tuple(config.allow),
        trust=tuple(config.trust),
        framed_by=tuple(config.framed_by),
        host_names=tuple(config.host_names),
    )


def tls_files(config: CertificateConfig, folder: Path) -> TlsFiles:
    """Return the files of a TLS listener; paths begin at `folder`."""
    from gateway.transport.tls import TlsFiles  # noqa: PLC0415 - only where there is TLS

    client_ca = config.client_ca if isinstance(config, TlsConfig) else None
    return TlsFiles(folder / config.certificate, folder / config.key, client_ca and folder / client_ca)


def identification_of(config: ModbusConfig) -> Identification:
    """Return the device identification of a server."""
    given = config.identification
    return Identification(
        vendor_name=given.vendor_name,
        product_code=given.product_code,
        revision=given.revision or version(),
        vendor_url=given.vendor_url,
        product_name=given.product_name,
        model_name=given.model_name,
        user_application_name=given.user_application_name,
    )


def simulated_meter_node(name: str, config: MeterConfig, meter: MeterState) -> SimulatedMeterNode:
    """Return the node that sends the telegrams of a simulated meter."""
    from gateway.nodes.simulated_meter import SimulatedMeterNode  # noqa: PLC0415 - only where it is wanted
    from gateway.simulation.feed import live_telegrams  # noqa: PLC0415
    from gateway.simulation.forms import DEFAULT_VERSION, simulated_meter  # noqa: PLC0415

    version = DEFAULT_VERSION if config.dsmr_version == AUTO else config.dsmr_version

    def simulate() -> Iterator[Piece]:
        return live_telegrams(simulated_meter(version), unix_now, VARIANTS[version].cadence_s)

    return SimulatedMeterNode(f"{name}/port", meter, simulate)

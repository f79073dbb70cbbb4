"""The flow that follows from a configuration: makes its nodes and connects their outputs.

P1 port ──bytes──► DSMR parser ──readings──► register map ──snapshots──► Modbus server
   │                    ├──telegrams──► passthrough ──where it listens──► announcement
   └──bytes─────────────│───────────────────┘
                        ├──verdicts──► status page
                        └──readings──► MQTT publishers ──messages──► MQTT brokers

A meter that encrypts its telegrams has a decryption between its P1 port and its parser.

After a reload, all nodes whose configuration is the same stay, and all connections are made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.config import Config, Maps
from gateway.config.passthrough import PassthroughConfig
from gateway.config.status_page import StatusPageConfig
from gateway.nodes.control import Control
from gateway.nodes.modbus_server import ModbusServer
from gateway.nodes.p1_port import P1Port
from gateway.nodes.status_page.observation import Excerpt, Reload, ServedReaders, ServedUnits
from gateway.problems.problem import Place, Problem
from gateway.protocol import crc16
from gateway.protocol.modbus.advice import advice_text, advise
from gateway.protocol.modbus.monitor import Exchange, Monitor
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import now
from gateway.runtime.flow import Flow, Node
from gateway.runtime.health import Health, assess
from gateway.runtime.memory import collect_seldom
from gateway.runtime.report_data import describe
from gateway.service.node_settings import (
    passthrough_settings,
    push_settings,
    status_page_settings,
)
from gateway.service.own_sources import describe_sources
from gateway.service.reload_record import ReloadRecord
from gateway.service.servers import Servers, key_of, numbered
from gateway.service.sources import Source, connect_passthrough, connect_posts, make_source
from gateway.service.state_folder import state_folder
from gateway.transport.control_socket import socket_path

if TYPE_CHECKING:
    from gateway.nodes.announcement import Announcement
    from gateway.nodes.passthrough import Passthrough
    from gateway.nodes.push_listener import PushListener
    from gateway.nodes.status_page.node import StatusPage
    from gateway.service.audit_log import AuditLog
    from gateway.service.fleet import Fleet
    from gateway.service.log_settings import LogSettings
    from gateway.service.secret_files import SecretFiles

MANY_METERS = 20
"""Number of meters from which on checksums are computed by a library."""


class _Offer(NamedTuple):
    """A passthrough, and its announcement where it is configured."""

    passthrough: Passthrough
    announcement: Announcement | None


class Wiring:
    """The nodes of a configuration, with their connections."""

    def __init__(self, config: Config, maps: Maps, folder: Path) -> None:
        """Make and connect the nodes.

        Args:
            config: the validated configuration.
            maps: its register maps.
            folder: the folder where relative paths begin.

        """
        self._folder = folder
        self._sources: dict[tuple[str, str], Source] = {}
        self._servers = Servers(folder)
        self._offers: dict[tuple[tuple[str, int], int], _Offer] = {}
        self._push: tuple[str, PushListener] | None = None
        self._fleet: Fleet | None = None
        self._page: tuple[str, StatusPage] | None = None
        self._monitors: dict[str, Monitor] = {}
        self.reloads = ReloadRecord()
        self.control = Control(
            socket_path(),
            self._monitors,
            self.health,
            self._describe,
            self._advise,
            sources=self._describe_sources,
            reload=self.reloads.ask,
        )
        self._nodes: list[Node] = []
        self.configured = config, maps
        self.problems: Sequence[Problem] = ()
        """The problems of the configuration at the last reload, which therefore changed nothing."""
        self.excerpts: Mapping[Place, Excerpt] = {}
        """The lines of the files around these problems."""
        self.secrets: SecretFiles | None = None
        self.audit: AuditLog | None = None
        self.log_settings: LogSettings | None = None
        self.is_serving = True
        self._started = now()
        self._build(config, maps)
        self.flow = Flow(self._nodes)

    @property
    def meters(self) -> dict[str, MeterState]:
        """Return the meters by name."""
        return {name: source.meter for (name, _), source in self._sources.items()}

    @property
    def servers(self) -> list[ModbusServer]:
        """Return the Modbus servers, in the order of the configuration."""
        return self._servers.all

    @property
    def served(self) -> Sequence[ServedUnits]:
        """Return the servers with their units, in the order of the configuration."""
        return self._servers.served

    @property
    def readers(self) -> Sequence[ServedReaders]:
        """Return the passthroughs with their readers."""
        passthroughs = [offer.passthrough for offer in self._offers.values()]
        return [ServedReaders(each.name, each.meter, each.clients) for each in passthroughs]

    @property
    def lines(self) -> Mapping[str, Node]:
        """Return the node that reads each meter, by the name of the meter."""
        return {name: source.node for (name, _), source in self._sources.items()}

    @property
    def warnings(self) -> Sequence[Problem]:
        """Return what has to be done soon about files that the configuration names."""
        return [warning for each in (self.secrets, self.audit) if each for warning in each.warnings]

    @property
    def reloaded(self) -> Reload | None:
        """Return the last reload; None before the first."""
        return self.reloads.last

    @property
    def reload_counts(self) -> Mapping[str, int]:
        """Return the number of reloads by result."""
        return self.reloads.counts

    def main_fuse(self, meter: str) -> int | None:
        """Return the current of the main fuse of a meter in A, None where it is not configured."""
        config = self.configured[0].all_meters().get(meter)
        return config.main_fuse if config else None

    @property
    def exports_readings(self) -> bool:
        """Return whether the metrics have the readings of the meters."""
        return self.configured[0].metrics.readings

    def health(self, *, counts_meters: bool) -> Health:
        """Return the health of the gateway, including that of its meters if `counts_meters`."""
        meters = self.meters.values() if counts_meters else ()
        return assess(self.flow.nodes, meters, self._started, now(), self.reloads.refused)

    def _describe(self) -> Mapping[str, object]:
        return describe(self.meters, self.flow.nodes, now())

    def _describe_sources(self) -> Mapping[str, object]:
        return describe_sources(self.configured[0], self.meters, now())

    def _advise(self, server: str, exchange: Exchange) -> str:
        """Return the likely mistake in a request to the server of that name; an empty text if there is none."""
        units = next((each.units for each in self.servers if each.name == server), None)
        advice = advise(exchange, units) if units else None
        return advice_text(advice, exchange) if advice else ""

    async def change(self, config: Config, maps: Maps) -> None:
        """Take over another configuration; meters and servers that are in both stay connected."""
        self.configured = config, maps
        self._build(config, maps)
        await self.flow.change(self._nodes)

    def _build(self, config: Config, maps: Maps) -> None:
        """Make the nodes that do not exist yet, and connect all nodes.

        The order of the nodes is the order in which they start. The receivers of an output are called in the order
        in which they are connected: the readers of a passthrough get bytes before the parser works on them.
        """
        for node in self._nodes:
            node.disconnect()
        self._nodes = []
        state = state_folder(config, self._folder)
        self._sources = {
            key: self._sources.get(key) or make_source(name, meter, self._folder, state)
            for name, meter in config.all_meters().items()
            for key in [(name, key_of(meter, but={"main_fuse"}))]
        }
        by_name = {name: source for (name, _), source in self._sources.items()}
        collect_seldom(len(by_name))
        if len(by_name) >= MANY_METERS:
            crc16.use_library()
        for source in self._sources.values():
            self._nodes += source.nodes
        self._connect_push(config, by_name)
        self._connect_passthroughs(config.passthrough, by_name)
        for name, source in by_name.items():
            source.node.label = source.title if len(by_name) == 1 else f"{source.title} {name}"
            source.connect()
        self._nodes += self._servers.connect(config.modbus, maps, by_name)
        self._monitors.clear()
        self._monitors.update({server.name: server.responder.monitor for server in self.servers})
        self._nodes += [node for offer in self._offers.values() for node in offer if node]
        self._connect_fleet(config, by_name)
        self._connect_page(config.status_page)
        self._nodes.append(self.control)

    def _connect_passthroughs(self, configs: list[PassthroughConfig], sources: Mapping[str, Source]) -> None:
        known, self._offers = self._offers, {}
        chosen = [sources[config.meter or next(iter(sources))] for config in configs]
        # A meter that was configured again is another object, and its passthrough another node.
        keys = numbered((key_of(config), id(source.meter)) for config, source in zip(configs, chosen, strict=True))
        for key, config, source in zip(keys, configs, chosen, strict=True):
            offer = self._offers[key] = known.get(key) or self._make_offer(config, source)
            connect_passthrough(offer.passthrough, source)
            if offer.announcement:
                offer.passthrough.listening.connect(offer.announcement, offer.announcement.port_opened)

    def _make_offer(self, config: PassthroughConfig, source: Source) -> _Offer:
        from gateway.nodes.passthrough import Passthrough  # noqa: PLC0415 - only where there is one

        settings = passthrough_settings(config, self._folder)
        line = source.node if settings.is_writable and isinstance(source.node, P1Port) else None
        passthrough = Passthrough(f"passthrough {config}", settings, source.meter, line, source.serial_settings)
        if not config.announce:
            return _Offer(passthrough, None)
        from gateway.nodes.announcement import Announcement  # noqa: PLC0415 - only where there is one

        return _Offer(passthrough, Announcement(f"announcement {config}", source.meter.name, settings.stack))

    def _connect_push(self, config: Config, sources: Mapping[str, Source]) -> None:
        if config.push is None:
            self._push = None
            return
        from gateway.nodes.push_listener import PushListener  # noqa: PLC0415 - only where there is one

        key = key_of(config.push)
        if self._push is None or self._push[0] != key:
            self._push = key, PushListener(f"push {config.push}", push_settings(config.push, self._folder))
        connect_posts(self._push[1], config, sources, self._folder)
        self._nodes.append(self._push[1])

    def _connect_fleet(self, config: Config, sources: Mapping[str, Source]) -> None:
        self.prepare(config)
        if self._fleet:
            self._nodes += self._fleet.connect(config, sources)

    def prepare(self, config: Config) -> None:
        """Do what may take long before a configuration is taken over; a reload calls this outside of the loop."""
        if config.mqtt:
            from gateway.service.fleet import Fleet  # noqa: PLC0415 - only where there are brokers

            self._fleet = self._fleet or Fleet(self._folder)
            self._fleet.count_start(config)

    def _connect_page(self, config: StatusPageConfig | None) -> None:
        if config is None:
            self._page = None
            return
        from gateway.nodes.status_page.node import StatusPage  # noqa: PLC0415 - only where there is one

        key = f"{key_of(config)} {self.configured[0].state_dir}"
        if self._page is None or self._page[0] != key:
            settings = status_page_settings(config, self._folder)
            kept_in = state_folder(self.configured[0], self._folder)
            self._page = key, StatusPage(f"status page {config}", settings, self, kept_in)
        page = self._page[1]
        for source in self._sources.values():
            source.parser.verdicts.connect(page, page.watch(source.meter))
        self._nodes.append(page)

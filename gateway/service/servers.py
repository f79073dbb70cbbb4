"""The Modbus servers of a configuration with their units, which stay at a reload as far as nothing of them changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from gateway.config import Maps, map_of
from gateway.config.modbus import ModbusConfig, UnitConfig
from gateway.nodes.modbus_server import ModbusServer
from gateway.nodes.register_map import RegisterMapNode
from gateway.nodes.status_page.observation import ServedUnit, ServedUnits
from gateway.protocol.modbus.device_identification import Identification
from gateway.protocol.modbus.monitor import Monitor
from gateway.protocol.modbus.responder import Responder, UnitTable
from gateway.protocol.modbus.unit import Unit
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.status_values import status_values
from gateway.protocol.registers.register_map import RegisterMap
from gateway.runtime.flow import Node
from gateway.service.node_settings import identification_of, server_settings, unit_of
from gateway.service.sources import Source

K = TypeVar("K", bound=Hashable)
ServerKey = tuple[str, int]
"""A text that is the same for two servers that one node can serve, and the number of equal ones before it."""


class _Fed(NamedTuple):
    """A unit with the node that makes its registers, and what both are made from."""

    config: UnitConfig
    meter: MeterState
    register_map: RegisterMap
    unit: Unit
    feeder: RegisterMapNode


class Servers:
    """The Modbus servers and their units."""

    def __init__(self, folder: Path) -> None:
        """Begin without servers; relative paths in their configuration begin at `folder`."""
        self._folder = folder
        self._servers: dict[ServerKey, ModbusServer] = {}
        self._units: dict[tuple[ServerKey, int], _Fed] = {}
        self._maps: Maps = {}
        self.served: list[ServedUnits] = []
        """The servers with their units, in the order of the configuration."""

    @property
    def all(self) -> list[ModbusServer]:
        """Return the servers, in the order of the configuration."""
        return list(self._servers.values())

    def connect(self, configs: Sequence[ModbusConfig], maps: Maps, sources: Mapping[str, Source]) -> list[Node]:
        """Make the servers and units that do not exist yet, connect all, and return their nodes in their order."""
        known, self._servers, self.served = self._servers, {}, []
        units, self._units = self._units, {}
        self._maps = {name: _kept(self._maps.get(name), each) for name, each in maps.items()}
        nodes: list[Node] = []
        keys = numbered(key_of(config, but={"units", "other", "identification"}) for config in configs)
        for key, config in zip(keys, configs, strict=True):
            fed = {}
            for unit_id, unit in config.units.items():
                source = sources[unit.meter or next(iter(sources))]
                fed[unit_id] = self._feed(config, unit_id, source, units.get((key, unit_id)))
                self._units[key, unit_id] = fed[unit_id]
            server = self._servers[key] = self._serve(config, fed, known.get(key))
            nodes += [*(each.feeder for each in fed.values()), server]
        return nodes

    def _feed(self, server: ModbusConfig, unit_id: int, source: Source, known: _Fed | None) -> _Fed:
        """Connect a unit with its meter; it is the one before if nothing of it has changed."""
        config, meter = server.units[unit_id], source.meter
        register_map = map_of(self._maps, unit_id, config)
        fed = known
        if not (fed and fed.config == config and fed.meter is meter and fed.register_map is register_map):
            unit = unit_of(config, register_map, partial(status_values, meter))
            feeder = RegisterMapNode(f"{server}/{unit_id}", meter, unit, config.stale_after)
            feeder.label = f"{unit_id}: {register_map.name}"
            fed = _Fed(config, meter, register_map, unit, feeder)
        source.parser.readings.connect(fed.feeder, fed.feeder.receive)
        source.parser.drafts.connect(fed.feeder, fed.feeder.prepare)
        return fed

    def _serve(self, config: ModbusConfig, fed: Mapping[int, _Fed], server: ModbusServer | None) -> ModbusServer:
        """Make a server with its units, or give an existing one its new units."""
        units = {unit_id: each.unit for unit_id, each in fed.items()}
        table = UnitTable(units, None if config.other is None else units[config.other])
        known = server.responder if server else None
        if server is None:
            responder = Responder(table, identification_of(config), Monitor(), is_serial=config.serial is not None)
            server = ModbusServer(f"modbus {config}", server_settings(config, self._folder), responder)
        for each in fed.values():
            each.feeder.snapshots.connect(server, each.unit)
            if each.meter.served and each.unit.snapshot is None:
                each.feeder.receive(each.meter.served)
        if known:
            _replace_units(known, table, identification_of(config))
        self.served.append(
            ServedUnits(server, tuple(ServedUnit(unit_id, each.meter, each.unit) for unit_id, each in fed.items()))
        )
        return server


def _kept(before: RegisterMap | None, after: RegisterMap) -> RegisterMap:
    """Return the map before a reload if the files of the map are the same."""
    if before and before.digest and (before.digest, before.settings) == (after.digest, after.settings):
        return before
    return after


def _replace_units(responder: Responder, units: UnitTable, identification: Identification) -> None:
    """Give a responder its units after a reload, if they are others; they have their readings already."""
    before = responder.units
    is_same = units.by_id == before.by_id and units.wired == before.wired
    if is_same and identification == responder.identification:
        return
    for unit_id in units.wired:
        unit, replaced = units.by_id[unit_id], before.by_id[unit_id]
        if unit and replaced and unit is not replaced and unit_id in before.wired:
            unit.succeed(replaced)
    responder.rewire(units, identification)


def key_of(config: BaseModel, but: set[str] | None = None) -> str:
    """Return a text that is the same for two configurations exactly when one node can serve both."""
    return config.model_dump_json(exclude=but)


def numbered(keys: Iterable[K]) -> Iterator[tuple[K, int]]:
    """Yield each key with the number of equal keys before it.

    Two listeners may be configured alike where the system chooses the ports (port 0).
    """
    seen: Counter[K] = Counter()
    for key in keys:
        yield key, seen[key]
        seen[key] += 1

"""The gateway as those see it who show it: the status page, its metrics and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.protocol.modbus.responder import Responder
from gateway.protocol.modbus.unit import Unit
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.flow import Flow
from gateway.runtime.health import Health
from gateway.transport.clients import Admission


class Device(Protocol):
    """A serial line."""

    @property
    def device(self) -> str:
        """Its name in the system."""


class Listening(Protocol):
    """Where a server listens."""

    @property
    def transport(self) -> str:
        """tcp, rtu_over_tcp, udp or serial."""

    @property
    def host(self) -> str:
        """Empty for all addresses of the machine."""

    @property
    def serial(self) -> Device | None:
        """None for a server on the network."""

    @property
    def admission(self) -> Admission:
        """Who is served."""


class ConnectedClient(Protocol):
    """A client that is connected."""

    @property
    def name(self) -> str:
        """Its address, as the monitor has it."""

    @property
    def role(self) -> str:
        """From its certificate."""


class ObservedServer(Protocol):
    """A Modbus server."""

    @property
    def name(self) -> str:
        """The node's."""

    @property
    def settings(self) -> Listening:
        """Where it listens."""

    @property
    def port(self) -> int:
        """The port that it really listens on."""

    @property
    def responder(self) -> Responder:
        """What it answers with."""

    @property
    def clients(self) -> Iterable[ConnectedClient]:
        """Those connected."""


@dataclass(frozen=True, slots=True)
class ServedUnit:
    """A unit id of a server."""

    unit_id: int
    meter: MeterState
    unit: Unit


@dataclass(frozen=True, slots=True)
class ServedUnits:
    """A server with its units."""

    server: ObservedServer
    units: tuple[ServedUnit, ...]


class Gateway(Protocol):
    """Everything there is to see; it changes when the configuration does."""

    @property
    def flow(self) -> Flow:
        """Nodes and wires."""

    @property
    def meters(self) -> Mapping[str, MeterState]:
        """By name."""

    @property
    def served(self) -> Sequence[ServedUnits]:
        """The servers, in the order of the configuration."""

    @property
    def faults(self) -> Sequence[str]:
        """What is wrong with the configuration as it stands in its file."""

    @property
    def is_serving(self) -> bool:
        """False where the configuration cannot be used at all."""

    def health(self, *, counts_meters: bool) -> Health:
        """Whether it does its work, and its meters too if they count."""

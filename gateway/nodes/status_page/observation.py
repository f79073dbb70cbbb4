"""The part of the gateway that the status page reads, as protocols that the wiring and the nodes implement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.problems.problem import Place, Problem
from gateway.protocol.modbus.responder import Responder
from gateway.protocol.modbus.unit import Unit
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.variants import SerialSettings
from gateway.runtime.flow import Flow, Node
from gateway.runtime.health import Health
from gateway.transport.clients import Admission


class Device(Protocol):
    """A serial line."""

    @property
    def device(self) -> str:
        """Return the path of the device."""

    @property
    def line(self) -> SerialSettings:
        """Return speed and format."""


class ListenSettings(Protocol):
    """The settings of a Modbus server."""

    @property
    def transport(self) -> str:
        """Return `tcp`, `rtu_over_tcp`, `udp` or `serial`."""

    @property
    def host(self) -> str:
        """Return the address to listen on, empty for all."""

    @property
    def serial(self) -> Device | None:
        """Return the serial line; None for a server on the network."""

    @property
    def admission(self) -> Admission:
        """Return the rules for accepting clients."""


class ConnectedReader(Protocol):
    """A connected reader of a passthrough, or a connected client."""

    @property
    def name(self) -> str:
        """Return its address and port; for a client, as in the monitor."""


class ConnectedClient(ConnectedReader, Protocol):
    """A connected client."""

    @property
    def role(self) -> str:
        """Return the role in the certificate of the client; empty without one."""


class ObservedServer(Protocol):
    """A Modbus server."""

    @property
    def name(self) -> str:
        """Return the name of the node."""

    @property
    def settings(self) -> ListenSettings:
        """Return the settings."""

    @property
    def port(self) -> int:
        """Return the port that the server listens on, also where the system chose it."""

    @property
    def responder(self) -> Responder:
        """Return the responder, with the units and the monitor."""

    @property
    def clients(self) -> Iterable[ConnectedClient]:
        """Return the connected clients."""


@dataclass(frozen=True, slots=True)
class ServedUnit:
    """A unit id of a server, with its meter."""

    unit_id: int
    meter: MeterState
    unit: Unit


@dataclass(frozen=True, slots=True)
class ServedUnits:
    """A server with its units."""

    server: ObservedServer
    units: tuple[ServedUnit, ...]


@dataclass(frozen=True, slots=True)
class ServedReaders:
    """A passthrough with its meter and its readers."""

    name: str
    """Name of the node."""
    meter: MeterState
    clients: Iterable[ConnectedReader]
    """The connected readers, as they are at the time of the iteration."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The lines of a file around a problem."""

    lines: tuple[tuple[int, str], ...]
    """Each with its number, from 1."""
    length: int
    """Number of characters of the word at the place of the problem."""


@dataclass(frozen=True, slots=True)
class Reload:
    """The result of a reload."""

    at: float
    """Time in unix seconds."""
    is_applied: bool
    """False when the reload was refused, and nothing has changed."""
    changes: tuple[str, ...] = ()
    """A text for each change."""


class Gateway(Protocol):
    """The running gateway. A reload changes what the properties return."""

    @property
    def flow(self) -> Flow:
        """Return the nodes and wires."""

    @property
    def meters(self) -> Mapping[str, MeterState]:
        """Return the meters by name."""

    @property
    def served(self) -> Sequence[ServedUnits]:
        """Return the servers with their units, in the order of the configuration."""

    @property
    def readers(self) -> Sequence[ServedReaders]:
        """Return the passthroughs with their readers."""

    @property
    def lines(self) -> Mapping[str, Node]:
        """Return the node that reads each meter, by the name of the meter."""

    @property
    def problems(self) -> Sequence[Problem]:
        """Return the problems of the configuration file as it is now."""

    @property
    def excerpts(self) -> Mapping[Place, Excerpt]:
        """Return the lines of the files around the problems, by their places; not all problems have some."""

    @property
    def warnings(self) -> Sequence[Problem]:
        """Return what has to be done soon, such as to renew a certificate."""

    @property
    def reloaded(self) -> Reload | None:
        """Return the last reload; None before the first."""

    @property
    def reload_counts(self) -> Mapping[str, int]:
        """Return the number of reloads by result."""

    @property
    def exports_readings(self) -> bool:
        """Return whether the metrics have the readings of the meters."""

    @property
    def is_serving(self) -> bool:
        """Return False while the configuration cannot be used."""

    def main_fuse(self, meter: str) -> int | None:
        """Return the current of the main fuse of a meter in A, None where it is not configured."""

    def health(self, *, counts_meters: bool) -> Health:
        """Return the health of the gateway, with that of its meters if `counts_meters`."""

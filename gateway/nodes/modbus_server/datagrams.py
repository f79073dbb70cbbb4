"""All clients over UDP."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.nodes.modbus_server.connections import ModbusConnection
from gateway.nodes.modbus_server.hold import Hold
from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.repeat import HeldRequest
from gateway.protocol.modbus.tcp import respond_datagram
from gateway.runtime.clock import now
from gateway.transport.addresses import name_peer

MAX_HELD = 256
"""Largest number of requests that are held back; beyond it, the oldest gets no response."""


class Datagrams(ModbusConnection, asyncio.DatagramProtocol):
    """All clients over UDP; each datagram is one request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._datagrams: Any = transport
        self._is_full = False
        self._holds: dict[tuple[Any, ...], Hold] = {}
        """The requests that are held back, by the address of the client, the unit and the registers."""

    def pause_writing(self) -> None:
        """Drop responses from now on: the network takes no more."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Send responses again."""
        self._is_full = False

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Respond to a datagram, if it is one request of a client that is allowed."""
        address, name = name_peer(*addr[:2])
        if not self._host.clients.is_allowed(address):
            return
        moment = now()
        self._respond(data, addr, self._host.responder.monitor.client(name, moment), moment)

    def _respond(self, data: bytes, addr: tuple[Any, ...], client: CountedClient, moment: float) -> None:
        client.held = None
        response = respond_datagram(data, self._host.responder, moment, client)
        if client.held:
            self._hold_back(client.held, data, addr, client)
        if response and not self._is_full:
            self._datagrams.sendto(response, addr)

    def _hold_back(self, held: HeldRequest, waiting: bytes, addr: tuple[Any, ...], client: CountedClient) -> None:
        """Keep a request. If a client sends one again while it waits, only the newest gets the response."""
        key = addr, held.repeats, held.asked

        def go_on() -> None:
            self._holds.pop(key, None)
            self._respond(waiting, addr, client, now())

        before = self._holds.pop(key, None)
        if before:
            before.cancel()
            held.until = before.held.until
        elif len(self._holds) >= MAX_HELD:
            self._holds.pop(next(iter(self._holds))).cancel()
        self._holds[key] = Hold(held, go_on)

    def error_received(self, exc: Exception) -> None:
        """Ignore that a client is gone."""

    def close(self) -> None:
        """Close the socket."""
        for hold in self._holds.values():
            hold.cancel()
        self._datagrams.close()

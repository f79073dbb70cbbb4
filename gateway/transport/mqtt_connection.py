"""A connection to an MQTT broker: messages are decoded here, and paho-mqtt reads and writes the rest like a socket.

paho gets whole packets, one at a time, and what it sends goes out at once or waits in the transport.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTProtocolVersion

from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.runtime.clock import now
from gateway.transport.mqtt_message import PUBACK, PUBLISH, Message, Refusal, decode, decode_acknowledgement
from gateway.transport.mqtt_packets import MAX_PACKET_BYTES, NotMqttError, Packets
from gateway.transport.socket_options import wait_a_turn, watch_peer

KEEPALIVE_S = 5
"""Time after which a broker takes a client without any packet for gone, and half as much again."""
PING_EVERY_S = 1.0
MAX_OPEN_PINGS = 3
"""Number of pings without a response after which a broker counts as gone."""
READ_BYTES = 16_384
MAX_UNSENT_BYTES = 65_536
"""Number of bytes that may wait for a broker which does not read, before nothing more is published."""

_PINGREQ, _DISCONNECT = b"\xc0\x00", b"\xe0\x00"
_DISCONNECT_WITH_WILL = b"\xe0\x01\x04"
"""Disconnect with reason code 4: the broker publishes the will (MQTT 5.0, 3.14.2.1)."""
_PINGRESP = 0xD0
_CONNACK = 0x20
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has the option

NOT_MQTT = problem_of(
    "not-mqtt",
    "the other end is not an MQTT broker, or not with these settings",
    "Is the port correct? Most brokers have 1883, and 8883 with mqtts://",
    short="not an MQTT broker",
)
MALFORMED = problem_of(
    "mqtt-malformed",
    "the broker sent a packet that breaks the rules of MQTT",
    "Look in the log of the broker, and update it",
    short="the broker sent a malformed packet",
)


class PahoClient(Client):
    """paho's client over a connection that exists already."""

    connection: Any

    def _create_socket(self) -> Any:
        return self.connection


class Takers(NamedTuple):
    """The functions that take what a broker sends."""

    message: Callable[[Message], None]
    skipped: Callable[[int], None]
    """Takes the size of a message that is too long and is not read."""
    acknowledgement: Callable[[int, int], None]
    """Takes the number of a message that was published with QoS 1, and the broker's reason code."""


class Connection(asyncio.BufferedProtocol):
    """A connection to a broker, which paho uses like a socket."""

    def __init__(self, takers: Takers, max_per_s: int) -> None:
        loop = asyncio.get_running_loop()
        self._takers, self._max_per_s = takers, max_per_s
        self._packets = Packets()
        self._packet = b""
        self.is_new = False
        """True if MQTT 5 is spoken."""
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._paho: PahoClient | None = None
        self._transport: asyncio.Transport | None = None
        self._socket: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._open_pings: deque[float] = deque()
        """The moments at which pings without a response were sent."""
        self.ping_moment = float("-inf")
        """The moment at which the newest ping with a response was sent. Responses come in the order of messages, so
        the broker has sent every message since that response after this moment."""
        self._last_full = float("-inf")
        """The moment of the newest read that filled the buffer: responses may wait here, behind other packets."""
        self._is_first = True
        self._count = self._counted_since = 0.0
        self.closed: asyncio.Future[Exception | None] = loop.create_future()
        self.login: asyncio.Future[Any] = loop.create_future()
        """The broker's reason code in response to the login."""
        self.subscription: asyncio.Future[list[Any]] = loop.create_future()
        """The broker's reason codes in response to the newest subscription."""

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._socket = transport.get_extra_info("socket")
        watch_peer(self._socket)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return where to read to."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Give paho the packets that end in what was read."""
        assert self._transport
        if nbytes == READ_BYTES:
            self._last_full = now()
            wait_a_turn(self._transport, self._go_on)
        self._acknowledge_at_once()
        # A web server's response could look like the beginning of a long packet.
        if self._is_first and self._buffer[0] != _CONNACK:
            self.finish(NOT_MQTT)
            return
        self._is_first = False
        try:
            for packet in self._packets.feed(self._buffer[:nbytes]):
                self._take(packet)
                if self.closed.done():
                    return
        except NotMqttError:
            self._refuse(Refusal.MALFORMED)

    def connection_lost(self, exc: Exception | None) -> None:
        """End `closed`, with the error if there is one."""
        self._end(exc)
        # asyncio's TLS refers to this connection. Without that cycle its buffers, 256 KiB, are freed at once.
        self._transport = None

    # What paho calls

    def recv(self, size: int) -> bytes:
        """Return the next bytes of the packet that paho reads."""
        if not self._packet:
            raise BlockingIOError
        data, self._packet = self._packet[:size], self._packet[size:]
        return data

    def send(self, data: bytes) -> int:
        """Send a packet of paho; after the connection is lost, drop it."""
        if self._transport:
            self._transport.write(bytes(data))
        return len(data)

    def setblocking(self, _flag: bool) -> None:
        """Do nothing: this never blocks."""

    def close(self) -> None:
        """Do nothing: `buffer_updated` sees that paho has given up the connection."""

    # What the client calls

    def begin(self, paho: PahoClient, host: str, port: int) -> None:
        """Log in."""
        self._paho = paho
        self.is_new = paho.protocol == MQTTProtocolVersion.MQTTv5
        paho.connection = self
        paho.connect_async(host, port, KEEPALIVE_S)
        paho.reconnect()

    def begin_pings(self) -> None:
        """Expect a response to a ping each second from now on."""
        if not self.closed.done():
            self._timer = asyncio.get_running_loop().call_later(PING_EVERY_S, self._ping)

    @property
    def has_room(self) -> bool:
        """Return whether more may be published."""
        transport = self._transport  # one that has failed is closed before `closed` is done
        return (
            transport is not None
            and not transport.is_closing()
            and transport.get_write_buffer_size() < MAX_UNSENT_BYTES
        )

    def finish(self, problem: Problem | None = None, *, with_will: bool = False) -> None:
        """Close at once, for a reason if there is one; the broker publishes the will only if `with_will`."""
        self._end(ProblemError(problem) if problem else None)
        # A broker of MQTT 3.1.1 publishes the will when the connection ends without a word.
        self._leave((_DISCONNECT_WITH_WILL if self.is_new else b"") if with_will else _DISCONNECT)

    def _refuse(self, refusal: Refusal) -> None:
        """Close because of a packet that cannot be used; the broker gets the reason if it speaks MQTT 5."""
        is_logged_in = self.login.done()
        self._end(ProblemError(MALFORMED if is_logged_in else NOT_MQTT))
        self._leave(b"\xe0\x01%c" % refusal if self.is_new and is_logged_in else b"")

    def _leave(self, last: bytes) -> None:
        """Close at once, with a last packet if there is one."""
        if self._transport:
            if last and not self._transport.is_closing():
                self._transport.write(last)
            self._transport.abort()

    def _ping(self) -> None:
        is_behind = now() - self._last_full < PING_EVERY_S
        if len(self._open_pings) >= MAX_OPEN_PINGS and not is_behind:
            self.finish(no_response(MAX_OPEN_PINGS * PING_EVERY_S))
            return
        self._open_pings.append(now())
        self.send(_PINGREQ)
        self.begin_pings()

    def _end(self, error: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(error)

    def _go_on(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def _acknowledge_at_once(self) -> None:
        """Let the kernel acknowledge what was read: a broker that waits for that sends up to 40 ms later."""
        if _QUICK_ACK is not None:
            with suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def _take(self, packet: bytes | int) -> None:
        if isinstance(packet, int):
            self._count_packet(packet)
            self._takers.skipped(packet)
            return
        kind = packet[0] & 0xF0
        if kind != PUBACK:
            self._count_packet(1)
        if not self.login.done() and kind != _CONNACK:
            self._refuse(Refusal.PROTOCOL_ERROR)
        elif kind == PUBLISH:
            message = decode(packet, is_new=self.is_new)
            if isinstance(message, Message):
                self._takers.message(message)
            else:
                self._refuse(message)
        elif kind == PUBACK:
            found = decode_acknowledgement(packet, is_new=self.is_new)
            if isinstance(found, Refusal):
                self._refuse(found)
            else:
                self._takers.acknowledgement(*found)
        elif kind == _PINGRESP:
            if self._open_pings:
                self.ping_moment = self._open_pings.popleft()
        else:
            self._give(packet)

    def _give(self, packet: bytes) -> None:
        """Let paho read a packet."""
        assert self._paho
        self._packet = packet
        try:
            self._paho.loop_read()
            if self._paho.want_write():
                self._paho.loop_write()
        # paho raises these where the fields of a packet do not fit its length.
        except (ValueError, IndexError, KeyError, struct.error):
            self._refuse(Refusal.MALFORMED)
            return
        if self._paho.socket() is None:
            self._refuse(Refusal.PROTOCOL_ERROR)

    def _count_packet(self, size: int) -> None:
        """Close if too much comes within a second; a skipped message counts as many as would fill it."""
        moment = now()
        if moment - self._counted_since >= 1.0:
            self._count, self._counted_since = 0.0, moment
        self._count += 1 + size // MAX_PACKET_BYTES
        limit = self._max_per_s
        if self._count > limit:
            what = f"more than {limit} messages within a second"
            hint = "Only the telegrams of one meter may be published on its topic"
            self.finish(problem_of("mqtt-flood", what, hint, short="too many messages on the topic"))


def no_response(limit_s: float) -> Problem:
    """Return that a broker does not respond within `limit_s` seconds."""
    what = f"the broker does not respond for {limit_s:.0f} s"
    return problem_of("mqtt-no-response", what, "Is the broker busy or stopped?", short=what, seconds=round(limit_s))

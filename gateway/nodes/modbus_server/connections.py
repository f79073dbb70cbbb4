"""The connections of a Modbus server: one per TCP client, one for a serial line; `datagrams` has the one for UDP.

A connection gives received bytes to its framing (`gateway.protocol.modbus`), which returns the responses and how many
bytes it used, and writes the responses. Everything else here is about clients that do not behave: one that does not
read its responses, that sends half a request, or that sends more than it may.

pymodbus's listener uses four things of each connection: `unique_id`, `listener`, `callback_disconnected` and `close`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, Protocol

from gateway.nodes.modbus_server.hold import Hold
from gateway.problems.quoting import quoted
from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.responder import Responder
from gateway.protocol.modbus.rtu import MAX_FRAME_BYTES, respond_after_silence, respond_rtu
from gateway.protocol.modbus.tcp import MAX_ADU_BYTES, READ_ADU_BYTES, Responses, respond_again, respond_tcp
from gateway.runtime.clock import now
from gateway.transport.addresses import Address
from gateway.transport.client import close_in_order
from gateway.transport.clients import Clients
from gateway.transport.socket_options import wait_a_turn

RECEIVE_BUFFER_BYTES = 4096
"""Size of a server's receive buffer. All its clients share it: bytes are handled before the next are read. It is
small because asyncio's own 256 KiB costs an mmap per request, and still has room for hundreds of requests."""
WRITE_BUFFER_BYTES = 16_384
"""Unsent responses to a client beyond which its requests are not read."""
STALL_TIMEOUT_S = 5.0
"""Time without reading its responses after which a client is disconnected."""
RTU_PATIENCE_S = 0.3
"""Time after which the beginning of a request over RTU is dropped: without transaction ids, a late rest could be
taken for part of another request."""
SILENCE_S = 0.02
"""Silence that ends a frame on a serial line: more than 3.5 characters at 9600 baud, less than a client waits."""

Framing = Callable[[bytes, Responder, float, CountedClient], Responses]


def _wait(_buffer: bytes, _responder: Responder, _now: float, _client: CountedClient) -> Responses:
    """Use nothing yet: the framing during a TLS handshake; bytes that come with its end wait for `begin`."""
    return b"", 0, True


class ServerContext(Protocol):
    """The server, as its connections see it."""

    responder: Responder
    framing: Framing
    clients: Clients[StreamClient]
    received: memoryview
    """The buffer of `RECEIVE_BUFFER_BYTES` that all connections receive into."""

    def log_seldom(self, level: int, message: str) -> None:
        """Write a line to the log, unless the same line was written before."""


class ModbusConnection:
    """A connection, as pymodbus's listener calls it."""

    def __init__(self, host: ServerContext) -> None:
        self.unique_id = str(id(self))
        self.listener: Any = None
        self._host = host
        self._transport: asyncio.Transport | None = None

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Do nothing: the listener is closing, and calls `close` next."""

    def close(self) -> None:
        """Close in order if the client has read everything, else at once."""
        close_in_order(self._transport)

    def _leave_listener(self) -> None:
        if self.listener:
            self.listener.active_connections.pop(self.unique_id, None)


class StreamClient(ModbusConnection, asyncio.BufferedProtocol):
    """A client over TCP, with or without TLS."""

    def __init__(self, host: ServerContext) -> None:
        super().__init__(host)
        self.address: Address = IPv4Address(0)
        self.name = ""
        self.role = ""
        """The role in a TLS client's certificate (Modbus/TCP Security, R-23)."""
        self._counted = CountedClient(self.name, now())
        self._received = host.received
        self._rest = b""
        """The beginning of a request."""
        self._framing: Framing = _wait
        self._responder = host.responder
        self._patience_s = RTU_PATIENCE_S if host.framing is respond_rtu else math.inf
        self._stall: asyncio.TimerHandle | None = None
        self._hold: Hold | None = None
        """The wait of the first request in `_rest`, if that is held back."""

    @property
    def last_active(self) -> float:
        """Return the moment at which the client last sent something."""
        return self._counted.at

    @property
    def has_asked(self) -> bool:
        """Return whether the client ever got a response."""
        return self._counted.responses > 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Check whether the client is allowed, before anything is read from it."""
        self._transport = transport
        self._host.clients.enter(self, transport)

    def begin(self, transport: asyncio.Transport) -> None:
        """Serve over `transport`."""
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        if transport.get_extra_info("ssl_object"):
            from gateway.nodes.modbus_server.role import role_of  # noqa: PLC0415 - only where there is TLS

            self.role = role_of(transport)
            if self.role:
                self._host.log_seldom(logging.INFO, f"clients with the role {quoted(self.role)} connect")
        self._counted = self._responder.monitor.connect(self.name, now())
        self._framing = self._host.framing
        if self._rest:
            early, self._rest = self._rest, b""
            self._respond(early, now())

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the client from everything that knows it."""
        self._host.clients.leave(self)
        self._counted.is_connected = False
        self._leave_listener()
        if self._stall:
            self._stall.cancel()
        if self._hold:
            self._hold.cancel()
        # asyncio's TLS refers to this client. Without that cycle its buffers, 256 KiB, are freed at once.
        self._transport = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for the next bytes."""
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Respond to what was received."""
        moment = now()
        if nbytes == READ_ADU_BYTES and not self._rest and self._framing is respond_tcp:
            again = respond_again(self._received, self._responder, moment, self._counted)
            if again:
                self._transport.write(again)  # type: ignore[union-attr]
                return
        self._respond(bytes(self._received[:nbytes]), moment)
        if nbytes == RECEIVE_BUFFER_BYTES:
            wait_a_turn(self._transport, self._go_on)  # type: ignore[arg-type]

    def _go_on(self) -> None:
        transport = self._transport
        if transport and self._stall is None and self._hold is None and not transport.is_closing():
            transport.resume_reading()

    def _respond(self, received: bytes, moment: float) -> None:
        assert self._transport is not None
        before = self._hold.held if self._hold else None
        if self._hold and self._framing is respond_rtu:
            # The client has given that request up, and would take its response for the response to the new one.
            self._hold.cancel()
            self._hold = self._counted.held = None
        elif self._hold:
            # Requests behind the one that is held back wait too. Until one comes, reading shows a client that leaves.
            self._rest += received
            self._transport.pause_reading()
            return
        # A response to the rest of a garbled request would be taken for the response to another.
        is_late = moment - self.last_active > self._patience_s
        data = received if is_late else self._rest + received
        responses, used, is_modbus = self._framing(data, self._responder, moment, self._counted)
        self._rest = data[used:]
        if responses:
            self._transport.write(responses)
        if held := self._counted.held:
            if before and before.asked == held.asked and before.repeats is held.repeats:
                held.until = before.until  # a client that sends it again does not wait for ever
            self._hold = Hold(held, self._end_hold)
        elif not is_modbus or len(self._rest) > RECEIVE_BUFFER_BYTES:
            self._transport.close()

    def _end_hold(self) -> None:
        """Respond to the request that was held back, and to those behind it."""
        assert self._transport is not None
        self._hold = self._counted.held = None
        if self._transport.is_closing():
            return
        waiting, self._rest = self._rest, b""
        self._respond(waiting, now())
        self._go_on()

    def eof_received(self) -> bool:
        """Close when the client does, after the responses are sent."""
        return False

    def pause_writing(self) -> None:
        """Stop reading requests: the client does not read its responses."""
        assert self._transport is not None
        self._transport.pause_reading()
        self._stall = asyncio.get_running_loop().call_later(STALL_TIMEOUT_S, self.abort)

    def resume_writing(self) -> None:
        """Read requests again: the client reads its responses."""
        if self._stall:
            self._stall.cancel()
            self._stall = None
        self._go_on()

    def abort(self) -> None:
        """Disconnect the client at once."""
        if self._transport:
            self._transport.abort()


class SerialClient(ModbusConnection, asyncio.Protocol):
    """The clients on a serial line."""

    def __init__(self, host: ServerContext, name: str) -> None:
        super().__init__(host)
        self._counted = host.responder.monitor.client(name, now())
        self._buffer = bytearray()
        self._frame = bytearray()
        """The bytes since the last silence, as long as they got no response."""
        self._silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the line."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Respond to whole requests; silence ends the others."""
        self._buffer += data
        self._frame += data[:MAX_FRAME_BYTES]
        del self._frame[MAX_FRAME_BYTES + 1 :]
        responses, used, _ = respond_rtu(self._buffer, self._host.responder, now(), self._counted)
        del self._buffer[:used]
        if responses:
            self._frame.clear()
            self._send(responses)
        if self._silence:
            self._silence.cancel()
        self._silence = asyncio.get_running_loop().call_later(SILENCE_S, self._end_frame)

    def close(self) -> None:
        """Close the line; a frame that waits for its silence gets no response."""
        if self._silence:
            self._silence.cancel()
        super().close()

    def _end_frame(self) -> None:
        frame = bytes(self._frame)
        self._frame.clear()
        self._buffer.clear()
        self._send(respond_after_silence(frame, self._host.responder, now(), self._counted))

    def _send(self, data: bytes) -> None:
        line: Any = self._transport
        if not data or line is None:
            return
        if line.get_write_buffer_size():
            # A client that sends again waits for the new response, and would take an old one for it.
            line.flush()
        line.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the listener; the server opens the line again."""
        self._leave_listener()
        if self._silence:
            self._silence.cancel()


assert RECEIVE_BUFFER_BYTES > MAX_ADU_BYTES + MAX_FRAME_BYTES

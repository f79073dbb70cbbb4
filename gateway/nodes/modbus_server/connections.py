"""The connections of a Modbus server: a TCP client, all UDP clients, a serial line.

pymodbus's listener needs of each `unique_id`, `listener`, `callback_disconnected` and `close`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, Protocol

from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.rtu import MAX_FRAME_BYTES, answer_after_silence, answer_rtu
from gateway.protocol.modbus.tcp import MAX_ADU_BYTES, READ_ADU_BYTES, Responder, Responses, answer_again, answer_stream
from gateway.runtime.clock import now
from gateway.transport.clients import Clients, close_in_order
from gateway.transport.listening import Address, name_peer
from gateway.transport.tcp import wait_a_turn

RECEIVE_BUFFER_BYTES = 4096
"""Of a server, for all its clients in turn: what is read into it is dealt with before anything more is read. Small,
because asyncio's own 256 KiB costs an mmap a request; room for 16 requests many times over."""
WRITE_BUFFER_BYTES = 16_384
"""Answers that a client has not taken; past it, no more of its requests are read."""
STALL_TIMEOUT_S = 5.0
"""A client that takes no answer for this long is cut off."""
RTU_PATIENCE_S = 0.3
"""RTU has no transaction ids: the rest of a request that comes later than this is not waited for."""
SILENCE_S = 0.02
"""Ends a frame on a serial line: more than 3.5 characters at 9600 baud, less than a client waits."""

Framing = Callable[[bytes, Responder, float, CountedClient], Responses]


def _wait(_buffer: bytes, _responder: Responder, _now: float, _client: CountedClient) -> Responses:
    """The framing of a client that shakes hands: what comes with the end of that waits for `begin`."""
    return b"", 0, True


class ServerContext(Protocol):
    """What a connection needs of its server."""

    responder: Responder
    framing: Framing
    clients: Clients[StreamClient]
    received: memoryview
    """`RECEIVE_BUFFER_BYTES` for whoever is read from."""

    def log_seldom(self, level: int, message: str) -> None:
        """Write a line to the log, unless it stands there already."""


class ModbusConnection:
    """What pymodbus's listener calls."""

    def __init__(self, host: ServerContext) -> None:
        self.unique_id = str(id(self))
        self.listener: Any = None
        self._host = host
        self._transport: asyncio.Transport | None = None

    def callback_disconnected(self, exc: Exception | None) -> None:
        """The listener is closing; `close` follows."""

    def close(self) -> None:
        """Close in order where what was sent has been taken, else at once."""
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
        """From a TLS client's certificate (Modbus/TCP Security, R-23)."""
        self._counted = CountedClient(self.name, now())
        self._received = host.received
        self._rest = b""
        """The beginning of a request."""
        self._framing: Framing = _wait
        self._responder = host.responder
        self._patience_s = RTU_PATIENCE_S if host.framing is answer_rtu else math.inf
        self._stall: asyncio.TimerHandle | None = None

    @property
    def last_active(self) -> float:
        """When it last sent something."""
        return self._counted.at

    @property
    def has_asked(self) -> bool:
        """Whether it has ever got an answer."""
        return self._counted.answers > 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Check who comes, before anything of it is read."""
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
                self._host.log_seldom(logging.INFO, f"clients with the role {self.role!r} connect")
        self._counted = self._responder.monitor.connect(self.name, now())
        self._framing = self._host.framing
        if self._rest:
            early, self._rest = self._rest, b""
            self._answer(early, now())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone that knows of this client."""
        self._host.clients.leave(self)
        self._counted.is_connected = False
        self._leave_listener()
        if self._stall:
            self._stall.cancel()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Answer what has come in."""
        moment = now()
        if nbytes == READ_ADU_BYTES and not self._rest and self._framing is answer_stream:
            again = answer_again(self._received, self._responder, moment, self._counted)
            if again:
                self._transport.write(again)  # type: ignore[union-attr]
                return
        self._answer(bytes(self._received[:nbytes]), moment)
        if nbytes == RECEIVE_BUFFER_BYTES:
            wait_a_turn(self._transport, self._go_on)  # type: ignore[arg-type]

    def _go_on(self) -> None:
        assert self._transport is not None
        if self._stall is None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _answer(self, received: bytes, moment: float) -> None:
        assert self._transport is not None
        # An answer to what was left of a garbled request would be taken for another's.
        is_late = moment - self.last_active > self._patience_s
        data = received if is_late else self._rest + received
        answers, used, is_modbus = self._framing(data, self._responder, moment, self._counted)
        self._rest = data[used:]
        if answers:
            self._transport.write(answers)
        if not is_modbus or len(self._rest) > RECEIVE_BUFFER_BYTES:
            self._transport.close()

    def eof_received(self) -> bool:
        """Close when the client does, after what was answered is sent."""
        return False

    def pause_writing(self) -> None:
        """The client does not take its answers: read no more of its requests."""
        assert self._transport is not None
        self._transport.pause_reading()
        self._stall = asyncio.get_running_loop().call_later(STALL_TIMEOUT_S, self.abort)

    def resume_writing(self) -> None:
        """The client takes its answers again."""
        assert self._transport is not None
        self._transport.resume_reading()
        if self._stall:
            self._stall.cancel()
            self._stall = None

    def abort(self) -> None:
        """Cut the client off."""
        if self._transport:
            self._transport.abort()


class Datagrams(ModbusConnection, asyncio.DatagramProtocol):
    """All clients over UDP: each datagram holds whole requests."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._datagrams: Any = transport
        self._is_full = False

    def pause_writing(self) -> None:
        """The network takes no more: answers are dropped, as networks do."""
        self._is_full = True

    def resume_writing(self) -> None:
        """The network takes answers again."""
        self._is_full = False

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Answer a datagram, unless it is anything but whole requests."""
        address, name = name_peer(*addr[:2])
        if len(data) > MAX_ADU_BYTES or not self._host.clients.is_allowed(address):
            return
        moment, responder = now(), self._host.responder
        answer, used, _ = answer_stream(data, responder, moment, responder.monitor.client(name, moment))
        if answer and used == len(data) and not self._is_full:
            self._datagrams.sendto(answer, addr)

    def error_received(self, exc: Exception) -> None:
        """A client is not there any more; that is its own business."""

    def close(self) -> None:
        """Close the socket."""
        self._datagrams.close()


class SerialClient(ModbusConnection, asyncio.Protocol):
    """The clients of a serial line."""

    def __init__(self, host: ServerContext, name: str) -> None:
        super().__init__(host)
        self._counted = host.responder.monitor.client(name, now())
        self._buffer = bytearray()
        self._frame = bytearray()
        """What came since the last silence, as long as none of it could be answered."""
        self._silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the line."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what is whole; what is not ends with silence."""
        self._buffer += data
        self._frame += data[:MAX_FRAME_BYTES]
        del self._frame[MAX_FRAME_BYTES + 1 :]
        answer, used, _ = answer_rtu(self._buffer, self._host.responder, now(), self._counted)
        del self._buffer[:used]
        if answer:
            self._frame.clear()
            self._send(answer)
        if self._silence:
            self._silence.cancel()
        self._silence = asyncio.get_running_loop().call_later(SILENCE_S, self._end_frame)

    def close(self) -> None:
        """Close the line; what waits for a silence is not answered any more."""
        if self._silence:
            self._silence.cancel()
        super().close()

    def _end_frame(self) -> None:
        frame = bytes(self._frame)
        self._frame.clear()
        self._buffer.clear()
        self._send(answer_after_silence(frame, self._host.responder, now(), self._counted))

    def _send(self, data: bytes) -> None:
        line: Any = self._transport
        if not data or line is None:
            return
        if line.get_write_buffer_size():
            # Whoever asks anew waits for the answer to that, and would take an old one for it.
            line.flush()
        line.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone; the server opens it anew."""
        self._leave_listener()
        if self._silence:
            self._silence.cancel()


assert RECEIVE_BUFFER_BYTES > MAX_ADU_BYTES + MAX_FRAME_BYTES

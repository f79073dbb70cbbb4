"""A broker of MQTT 5 in virtual time, as far as gateways use one, with the faults of real ones.

It stores retained messages, publishes wills, and forwards each message with QoS 0 and its properties unchanged. On
demand it loses, delays, mixes up and doubles messages, stops for a while, dies, and sends old messages again, also as
if they were new ones.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.world import World

PORT = 1883
HISTORY = 400
CONNECT, PUBLISH, PUBACK, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 4, 8, 10, 12, 14
WITH_WILL = b"\x04"
"""Reason code of a client that ends its connection and wants its will to be published."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message with the bytes of its properties."""

    topic: str
    properties: bytes
    payload: bytes

    def packet(self, *, is_retained: bool = False) -> bytes:
        """Return the message as it is sent to a client."""
        return _packet(PUBLISH << 4 | is_retained, _text(self.topic) + self.properties + self.payload)


@dataclass(eq=False, slots=True)
class Client:
    """A client that is connected."""

    writer: asyncio.StreamWriter
    client_id: str = ""
    will: Stored | None = None
    filters: list[list[str]] = field(default_factory=list)

    def send(self, packet: bytes) -> None:
        """Send a packet, if the client is still there."""
        if not self.writer.is_closing():
            self.writer.write(packet)


class Broker:
    """One broker on a host of its own."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self.name = name
        self.retained: dict[str, Stored] = {}
        self.history: deque[Stored] = deque(maxlen=HISTORY)
        self.clients: list[Client] = []
        self.loss = self.doubling = 0.0
        """Shares of messages that are lost, and sent twice."""
        self.delay_s = 0.0
        """Longest time by which a single message is delayed, so that others overtake it."""
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self._server: asyncio.Server | None = None

    async def serve(self) -> None:
        """Begin to accept clients."""
        self._server = await asyncio.start_server(self._connected, port=PORT)
        await asyncio.Event().wait()

    def stop(self) -> None:
        """Stand still; what clients send waits."""
        self._goes_on.clear()

    def go_on(self) -> None:
        """Work off what waited."""
        self._goes_on.set()

    def die(self, *, keeps_retained: bool) -> None:
        """End at once; nobody can connect until it is started again."""
        self._goes_on.set()
        if self._server:
            self._server.close()
            self._server = None
        for client in self.clients:
            client.will = None
            client.writer.transport.abort()
        self.clients.clear()
        if not keeps_retained:
            self.retained.clear()

    @property
    def is_alive(self) -> bool:
        """Return whether clients can connect."""
        return self._server is not None

    def send_again(self, count: int) -> None:
        """Send old messages again, as if they were new."""
        for stored in self._world.random.sample(list(self.history), min(count, len(self.history))):
            self._forward(stored)

    def send_retained_again(self, *, with_flag: bool) -> None:
        """Send all stored messages again, with their flag or as if they were new."""
        for stored in self.retained.values():
            for client in list(self.clients):
                if _matches(client, stored.topic):
                    client.send(stored.packet(is_retained=with_flag))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(writer)
        try:
            while True:
                kind, body = await _read(reader)
                await self._goes_on.wait()
                if not self._take(client, kind >> 4, kind & 0x0F, body):
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            if client in self.clients:
                self.clients.remove(client)
                if client.will and self.is_alive:
                    self._publish(client.will, is_retained=True)

    def _take(self, client: Client, kind: int, flags: int, body: bytes) -> bool:
        """Take a packet; return False when the client is done."""
        if kind == CONNECT:
            self._log_in(client, body)
        elif kind == PUBLISH:
            topic, at = _string(body, 0)
            if flags & 0x06:
                client.send(_packet(PUBACK << 4, body[at : at + 2]))
                at += 2
            end = _end_of_properties(body, at)
            self._publish(Stored(topic, body[at:end], body[end:]), is_retained=bool(flags & 1))
        elif kind == SUBSCRIBE:
            self._subscribe(client, body)
        elif kind == UNSUBSCRIBE:
            names = list(_names(body, _end_of_properties(body, 2), 0))
            client.filters = [each for each in client.filters if "/".join(each) not in names]
            client.send(_packet(0xB0, body[:2] + b"\x00" + bytes(len(names))))
        elif kind == PINGREQ:
            client.send(b"\xd0\x00")
        elif kind == DISCONNECT:
            if body[:1] != WITH_WILL:
                client.will = None
            return False
        return True

    def _log_in(self, client: Client, body: bytes) -> None:
        has_will = body[7] & 0x04
        client.client_id, at = _string(body, _end_of_properties(body, 10))
        if has_will:
            start = at
            end = _end_of_properties(body, start)
            topic, at = _string(body, end)
            size = int.from_bytes(body[at : at + 2], "big")
            client.will = Stored(topic, b"\x00", body[at + 2 : at + 2 + size])
        for other in [each for each in self.clients if each.client_id == client.client_id]:
            other.writer.close()
        self.clients.append(client)
        client.send(b"\x20\x03\x00\x00\x00")

    def _subscribe(self, client: Client, body: bytes) -> None:
        names = list(_names(body, _end_of_properties(body, 2), 1))
        client.send(_packet(0x90, body[:2] + b"\x00" + bytes(len(names))))
        client.filters += [name.split("/") for name in names]
        for stored in self.retained.values():
            if _matches(client, stored.topic):
                client.send(stored.packet(is_retained=True))

    def _publish(self, stored: Stored, *, is_retained: bool) -> None:
        if is_retained:
            self.retained[stored.topic] = stored
        self.history.append(stored)
        self._forward(stored)

    def _forward(self, stored: Stored) -> None:
        random = self._world.random
        if random.random() < self.loss:
            return
        for _ in range(2 if random.random() < self.doubling else 1):
            delay = random.uniform(0.0, self.delay_s) if self.delay_s and random.random() < 0.5 else 0.0
            if delay:
                self._world.loop.call_later(delay, self._send, stored)
            else:
                self._send(stored)

    def _send(self, stored: Stored) -> None:
        packet = stored.packet()
        for client in list(self.clients):
            if _matches(client, stored.topic):
                client.send(packet)


def _matches(client: Client, topic: str) -> bool:
    levels = topic.split("/")
    return any(
        len(each) == len(levels) and all(one in ("+", other) for one, other in zip(each, levels, strict=True))
        for each in client.filters
    )


def _packet(first: int, body: bytes) -> bytes:
    size, header = len(body), bytearray([first])
    while True:
        size, digit = size >> 7, size & 0x7F
        header.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(header) + body


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first = (await reader.readexactly(1))[0]
    size = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        size |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return first, await reader.readexactly(size)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _string(body: bytes, at: int) -> tuple[str, int]:
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 : end].decode(), end


def _end_of_properties(body: bytes, at: int) -> int:
    size = shift = 0
    while True:
        digit = body[at]
        size |= (digit & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not digit & 0x80:
            return at + size


def _names(body: bytes, at: int, options: int) -> Iterator[str]:
    """Generate the topic filters of a packet, each followed by some bytes of options."""
    while at < len(body):
        name, at = _string(body, at)
        at += options
        yield name

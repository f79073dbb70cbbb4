"""Fuzzes the WebSocket that P1 bytes come from: `python -m fuzz.websocket [OPTION...] fuzz/corpus/websocket`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from contextlib import suppress
from typing import NamedTuple

from fuzz.harness import Source, fuzz
from gateway.lines import http_client  # noqa: F401 - imports aiohttp, while imports are instrumented
from gateway.lines.websocket import MAX_FRAMES_PER_S, MAX_MESSAGE_BYTES, WebSocketLine

LOOP = asyncio.new_event_loop()
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Text that a server adds to the key of its client (RFC 6455, 1.3)."""
LIMIT_S = 15.0


class Said(NamedTuple):
    """The meaning of a stream of frames (RFC 6455, 5.2)."""

    content: bytes
    """Content of all messages until the end or the first violation."""
    pings: list[bytes]
    frames: int
    is_valid: bool


class Frame(NamedTuple):
    """One frame, with its content unmasked."""

    first: int
    content: bytes

    @property
    def code(self) -> int:
        """Return the kind of the frame."""
        return self.first & 0x0F


def check(data: bytes) -> None:
    """Check that the line gets the content of the messages in order, and the other end a pong for each ping.

    An independent reading of the frames says which content that is, up to a violation of RFC 6455; aiohttp reads on
    after some. The line always ends.
    """
    segments = Source(data).segments()
    said = read(b"".join(segments))
    received, sent = LOOP.run_until_complete(asyncio.wait_for(_exchange(segments), LIMIT_S))
    if said.frames > MAX_FRAMES_PER_S // 2:
        return  # it may be a flood
    assert received == said.content if said.is_valid else received.startswith(said.content)
    frames = list(_frames(sent))
    pongs = [frame.content for frame in frames if frame.code == PONG]
    both = min(len(pongs), len(said.pings))
    assert pongs[:both] == said.pings[:both]
    assert not said.is_valid or len(pongs) <= len(said.pings)
    assert all(frame.code in (PONG, CLOSE, PING) for frame in frames)


def read(stream: bytes) -> Said:
    """Return what a server says with these bytes."""
    content, pings, partial, count = b"", list[bytes](), None, 0
    for frame in _frames(stream):
        count += 1
        is_last = frame.first & 0x80
        if frame.code == CLOSE:
            return Said(content, pings, count, is_valid=True)
        begins = frame.code in (TEXT, BINARY)
        is_valid = not frame.first & 0x70 and (begins or frame.code in (CONTINUATION, PING, PONG))
        if frame.code > BINARY:
            is_valid = is_valid and is_last > 0 and len(frame.content) < 126
        else:
            is_valid = is_valid and begins is (partial is None)
            partial = (partial or b"") + frame.content
            is_valid = is_valid and len(partial) <= MAX_MESSAGE_BYTES
        if not is_valid:
            return Said(content, pings, count, is_valid=False)
        if frame.code == PING:
            pings.append(frame.content)
        if frame.code <= BINARY and is_last:
            content, partial = content + (partial or b""), None
    return Said(content, pings, count, is_valid=True)


def _frames(stream: bytes) -> list[Frame]:
    frames, at = [], 0
    while at + 2 <= len(stream):
        first, size = stream[at], stream[at + 1] & 0x7F
        has_mask = stream[at + 1] & 0x80
        at += 2
        more = {126: 2, 127: 8}.get(size, 0)
        if more:
            size = int.from_bytes(stream[at : at + more], "big")
        begin = at + more + (4 if has_mask else 0)
        if begin + size > len(stream):
            # A frame that is announced as too long is a violation before its end comes.
            return [*frames, Frame(first, b"\0" * (MAX_MESSAGE_BYTES + 1))] if size > MAX_MESSAGE_BYTES else frames
        content = stream[begin : begin + size]
        if has_mask:
            mask = stream[begin - 4 : begin]
            content = bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
        frames.append(Frame(first, content))
        at = begin + size
    return frames


async def _exchange(segments: list[bytes]) -> tuple[bytes, bytes]:
    """Return what a line received from a server that sends these segments, and what the server received."""
    sent, received, is_over = bytearray(), bytearray(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line[18:].strip() for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - RFC 6455, 4.2.2
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        for segment in segments:
            writer.write(segment)
            await asyncio.sleep(0)
        writer.write_eof()
        with suppress(ConnectionError):
            sent.extend(await reader.read())
        writer.close()
        is_over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        line = WebSocketLine(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        closed = await line.open(received.extend)
        await closed
        line.close()
        await is_over.wait()
    return bytes(received), bytes(sent)


if __name__ == "__main__":
    fuzz(__file__)

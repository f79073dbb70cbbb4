"""Fuzzes encrypted telegrams: `python -m fuzz.encrypted [OPTION...] fuzz/corpus/encrypted`."""

from __future__ import annotations

from typing import NamedTuple

from fuzz.harness import Source, fuzz, pieces
from gateway.nodes.decryption import AesGcm
from gateway.protocol.p1.decryption import DecryptingReader, Fault
from gateway.protocol.p1.raw_stream import MAX_FRAME_BYTES, MAX_PAUSE_IN_FRAME_S, CipheredReader
from tests.ciphering import AUTHENTICATION_KEY, KEY, OTHER_KEY, encrypted, telegram_at

SECONDS = 8
"""Number of different telegrams; the counter of each is its second."""
SHORT = b"/TST5METER\r\n\r\n0-0:1.0.0(251130120000W)\r\n1-0:1.7.0(00.123*kW)\r\n!"
TELEGRAMS = [telegram_at(second, SHORT) for second in range(SECONDS)]
MAX_PARTS = 12
PIECE_BYTES = (1, 3, 61, 256)
WHOLE, CUT, CHANGED, OTHER, CLEAR, BYTES = range(6)
"""Kinds of the parts of a stream."""


class Stream(NamedTuple):
    """A stream of frames and other bytes, and the telegrams whose frames are in it."""

    data: bytes
    whole: list[bytes]
    begun: list[bytes]
    """Those whose frames are cut off or changed. A frame without its tag is one for a reader that verifies none."""


def check(data: bytes) -> None:
    """Check that each telegram that is given came encrypted with the keys, once, after those with lower counters.

    Nothing else is given, whatever comes with it, and any segments give the same telegrams. After any bytes and a
    pause, the next telegram of the meter is given.
    """
    source = Source(data)
    size, keys = source.pick(PIECE_BYTES), source.pick((AUTHENTICATION_KEY, None))
    stream = make_stream(source)
    reader = DecryptingReader(AesGcm(KEY, keys))
    given = telegrams_in(reader, [stream.data])
    assert telegrams_in(DecryptingReader(AesGcm(KEY, keys)), pieces(stream.data, size)) == given
    sent = {*stream.whole, *(stream.begun if keys is None else ())}
    shown = bytes if keys else up_to_checksum
    seconds = [[*map(shown, TELEGRAMS)].index(shown(telegram)) for telegram in given]
    assert seconds == sorted(set(seconds))
    assert {*map(shown, given)} <= {*map(shown, sent)}
    later = telegram_at(SECONDS + 1, SHORT)
    assert later in reader.feed(encrypted(later, SECONDS + 1), 2 * MAX_PAUSE_IN_FRAME_S)
    frames = frames_in([stream.data])
    assert frames_in(pieces(stream.data, size)) == frames
    assert all(frame in stream.data and len(frame) <= MAX_FRAME_BYTES for frame in frames)


def make_stream(source: Source) -> Stream:
    """Return the stream that an input describes."""
    data, whole, begun = b"", list[bytes](), list[bytes]()
    for _ in range(MAX_PARTS):
        if source.is_empty:
            break
        kind, second = source.number(BYTES), source.number(SECONDS - 1)
        telegram = TELEGRAMS[second]
        frame = encrypted(telegram, second, has_tag=second < SECONDS - 1)
        if kind == WHOLE:
            whole.append(telegram)
        elif kind == CUT:
            begun.append(telegram)
            frame = frame[: source.number(len(frame) - 1)]
        elif kind == CHANGED:
            begun.append(telegram)
            at = source.number(len(frame) - 1)
            frame = frame[:at] + bytes((frame[at] ^ source.pick((1, 16, 128)),)) + frame[at + 1 :]
        elif kind == OTHER:
            frame = encrypted(telegram, second, key=OTHER_KEY)
        elif kind == CLEAR:
            frame = telegram
        else:
            frame = source.take(source.number(255))
        data += frame
    return Stream(data, whole, begun)


def up_to_checksum(telegram: bytes) -> bytes:
    """Return what a telegram's checksum protects, with the checksum: without a tag, the rest may change."""
    return telegram[: telegram.rindex(b"!") + len(b"!1234")]


def telegrams_in(reader: DecryptingReader, segments: list[bytes]) -> list[bytes]:
    """Return the telegrams that a reader gives, without faults."""
    found = [item for segment in segments for item in reader.feed(segment, 0.0)]
    return [item for item in found if not isinstance(item, Fault)]


def frames_in(segments: list[bytes]) -> list[bytes]:
    """Return the frames in these segments, which nobody has decrypted."""
    reader = CipheredReader()
    return [frame for segment in segments for frame in reader.feed(segment, 0.0)]


if __name__ == "__main__":
    fuzz(__file__)

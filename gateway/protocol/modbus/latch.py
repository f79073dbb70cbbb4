"""Keep the registers of one value together, for a client that reads them with several requests.

A read splits a value if it begins or ends inside it: the client reads the other registers of that value with another
request, and a telegram may come between the two. So the unit latches the image from which it serves a split read, for
that client. All registers of the value then come from one image. A split read is served from

1. the image from which other registers of the same value were read not more than `LATCH_S` ago, if it reads
   registers of that value which are not yet read;
2. else the latched image, while it is fresh and up to `LATCH_S` after it was latched, so that neighbouring values
   match too;
3. else the newest image, which is latched.

A client that reads the same half again and again gets a new image after `LATCH_S`, so nothing is frozen. If a read
would complete two values from different images, no response is true for both, and the client gets exception 0x06.

Where one reading of a value ends and the next begins is not in the requests. The first read begins a value, the read of
its last register ends it, the next read begins it again, and a register that is read twice begins it too. After a pause
of more than `LATCH_S` inside a value there are two possibilities: the client was slow and goes on, or it gave the
value up and begins it again. The image then stays for both: until the value that may have begun after the pause is
read to the end, and the value that the client would then be in the middle of.

So two halves that are read not more than `LATCH_S` apart come from one image, if they are a pair as counted from the
first read, or if they are the first pair after a pause. It cannot hold for any two reads that follow each other: for a
client that reads the two halves in turn without a pause, one image would have to serve all of them, and the value would
never change. A client that loses one half and then goes on in turn without a pause is counted wrongly until its next
pause.

Only split reads come here. A whole value always comes from the newest telegram.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeGuard

from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.registers.register_map import RegisterMap
from gateway.protocol.registers.snapshot import Snapshot

LATCH_S = 0.25
"""Time for which an image is latched, and in which the next register of a value must be read."""
MAX_LATCHES = 512
"""Largest number of clients of a unit with a latched image; beyond it, the oldest is forgotten."""
MAX_CUTS = 128
"""Largest number of incomplete values of a client; beyond it, the oldest is forgotten."""
FORGET_S = 60.0
"""Time without a read after which an incomplete value, or a client, is forgotten."""


class Image(NamedTuple):
    """The registers of a unit at one moment, and the last moment at which they are fresh."""

    snapshot: Snapshot
    fresh_until: float


class _Cut:
    """A value of which a client has read some registers, but not all."""

    __slots__ = ("at", "image", "restarted", "unread")

    def __init__(self, image: Image, unread: set[int], restarted: set[int], at: float) -> None:
        self.image = image
        self.unread = unread
        """The registers that are not yet read; empty if the value is complete, and `restarted` keeps the image."""
        self.restarted = restarted
        """The registers that are not yet read if the client has begun the value again after a pause; else empty."""
        self.at = at
        """Moment of the newest read of it."""


class _Latch:
    """The image that is latched for a client, and the values that the client has not read to the end."""

    __slots__ = ("at", "cuts", "image")

    def __init__(self, image: Image, at: float, cuts: dict[int, _Cut]) -> None:
        self.image = image
        self.at = at
        """Moment at which the image was latched."""
        self.cuts = cuts
        """The incomplete values by their first address, in order of their newest read."""


class Latches:
    """The latched images of one unit, by client. Times are seconds of one monotonic clock."""

    def __init__(self, register_map: RegisterMap, *, only_completes: bool = False) -> None:
        """Begin without images; `only_completes` is True to serve by rules 1 and 3 only."""
        self._inside = register_map.inside
        self._only_completes = only_completes
        self._latches: dict[CountedClient, _Latch] = {}
        """By client, in order of the moment of latching."""

    def clear(self) -> None:
        """Forget all images."""
        self._latches.clear()

    def completes(self, address: int, count: int, now: float, client: CountedClient) -> bool:
        """Return True if a read goes on with a value from an earlier image.

        A register that is lacking only if the value was begun again after a pause does not count: a slow client
        would get the whole value twice.
        """
        latch = self._latches.get(client)
        if latch is None:
            return False
        cuts = [(latch.cuts.get(span.start), part) for span, part in self._parts(address, count)]
        return any(_goes_on(cut, part, now) and not cut.unread.isdisjoint(part) for cut, part in cuts)

    def choose(
        self, address: int, count: int, now: float, client: CountedClient, newest: Callable[[], Image | None]
    ) -> Image | ExceptionCode | None:
        """Return the image for a read that splits a value.

        Args:
            address: first address of the read.
            count: number of registers.
            now: moment of the read.
            client: the client that reads.
            newest: function that returns the unit's newest image, or None if it has none.

        Returns:
            The image; it is no longer fresh if the value was begun from it and that took too long. An exception if the
            read would complete two values from different images. None if there is no image.

        """
        latch = self._latches.get(client)
        parts = self._parts(address, count)
        wanted = _images(latch, parts, now) if latch else []
        if len(wanted) > 1:
            return ExceptionCode.SERVER_DEVICE_BUSY
        image = wanted[0] if wanted else self._shared(latch, now)
        if latch is None or image is None:
            image = newest()
            if image is None:
                return None
            latch = self._renew(client, image, now)
        if now <= image.fresh_until:
            _note(latch, parts, image, now)
        return image

    def _shared(self, latch: _Latch | None, now: float) -> Image | None:
        """Return the latched image if it may be served for a value of which nothing is read yet."""
        if latch is None or self._only_completes:
            return None
        return latch.image if now - latch.at <= LATCH_S and now <= latch.image.fresh_until else None

    def _parts(self, address: int, count: int) -> list[tuple[range, range]]:
        """Return the one or two values that the read splits: the value's addresses, and those that are read."""
        end = address + count
        spans = {self._inside[edge] for edge in (address, end) if edge in self._inside}
        return [(span, range(max(span.start, address), min(span.stop, end))) for span in spans]

    def _renew(self, client: CountedClient, image: Image, now: float) -> _Latch:
        """Latch another image for a client, and forget what other clients do not need any more."""
        before = self._latches.pop(client, None)
        for oldest in list(self._latches):
            if len(self._latches) < MAX_LATCHES and not _is_over(self._latches[oldest], now):
                break
            del self._latches[oldest]
        cuts = {start: cut for start, cut in before.cuts.items() if now - cut.at <= FORGET_S} if before else {}
        latch = self._latches[client] = _Latch(image, now, cuts)
        return latch


def _is_over(latch: _Latch, now: float) -> bool:
    newest = max((cut.at for cut in latch.cuts.values()), default=latch.at)
    return now - max(newest, latch.at) > FORGET_S


def _images(latch: _Latch, parts: list[tuple[range, range]], now: float) -> list[Image]:
    """Return the different images from which a read must complete values."""
    images: list[Image] = []
    for span, part in parts:
        cut = latch.cuts.get(span.start)
        if _goes_on(cut, part, now) and not any(cut.image.snapshot is image.snapshot for image in images):
            images.append(cut.image)
    return images


def _note(latch: _Latch, parts: list[tuple[range, range]], image: Image, now: float) -> None:
    """Note which registers of the split values are read from `image`."""
    for span, part in parts:
        cut = latch.cuts.pop(span.start, None)
        unread, restarted = _unread_after(cut, span, part, now)
        if not unread and not restarted:
            continue
        while len(latch.cuts) >= MAX_CUTS:
            del latch.cuts[next(iter(latch.cuts))]
        latch.cuts[span.start] = _Cut(image, unread, restarted, now)


def _unread_after(cut: _Cut | None, span: range, part: range, now: float) -> tuple[set[int], set[int]]:
    """Return what is unread after a read of `part`, and what is unread if the value was begun again after a pause."""
    begun = set(span).difference(part)
    if cut is None or (cut.unread.isdisjoint(part) and cut.restarted.isdisjoint(part)):
        return begun, set()
    unread = begun if cut.unread.isdisjoint(part) else cut.unread.difference(part)
    if now - cut.at > LATCH_S:
        return unread, begun
    return unread, cut.restarted.difference(part)


def _goes_on(cut: _Cut | None, part: range, now: float) -> TypeGuard[_Cut]:
    """Return True if a read of `part` gets registers that an incomplete value still lacks, in time."""
    if cut is None or now - cut.at > LATCH_S:
        return False
    return not (cut.unread.isdisjoint(part) and cut.restarted.isdisjoint(part))

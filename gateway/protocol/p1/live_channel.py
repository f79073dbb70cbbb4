"""Finds the live meter among several M-Bus meters of a medium: its time stamp moves.

After a gas meter was replaced, the old one may stay on its channel with its last reading, and its stamp may be ahead of
the real time. So the newest stamp does not show the live meter; a stamp that moves does. A channel counts as silent if
its stamp has not moved for some of its own periods. Until one has moved, `derived.channel_of` decides from the telegram
alone. If two meters of one medium are live, the gateway cannot choose, and serves neither as the meter of that medium.
"""

from __future__ import annotations

from gateway.protocol.p1.derived import MEDIA, MEDIUM_OF_TYPE, channels_of, channels_read, name_medium
from gateway.protocol.p1.obis import MBUS_CHANNELS
from gateway.protocol.p1.readings import Readings

LONGEST_PERIOD_S = 3600.0
"""Longest time between two readings of an M-Bus meter (DSMR 4.2.2 P1, 6.10)."""
PERIODS = 2.5
"""Number of periods without a new stamp after which a channel counts as silent beside one that moves."""

_TYPES = tuple(f"mbus{n}_type" for n in MBUS_CHANNELS)


class LiveChannels:
    """The movement of the stamps of the M-Bus channels of one electricity meter."""

    def __init__(self) -> None:
        self._stamps: dict[int, tuple[object, int]] = {}
        self._moved: dict[int, tuple[float, float]] = {}
        """Channel → arrival of the last movement, and the period in seconds."""

    def choose(self, readings: Readings, arrived: float) -> Readings:
        """Return the readings with the medium of each live channel, where several channels have the same medium."""
        if not _have_same_medium(readings):
            return readings
        channels = channels_read(readings.values)
        self._watch(readings, channels, arrived)
        for medium in MEDIA:
            found = channels_of(medium, readings.values, readings.units, channels)
            if len(found) < 2:
                continue
            moved = [n for n in found if n in self._moved]
            if moved:
                readings = _name(readings, medium, self._live(moved, arrived))
        return readings

    def _watch(self, readings: Readings, channels: list[int], arrived: float) -> None:
        for n in channels:
            stamp = readings.values.get(f"mbus{n}_reading_time")
            if not isinstance(stamp, int):
                continue
            identifier = readings.values.get(f"mbus{n}_identifier")
            known = self._stamps.get(n)
            if known is None or known[0] != identifier:
                self._moved.pop(n, None)
            elif known[1] != stamp:
                self._moved[n] = arrived, min(float(abs(stamp - known[1])), LONGEST_PERIOD_S)
            self._stamps[n] = identifier, stamp

    def _live(self, moved: list[int], arrived: float) -> int | None:
        """Return the only one of these channels that is not silent, or the one that moved last; None for several."""
        live = [n for n in moved if arrived - self._moved[n][0] <= PERIODS * self._moved[n][1]]
        if not live:
            newest = max(self._moved[n][0] for n in moved)
            live = [n for n in moved if self._moved[n][0] == newest]
        return live[0] if len(live) == 1 else None


def _have_same_medium(readings: Readings) -> bool:
    """Return True if two channels may have the same medium, which is rare."""
    media = [MEDIUM_OF_TYPE.get(kind) for name in _TYPES if (kind := readings.values.get(name)) is not None]
    return len(set(media)) < len(media)


def _name(readings: Readings, medium: str, channel: int | None) -> Readings:
    """Return the readings with `channel` as that of `medium`; for None without readings of the medium."""
    values, units = {**readings.values}, {**readings.units}
    name_medium(values, units, medium, channel)
    return readings.with_values(values, units)._replace(media={**readings.media, medium: channel})

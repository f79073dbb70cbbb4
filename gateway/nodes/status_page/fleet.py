"""The view of many meters: everything once, and then once a second what has changed, made once for all viewers.

A telegram of a meter is three numbers: its position, the power and the age. All else about a meter changes seldom and
is a row of its own. The page counts the ages on, so a meter that sends nothing needs no event.
An event is made in turns of the event loop with some meters in each, so that no Modbus request waits for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from gateway.nodes.status_page.frame import FEW_METERS, counts, frame, late_after_s, net_power, state_of
from gateway.nodes.status_page.json_text import to_json, with_lists
from gateway.nodes.status_page.labels import LabelView, label_view
from gateway.nodes.status_page.model import FrameView
from gateway.nodes.status_page.query import Page
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import now
from gateway.runtime.flow import Node
from gateway.runtime.status import Label

UPDATE_EVERY_S = 1.0
MAX_LINES = 40
"""Largest number of meters in one response with the last hour."""
POINTS, POINT_S = 30, 120.0
"""Number of points in a line of the last hour, and the seconds of each."""
NO_TELEGRAM = -1.0
MANY_METERS, ONE_ROW_IN = 50, 5
"""Number of meters above which an event compares only one row in so many."""
AGE_CODES = ("line-receiving", "line-quiet", "plain")
"""Codes of the labels that say no more than how old the newest telegram is."""
METERS_IN_TURN = 10
"""Number of meters that are looked at in one turn of the event loop."""


@dataclass(frozen=True, slots=True)
class LineOfHourView:
    """The net power of a meter in the last hour."""

    meter: str
    points: list[float | None]
    """The mean power in watts of each two minutes, oldest first; null where no telegram came."""


@dataclass(frozen=True, slots=True)
class Sparklines:
    """The last hour of some meters."""

    lines: list[LineOfHourView]


@dataclass(frozen=True, slots=True)
class FleetMeterView:
    """The name of a meter, and where it is read."""

    name: str
    line: str
    """Address or device that it is read from."""
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class FleetRowView:
    """The state of a meter, without its newest telegram."""

    position: int
    """Its position among the meters, from 0."""
    has_sent: bool
    """False before its first telegram."""
    due_s: float
    late_after_s: float
    stale_after_s: float
    errors: int
    """Telegrams that were refused in the last 24 hours."""
    clients: int
    """Hosts that read it."""
    label: LabelView | None
    """Reason why no telegram comes: a problem, or the status of the line; None if that says only for how long."""


_Row = tuple[bool, float, float, float, int, int, str, tuple[str, ...]]
"""The values of a row that decide whether it is sent."""


class FleetChannel:
    """The events of the fleet."""

    every_s = UPDATE_EVERY_S

    def __init__(self, page: Page) -> None:
        self._page = page
        self._serial = 0
        self._meters: list[MeterState] = []
        self._measured: list[float] = []
        """The moment at which the telegram of each meter was written that was sent last."""
        self._rows: list[_Row] = []
        self._errors: dict[MeterState, tuple[int, float, int]] = {}

    def signature(self) -> object:
        """Return another value each second, and after each change that was sent."""
        return int(now()), self._serial

    async def whole(self) -> bytes:
        """Return all meters."""
        meters = list(self._page.gateway.meters.values())
        return await self._event(meters, whole=True, measured=[], rows=[])

    async def change(self) -> bytes:
        """Return the meters that have changed since the last call; after a reload, all."""
        self._serial += 1
        meters = list(self._page.gateway.meters.values())
        is_same = len(meters) == len(self._meters) and all(a is b for a, b in zip(meters, self._meters, strict=True))
        if not is_same:
            self._meters = meters
            self._measured, self._rows = [], []
            self._errors = {meter: self._errors[meter] for meter in meters if meter in self._errors}
        return await self._event(meters, whole=not is_same, measured=self._measured, rows=self._rows)

    async def _event(self, meters: list[MeterState], *, whole: bool, measured: list[float], rows: list[_Row]) -> bytes:
        """Return an event with what differs from `measured` and `rows`, which then hold what it has.

        Besides the fields of a `FrameView`, it has three lists: `fleet` with all meters, in a whole event only;
        `rows` with the rows that have changed; and `telegrams` with three numbers for each meter with a new telegram:
        its position, the net power in watts, and the age in tenths of seconds.
        """
        moment, gateway, serial = now(), self._page.gateway, self._serial
        clients, lines = self._page.clients.readers_by_meter(), gateway.lines
        states: list[str] = []
        telegrams: list[int | None] = []
        fleet: list[bytes] = []
        changed: list[bytes] = []
        async for first, some in _in_turns(meters):
            views: list[FleetRowView] = []
            for position, meter in enumerate(some, first):
                states.append(state_of(meter, moment))
                telegrams += _telegram(position, meter, measured, moment)
                if position < len(rows) and len(meters) > MANY_METERS and (position + serial) % ONE_ROW_IN:
                    continue
                node = lines[meter.name]
                row = self._row(meter, clients.get(meter.name, 0), node, moment)
                if position >= len(rows) or rows[position] != row:
                    rows[position : position + 1] = [row]
                    views.append(FleetRowView(position, *row[:6], _reason(node.status.label)))
            changed += map(to_json, views)
            if whole:
                fleet += [to_json(_meter(meter, lines[meter.name])) for meter in some]
        shown, counted = meters if len(meters) <= FEW_METERS else (), counts(states)
        fields = frame(gateway, moment, shown, has_advice=self._page.clients.has_mistake, counted=counted)
        lists = {"fleet": fleet if whole else None, "rows": changed, "telegrams": [to_json(telegrams)[1:-1]]}
        return with_lists(FrameView(**fields), lists)

    def _row(self, meter: MeterState, clients: int, node: Node, moment: float) -> _Row:
        return (
            meter.newest is not None,
            meter.cadence_s,
            late_after_s(meter),
            meter.stale_after_s,
            self._errors_of(meter, moment),
            clients,
            *_words(node.status.label),
        )

    def _errors_of(self, meter: MeterState, moment: float) -> int:
        """Return the refused telegrams of a day, counted again after another one, and once in some minutes."""
        total = meter.refused.total()
        if not total:
            return 0
        known = self._errors.get(meter)
        if known is None or known[0] != total or moment - known[1] > 300:
            known = self._errors[meter] = total, moment, self._page.history(meter).refused_in_day(moment)
        return known[2]


def _reason(label: Label) -> LabelView | None:
    """Return why no telegram comes; None for a status that says only for how long, as the age does."""
    problem = label.values.get("problem")
    reason = problem if isinstance(problem, Label) else label
    return None if label.code in AGE_CODES else label_view(reason)


def _words(label: Label) -> tuple[str, tuple[str, ...]]:
    """Return the code of a label and the texts in it; its numbers count seconds, which the page does itself."""
    texts = (each.code if isinstance(each, Label) else each for each in label.values.values())
    return label.code, tuple(each for each in texts if isinstance(each, str))


async def _in_turns(meters: Sequence[MeterState]) -> AsyncIterator[tuple[int, Sequence[MeterState]]]:
    """Yield some meters in each turn of the event loop, with the position of the first."""
    for first in range(0, len(meters), METERS_IN_TURN):
        await asyncio.sleep(0)
        yield first, meters[first : first + METERS_IN_TURN]


def _telegram(position: int, meter: MeterState, measured: list[float], moment: float) -> Sequence[int | None]:
    """Return the three numbers of the newest telegram; nothing if it is the one of `measured`."""
    served = meter.served
    written = served.measured if served else NO_TELEGRAM
    if position < len(measured) and measured[position] == written:
        return ()
    measured[position : position + 1] = [written]
    return position, _watts(meter), round(10 * (moment - written)) if served else None


def _meter(meter: MeterState, node: Node) -> FleetMeterView:
    return FleetMeterView(meter.name, str(node.details().get("line") or node.label), meter.is_simulated)


def _watts(meter: MeterState) -> int | None:
    power = net_power(meter)
    return None if power is None else round(power)


def sparklines(page: Page, names: Iterable[str]) -> Sparklines:
    """Return the last hour of the meters with these names."""
    meters = page.gateway.meters
    return Sparklines([LineOfHourView(name, _points(page, meters[name])) for name in names])


def _points(page: Page, meter: MeterState) -> list[float | None]:
    """Return the last hour of a meter; the end is empty for one that sends nothing any more."""
    history = page.history(meter)
    points = history.points(POINTS, POINT_S)
    newest = history.hour.newest
    quiet_s = now() - (newest + 1) * history.hour.length_s if newest is not None else 0.0
    gone = min(POINTS, max(0, int(quiet_s / POINT_S)))
    shown: list[float | None] = [None if each is None else round(each) for each in points[gone:]]
    return shown + [None] * gone

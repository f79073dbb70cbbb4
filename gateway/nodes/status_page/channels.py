"""The channels of the page: what each view is sent. A view without one gets the status of the whole gateway."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from gateway.nodes.status_page.fleet import FleetChannel
from gateway.nodes.status_page.flow_view import FlowChannel
from gateway.nodes.status_page.now import NowChannel
from gateway.nodes.status_page.overview import status
from gateway.nodes.status_page.query import Page
from gateway.nodes.status_page.stream import LOOK_EVERY_S, Channel

MANY_METERS, MANY_EVERY_S = 20, 5.0
"""Number of meters from which on the whole status is sent seldom, and the shortest time between two of these events."""
_STATUS = ""
"""Name of the channel for a request without `view`."""


class StatusChannel:
    """The status of the whole gateway, as in `/api/status`."""

    def __init__(self, page: Page) -> None:
        self._page = page

    @property
    def every_s(self) -> float:
        """Return the shortest time between two events: longer with many meters, whose nodes make a long text."""
        return LOOK_EVERY_S if len(self._page.gateway.meters) < MANY_METERS else MANY_EVERY_S

    def signature(self) -> object:
        """Return a value that changes with each telegram and each status."""
        return self._page.signature()

    async def whole(self) -> bytes:
        """Return the status."""
        page = self._page
        return await status(page.gateway, page.started, has_advice=page.clients.has_mistake)

    change = whole


_VIEWS: Mapping[str, Callable[[Page, Mapping[str, str]], Channel]] = {
    _STATUS: lambda page, _parameters: StatusChannel(page),
    "fleet": lambda page, _parameters: FleetChannel(page),
    "flow": lambda page, parameters: FlowChannel(page, parameters.get("meter", "")),
    "now": lambda page, parameters: NowChannel(page, parameters.get("meter", "")),
}
"""The channel for each value of `view`."""


class Channels:
    """Finds the channel for a request."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def __call__(self, parameters: Mapping[str, str]) -> tuple[Hashable, Callable[[], Channel]] | None:
        """Return the key of the channel for the parameters of a request, and a function that makes it."""
        view, meter = parameters.get("view", _STATUS), parameters.get("meter", "")
        make = _VIEWS.get(view)
        return ((view, meter), lambda: make(self._page, parameters)) if make else None

"""What the page remembers beside what the gateway itself knows."""

from __future__ import annotations

from gateway.protocol.p1.history import History
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import now
from gateway.runtime.observation import Gateway


class Page:
    """The gateway, and the last hour of each of its meters."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.started = now()
        self._histories: dict[MeterState, History] = {}

    def history(self, meter: MeterState) -> History:
        """The meter's last hour; those of meters that are gone are forgotten."""
        if meter not in self._histories:
            here = set(self.gateway.meters.values()) | {meter}
            self._histories = {each: past for each, past in self._histories.items() if each in here}
            self._histories[meter] = History()
        return self._histories[meter]

    def past(self, meter: MeterState) -> tuple[MeterState, History]:
        """A meter with its last hour."""
        return meter, self.history(meter)

    def signature(self) -> object:
        """What changes with each telegram and each mark."""
        gateway = self.gateway
        return (
            [node.status for node in gateway.flow.nodes],
            [(meter.accepted, meter.refused.total()) for meter in gateway.meters.values()],
            list(gateway.faults),
        )

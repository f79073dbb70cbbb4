"""Metrics for Prometheus, collected from the gateway at each request."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.nodes.status_page.observation import Gateway
from gateway.runtime.clock import now
from gateway.version import version

PREFIX = "dsmr_gateway"
_NODE = ("node", "kind")
_COUNTS = {
    "clients": "clients connected",
    "readers": "readers connected",
    "viewers": "viewers of the status page",
}
"""Detail of a node to its meaning. All of them are in the metric `clients`."""
_REFUSED = ("clients_refused", "clients, readers or connections that a node refused")
_TOTALS = {
    "bytes_received": ("p1_bytes", "bytes received from a P1 port"),
    "telegrams_sent": ("passthrough_telegrams", "telegrams sent to readers"),
    "telegrams_missed": ("passthrough_telegrams_missed", "telegrams that slow readers missed"),
    "bytes_sent": ("passthrough_bytes", "bytes sent to readers"),
    "values_clamped": (
        "values_clamped",
        "values that did not fit their register; most of them are absent, others are clamped to the nearest value",
    ),
    "requests_ignored": (
        "modbus_ignored",
        "frames and datagrams that are no single request, such as responses of another server",
    ),
    "clients_refused": _REFUSED,
    "readers_refused": _REFUSED,
    "connections_refused": _REFUSED,
}
"""Detail of a node to the name and the help text of its counter. Several details may share a counter."""

__all__ = ["CONTENT_TYPE", "render"]


def render(gateway: Gateway) -> bytes:
    """Return the metrics in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Gateway(gateway))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Gateway(Collector):
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily(
            f"{PREFIX}_build",
            "version of the gateway and of Python",
            value={"version": version(), "python": platform.python_version()},
        )
        yield from self._meters()
        yield from self._servers()
        yield from self._nodes()

    def _meters(self) -> Iterable[Metric]:
        meters = self._gateway.meters.values()
        accepted = CounterMetricFamily(f"{PREFIX}_telegrams", "telegrams accepted", labels=["meter"])
        refused = CounterMetricFamily(
            f"{PREFIX}_telegram_errors", "telegrams refused, by reason", labels=["meter", "reason"]
        )
        unread = CounterMetricFamily(
            f"{PREFIX}_unreadable_lines", "unreadable lines of accepted telegrams", labels=["meter"]
        )
        withheld = CounterMetricFamily(
            f"{PREFIX}_withheld_readings",
            "readings of accepted telegrams withheld, by reason",
            labels=["meter", "reason"],
        )
        age = GaugeMetricFamily(
            f"{PREFIX}_telegram_age_seconds",
            "age of the newest telegram; absent before the first",
            labels=["meter"],
        )
        interval = GaugeMetricFamily(
            f"{PREFIX}_telegram_interval_seconds", "time between the last two telegrams", labels=["meter"]
        )
        delay = GaugeMetricFamily(
            f"{PREFIX}_telegram_delay_seconds",
            "seconds by which the newest telegram came late",
            labels=["meter"],
        )
        fresh = GaugeMetricFamily(f"{PREFIX}_meter_fresh", "1 while the readings are fresh, else 0", labels=["meter"])
        for meter in meters:
            accepted.add_metric([meter.name], meter.accepted)
            unread.add_metric([meter.name], meter.line_errors)
            fresh.add_metric([meter.name], meter.is_fresh(now()))
            for reason, count in sorted(meter.refused.items()):
                refused.add_metric([meter.name, str(reason)], count)
            for doubt, count in sorted(meter.guards.withheld.items()):
                withheld.add_metric([meter.name, str(doubt)], count)
            if meter.served:
                age.add_metric([meter.name], now() - meter.served.measured)
            if meter.serving.delay_s is not None:
                delay.add_metric([meter.name], meter.serving.delay_s)
            if meter.interval_s is not None:
                interval.add_metric([meter.name], meter.interval_s)
        return accepted, refused, unread, withheld, age, delay, interval, fresh

    def _servers(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            f"{PREFIX}_modbus_requests", "requests by unit id and function code", labels=["server", "unit", "function"]
        )
        exceptions = CounterMetricFamily(
            f"{PREFIX}_modbus_exceptions",
            "exception responses by unit id, function code and exception code",
            labels=["server", "unit", "function", "code"],
        )
        for served in self._gateway.served:
            name, monitor = served.server.name, served.server.responder.monitor
            for (unit_id, function_code), count in monitor.requests.items():
                requests.add_metric([name, _name(unit_id), _name(function_code)], count)
            for (unit_id, function_code, code), count in monitor.exceptions.items():
                exceptions.add_metric([name, _name(unit_id), _name(function_code), _name(code)], count)
        return requests, exceptions

    def _nodes(self) -> Iterable[Metric]:
        up = GaugeMetricFamily(f"{PREFIX}_node_up", "1 while a node works, 0 after it failed", labels=_NODE)
        clients = GaugeMetricFamily(f"{PREFIX}_clients", "clients, readers or viewers of a node", labels=_NODE)
        families = {
            name: CounterMetricFamily(f"{PREFIX}_{name}", text, labels=_NODE) for name, text in _TOTALS.values()
        }
        for node in self._gateway.flow.nodes:
            labels = [node.name, node.kind]
            up.add_metric(labels, not node.status.is_failure)
            for detail, value in node.details().items():
                if detail in _COUNTS and value is not None:
                    clients.add_metric(labels, float(value))
                elif detail in _TOTALS and value is not None:
                    families[_TOTALS[detail][0]].add_metric(labels, float(value))
        return up, clients, *families.values()


def _name(number: int) -> str:
    """Return a number as a label. The monitor counts the numbers beyond its limit together, below 0."""
    return str(number) if number >= 0 else "other"

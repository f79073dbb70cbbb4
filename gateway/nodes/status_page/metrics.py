"""Metrics for Prometheus, collected from the gateway at each request."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.nodes.status_page.observation import Gateway
from gateway.protocol.p1.doubt import Doubt
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.telegram import RefusalReason
from gateway.runtime.clock import now
from gateway.runtime.flow import Node
from gateway.transport.clients import Clients
from gateway.transport.shares import TurnedAway
from gateway.version import version

PREFIX = "dsmr_gateway"
_ValueOf = Callable[[MeterState], float | None]
_CountsOf = Callable[[MeterState], Mapping[RefusalReason, int] | Mapping[Doubt, int]]
_METER_COUNTERS: Mapping[str, tuple[str, _ValueOf]] = {
    "telegrams": ("telegrams accepted", lambda meter: meter.accepted),
    "unreadable_lines": ("unreadable lines of accepted telegrams", lambda meter: meter.line_errors),
}
_METER_GAUGES: Mapping[str, tuple[str, _ValueOf]] = {
    "telegram_age_seconds": (
        "age of the newest telegram; absent before the first",
        lambda meter: now() - meter.served.measured if meter.served else None,
    ),
    "telegram_delay_seconds": (
        "seconds by which the newest telegram came late",
        lambda meter: meter.serving.delay_s,
    ),
    "telegram_interval_seconds": ("time between the last two telegrams", lambda meter: meter.interval_s),
    "meter_fresh": ("1 while the readings are fresh, else 0", lambda meter: meter.is_fresh(now())),
}
"""Name of a metric of a meter to its help text and the function that returns its value, None if it is absent."""
_METER_REASONS: Mapping[str, tuple[str, _CountsOf]] = {
    "telegram_errors": ("telegrams refused, by reason", lambda meter: meter.refused),
    "withheld_readings": (
        "readings of accepted telegrams withheld, by reason",
        lambda meter: meter.guards.withheld,
    ),
}
"""Name of a counter of a meter by reason to its help text and the function that returns its counts."""
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
    "requests_sent": ("source_requests", "requests sent to a source that is polled"),
    "telegrams_sent": ("passthrough_telegrams", "telegrams sent to readers"),
    "telegrams_missed": ("passthrough_telegrams_missed", "telegrams that slow readers missed"),
    "bytes_sent": ("passthrough_bytes", "bytes sent to readers"),
    "values_clamped": (
        "values_clamped",
        "values that did not fit their register; most of them are absent, others are clamped to the nearest value",
    ),
    "requests_ignored": (
        "modbus_ignored",
        "frames and datagrams without a response: responses of another server, and requests that a later one replaces",
    ),
    "messages_received": ("mqtt_messages_received", "messages received from an MQTT broker"),
    "messages_used": ("mqtt_messages_used", "messages whose telegrams were used"),
    "messages_copied": ("mqtt_messages_copied", "messages that came before over another broker, or were older"),
    "messages_unused": ("mqtt_messages_unused", "messages that could not be used: stored, of unknown age, not valid"),
    "messages_published": ("mqtt_messages_published", "messages that an MQTT broker acknowledged"),
    "messages_replaced": (
        "mqtt_messages_replaced",
        "messages that a newer one replaced while they waited",
    ),
    "messages_refused": ("mqtt_messages_refused", "messages that an MQTT broker refused"),
    "messages_lost": ("mqtt_messages_lost", "messages without acknowledgement when the connection to a broker ended"),
    "messages_expired": ("mqtt_messages_expired", "messages that were too old when a broker could take them"),
    "wrong_passwords": ("wrong_passwords", "wrong passwords given to the status page"),
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
        yield from self._certificates()
        yield from self._reloads()

    def _reloads(self) -> Iterable[Metric]:
        gateway = self._gateway
        reloads = CounterMetricFamily(f"{PREFIX}_reloads", "reloads of the configuration, by result", labels=["result"])
        for result, count in gateway.reload_counts.items():
            reloads.add_metric([result], count)
        name, text = f"{PREFIX}_last_reload_successful", "1 if the last reload was accepted, 0 if it was refused"
        # Before the first reload, the configuration is the one of the start.
        successful = GaugeMetricFamily(name, text, value=not gateway.reloaded or gateway.reloaded.is_applied)
        name, text = f"{PREFIX}_last_reload_timestamp_seconds", "unix time of the last reload; absent before the first"
        last = GaugeMetricFamily(name, text, labels=[])
        if gateway.reloaded:
            last.add_metric([], gateway.reloaded.at)
        problems = GaugeMetricFamily(
            f"{PREFIX}_configuration_problems", "problems of the configuration file", value=len(gateway.problems)
        )
        return reloads, successful, last, problems

    def _meters(self) -> Iterable[Metric]:
        meters = self._gateway.meters.values()
        for family, metrics in ((CounterMetricFamily, _METER_COUNTERS), (GaugeMetricFamily, _METER_GAUGES)):
            for name, (text, value_of) in metrics.items():
                metric = family(f"{PREFIX}_{name}", text, labels=["meter"])
                for meter in meters:
                    value = value_of(meter)
                    if value is not None:
                        metric.add_metric([meter.name], value)
                yield metric
        for name, (text, counts_of) in _METER_REASONS.items():
            counter = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=["meter", "reason"])
            for meter in meters:
                for reason, count in sorted(counts_of(meter).items()):
                    counter.add_metric([meter.name, str(reason)], count)
            yield counter

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

    def _certificates(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            f"{PREFIX}_certificate_expiry_timestamp_seconds",
            "unix time at which the first certificate in a file expires",
            labels=[*_NODE, "file"],
        )
        for node in self._gateway.flow.nodes:
            clients = getattr(node, "clients", None)
            for expiry in getattr(clients if isinstance(clients, Clients) else node, "expiries", ()):
                family.add_metric([node.name, node.kind, expiry.key], expiry.at.timestamp())
        return (family,)

    def _nodes(self) -> Iterable[Metric]:
        up = GaugeMetricFamily(f"{PREFIX}_node_up", "1 while a node works, 0 after it failed", labels=_NODE)
        clients = GaugeMetricFamily(f"{PREFIX}_clients", "clients, readers or viewers of a node", labels=_NODE)
        families = {
            name: CounterMetricFamily(f"{PREFIX}_{name}", text, labels=_NODE) for name, text in _TOTALS.values()
        }
        turned_away = CounterMetricFamily(
            f"{PREFIX}_clients_turned_away",
            "clients, readers or connections that were refused, or closed for others, by reason",
            labels=[*_NODE, "reason"],
        )
        for node in self._gateway.flow.nodes:
            labels = [node.name, node.kind]
            if (counts := turned_away_by(node)) is not None:
                # The first one that is turned away has to be an increase, for which Prometheus needs the 0 before.
                for reason in TurnedAway:
                    turned_away.add_metric([*labels, reason], counts[reason])
            up.add_metric(labels, not node.status.is_failure)
            for detail, value in node.details().items():
                if detail in _COUNTS and value is not None:
                    clients.add_metric(labels, float(value))
                elif detail in _TOTALS and value is not None:
                    families[_TOTALS[detail][0]].add_metric(labels, float(value))
        return up, clients, turned_away, *families.values()


def turned_away_by(node: Node) -> Counter[TurnedAway] | None:
    """Return how many connections a node has refused or closed, by reason; None if it accepts none."""
    clients = getattr(node, "clients", node)
    counts: Counter[TurnedAway] | None = getattr(clients, "turned_away", None)
    return counts


def _name(number: int) -> str:
    """Return a number as a label. The monitor counts the numbers beyond its limit together, below 0."""
    return str(number) if number >= 0 else "other"

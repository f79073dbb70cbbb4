"""The state of a gateway as plain data without personal data, which may be sent with a report of a bug.

Only what is listed here goes in: numbers, codes of the gateway's own texts, and redacted telegrams. Names, hosts, paths
and sentences of the log do not, because users and meters write parts of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.redaction import redact
from gateway.protocol.p1.telegram import RefusalReason
from gateway.runtime.flow import Node
from gateway.runtime.status import Label


def describe(meters: Mapping[str, MeterState], nodes: Iterable[Node], now: float) -> Mapping[str, object]:
    """Return the nodes with their status and newest problems, and the meters with their newest telegrams.

    Nodes and meters have numbers in place of their names; meters have them in the order of the configuration.
    """
    numbers: Counter[str] = Counter()
    return {
        "nodes": [_node(node, numbers) for node in nodes],
        "meters": [_meter(f"(meter {n})", meter, now) for n, meter in enumerate(meters.values(), start=1)],
    }


def _node(node: Node, numbers: Counter[str]) -> Mapping[str, object]:
    numbers[node.kind] += 1
    status = node.status
    return {
        "name": str(numbers[node.kind]),
        "kind": node.kind,
        "status": f"{status.colour} {status.mark}: {_code(status.label)}",
        "troubles": [{"time": round(at, 3), "text": code} for at, _, code in node.recent_problems],
    }


def _code(label: Label) -> str:
    """Return the code of a text, with its numbers."""
    values = [
        f"{name} {_code(value) if isinstance(value, Label) else value}"
        for name, value in label.values.items()
        if isinstance(value, int | float | Label)
    ]
    return f"{label.code} ({', '.join(values)})" if values else label.code


def _meter(name: str, meter: MeterState, now: float) -> Mapping[str, object]:
    data: dict[str, object] = {
        "name": name,
        "is_simulated": meter.is_simulated,
        "is_fresh": meter.is_fresh(now),
        "accepted": meter.accepted,
        "refused": {str(reason): count for reason, count in meter.refused.items()},
        "line_faults": meter.line_errors,
        "interval_s": meter.interval_s and round(meter.interval_s, 3),
        "condition": meter.serving.condition.value,
        "delay_s": meter.serving.delay_s and round(meter.serving.delay_s, 1),
        "not_served": {kind.value: count for kind, count in meter.serving.not_served.items()},
    }
    newest, refused = meter.newest, meter.newest_refused
    if newest:
        data["newest"] = {
            "variant": newest.variant.key,
            "age_s": round(now - newest.measured, 1),
            "line_faults": [f"line {error.number} cannot be read" for error in newest.readings.errors],
            "telegram": redact(newest.telegram.raw).decode("latin-1"),
        }
    if refused:
        data["newest_refused"] = {
            "fault": str(refused.reason),
            "detail": refused.detail if refused.reason is RefusalReason.CHECKSUM else "",
            "telegram": redact(refused.raw).decode("latin-1"),
        }
    return data

"""The state of a gateway as plain data without personal data, which may be sent with a report of a bug."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.redaction import redact, redact_text
from gateway.runtime.flow import Node


def describe(meters: Mapping[str, MeterState], nodes: Iterable[Node], now: float) -> Mapping[str, object]:
    """Return the nodes with their status and newest problems, and the meters with their newest telegrams."""
    return {
        "nodes": [
            {
                "name": redact_text(node.name),
                "kind": node.kind,
                "status": redact_text(str(node.status)),
                "troubles": [{"time": round(at, 3), "text": redact_text(text)} for at, text in node.recent_problems],
            }
            for node in nodes
        ],
        "meters": [_meter(meter, now) for meter in meters.values()],
    }


def _meter(meter: MeterState, now: float) -> Mapping[str, object]:
    data: dict[str, object] = {
        "name": meter.name,
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
            "line_faults": [f"line {error.number}: {redact_text(error.reason)}" for error in newest.readings.errors],
            "telegram": redact(newest.telegram.raw).decode("latin-1"),
        }
    if refused:
        data["newest_refused"] = {
            "fault": str(refused.reason),
            "detail": redact_text(refused.detail),
            "telegram": redact(refused.raw).decode("latin-1"),
        }
    return data

"""`metrics:`, what the metrics of the status page have by choice."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class MetricsConfig(BaseModel):
    """The choice of metrics."""

    model_config = ConfigDict(extra="forbid")

    readings: bool = False

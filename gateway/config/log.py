"""`log:`, the level and the form of the log."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["text", "json"]


class LogConfig(BaseModel):
    """The lines that are logged, and their form."""

    model_config = ConfigDict(extra="forbid")

    level: Level = "info"
    format: Form = "text"

"""Root of the configuration: the keys at the beginning of a line."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.config.defaults import DefaultsConfig
from gateway.config.log import LogConfig
from gateway.config.meter import MeterConfig
from gateway.config.metrics import MetricsConfig
from gateway.config.modbus import ModbusConfig
from gateway.config.mqtt import MqttConfig
from gateway.config.passthrough import PassthroughConfig
from gateway.config.push import PushConfig
from gateway.config.status_page import StatusPageConfig
from gateway.config.types import MAX_LISTENERS
from gateway.files.document import Loc


class Config(BaseModel):
    """A whole configuration."""

    model_config = ConfigDict(extra="forbid")

    meter: MeterConfig | None = None
    meters: dict[str, MeterConfig] = Field(default={}, max_length=MAX_LISTENERS)
    meters_file: Path | None = None
    """A table with more meters, units and servers, which are in `meters` and `modbus` already."""
    defaults: DefaultsConfig | None = None
    """Values that the meters, units and servers have already."""
    modbus: list[ModbusConfig] = Field(default_factory=lambda: [ModbusConfig()], max_length=MAX_LISTENERS)
    passthrough: list[PassthroughConfig] = Field(default=[], max_length=MAX_LISTENERS)
    push: PushConfig | None = None
    mqtt: MqttConfig | None = None
    status_page: StatusPageConfig | None = None
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    log: LogConfig = Field(default_factory=LogConfig)
    audit: str | None = Field(default=None, min_length=1)
    state_dir: Path | None = None
    """Folder for what is remembered over a restart."""

    @model_validator(mode="after")
    def _serve_nobody(self) -> Config:
        """Leave out the default server where it could not tell which meter it serves, and nobody has to be served."""
        if self.publishes and "modbus" not in self.model_fields_set and len(self.meters) > 1:
            self.modbus = []
        return self

    @property
    def publishes(self) -> bool:
        """Return whether telegrams or readings go to MQTT brokers."""
        return bool(self.mqtt and self.mqtt.publish)

    def all_meters(self) -> dict[str, MeterConfig]:
        """Return the meters by name; a single one under `meter:` has the name `meter`."""
        return self.meters or {"meter": self.meter or MeterConfig()}

    def located_meters(self) -> list[tuple[Loc, MeterConfig]]:
        """Return the meters, each with its place in the configuration."""
        return [(("meters", name) if self.meters else ("meter",), meter) for name, meter in self.all_meters().items()]

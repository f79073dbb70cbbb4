"""`passthrough:`, the ports that serve the telegrams unchanged."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.config.types import MAX_CLIENTS_LIMIT, MAX_NETWORKS, Duration, Listen, ListenAddress, Network, TlsConfig
from gateway.files.validation import invalid

DEFAULT_PORT = 2001
MAX_CLIENTS = 32


class PassthroughConfig(BaseModel):
    """One port that serves a meter's telegrams."""

    model_config = ConfigDict(extra="forbid")

    meter: str | None = None
    listen: ListenAddress = Field(default_factory=lambda: Listen(host="", port=DEFAULT_PORT))
    mode: Literal["telegrams", "raw"] = "telegrams"
    content: Literal["encrypted", "decrypted"] = "encrypted"
    telnet: Literal["rfc2217"] | None = None
    on_meter_loss: Literal["keep", "close"] = "keep"
    greet: Literal["nothing", "newest"] = "nothing"
    writable: bool = False
    max_clients: int = Field(default=MAX_CLIENTS, ge=1, le=MAX_CLIENTS_LIMIT)
    kick_oldest: bool = False
    allow: list[Network] = Field(default=[], max_length=MAX_NETWORKS)
    idle_timeout: Duration | None = None
    tls: TlsConfig | None = None
    announce: bool = False

    @field_validator("announce")
    @classmethod
    def _check_announce(cls, value: bool) -> bool:
        if value and find_spec("zeroconf") is None:
            hint = "Run pip install '.[mdns]' in the folder of the project, or remove announce"
            raise invalid("zeroconf-missing", "announce needs zeroconf, which is not installed", hint)
        return value

    def __str__(self) -> str:
        return str(self.listen)

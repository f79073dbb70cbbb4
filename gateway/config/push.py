"""`push:`, the port that programs post telegrams to."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.types import MAX_NETWORKS, CertificateConfig, Listen, ListenAddress, Network

DEFAULT_PORT = 8082


class PushConfig(BaseModel):
    """The address that telegrams are posted to, and who may post."""

    model_config = ConfigDict(extra="forbid")

    listen: ListenAddress = Field(default_factory=lambda: Listen(host="", port=DEFAULT_PORT))
    allow: list[Network] = Field(default=[], max_length=MAX_NETWORKS)
    tls: CertificateConfig | None = None

    def __str__(self) -> str:
        return str(self.listen)

"""`status_page:`, the web page with the state of the gateway."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.config.types import MAX_NETWORKS, Listen, ListenAddress, Network
from gateway.files.validation import invalid
from gateway.problems.quoting import quoted

DEFAULT_PORT = 8080
_ORIGIN = re.compile(r"self|https?://[A-Za-z0-9.\-]+(?::[0-9]+)?")


class StatusPageConfig(BaseModel):
    """The address of the page, and the browsers that it serves."""

    model_config = ConfigDict(extra="forbid")

    listen: ListenAddress = Field(default_factory=lambda: Listen(host="127.0.0.1", port=DEFAULT_PORT))
    password_file: Path | None = None
    allow: list[Network] = Field(default=[], max_length=MAX_NETWORKS)
    trust: list[Network] = Field(default=[], max_length=MAX_NETWORKS)
    framed_by: list[str] = Field(default=[], max_length=MAX_NETWORKS)
    host_names: list[str] = Field(default=[], max_length=MAX_NETWORKS)

    @field_validator("framed_by")
    @classmethod
    def _check_origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                hint = "Write self, or an origin like https://example.org"
                raise invalid("not-an-origin", f"{quoted(origin)} is not an origin", hint)
        return value

    @model_validator(mode="after")
    def _check_password(self) -> StatusPageConfig:
        if not (self.password_file or self.trust or self.is_local):
            what = f"other machines can reach {self.listen}, and there is no password"
            hint = "Add password_file:, or trust: with the addresses that need none, or listen on 127.0.0.1"
            raise invalid("password-missing", what, hint)
        return self

    @property
    def is_local(self) -> bool:
        """Return whether only this machine can open the page."""
        host = self.listen.host
        with suppress(ValueError):
            return ip_address(host).is_loopback
        return host == "localhost"

    def __str__(self) -> str:
        return str(self.listen)

"""TLS for what listens: the certificate shown, and whose certificates a client must show.

Imported only where there is TLS.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

HANDSHAKE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files."""

    certificate: Path
    key: Path
    client_ca: Path | None
    """Who signs the clients' certificates; without it any client may connect."""


class ServerTls:
    """The TLS side of a listener, 1.2 or newer (Modbus/TCP Security, R-01)."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files; clients must show a certificate where there is a `client_ca` (R-08).

        Raises:
            OSError: when a file cannot be read or does not fit (ssl.SSLError is one).

        """
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(files.certificate, files.key)
        if files.client_ca:
            self._context.load_verify_locations(files.client_ca)
            self._context.verify_mode = ssl.CERT_REQUIRED

    async def start(self, transport: asyncio.Transport, client: asyncio.BaseProtocol) -> asyncio.Transport:
        """Shake hands with a client over its open connection.

        Raises:
            OSError: when the client does not, in time or at all.

        """
        secured = await asyncio.get_running_loop().start_tls(
            transport, client, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S
        )
        assert secured is not None
        return secured

"""TLS for connections that the gateway makes: the authorities that may have signed the certificate of the other end."""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.transport.secret_file import read_secret


def trust(ca: Path | None) -> ssl.SSLContext:
    """Return a context that checks the certificate and the name of the other end; it reads files.

    Args:
        ca: PEM file of the only authorities that are trusted; None for those of the system.

    Raises:
        OSError: the file cannot be read, or holds no certificate (ssl.SSLError is one).

    """
    return ssl.create_default_context(cadata=None if ca is None else read_secret(ca).decode("ascii", "replace"))

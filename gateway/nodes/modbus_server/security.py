"""Modbus/TCP Security (v36, 2021): TLS, and the role in a client's certificate.

Imported only where a server has TLS.
"""

from __future__ import annotations

import asyncio
import ssl

from cryptography import x509

from gateway.nodes.modbus_server.settings import TlsFiles

HANDSHAKE_TIMEOUT_S = 10.0
ROLE_OID = x509.ObjectIdentifier("1.3.6.1.4.1.50316.802.1")
"""R-23: the role is an extension of the client's certificate."""
UTF8_STRING = 0x0C


class Security:
    """The TLS side of a server."""

    def __init__(self, files: TlsFiles) -> None:
        """TLS 1.2 or newer (R-01); clients must show a certificate where there is a `client_ca` (R-08).

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

    def role_of(self, secured: asyncio.Transport) -> str:
        """The client's role, empty when its certificate has none (R-26: the NULL role)."""
        certificate = secured.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if not certificate:
            return ""
        try:
            extension = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_oid(ROLE_OID)
        except (x509.ExtensionNotFound, ValueError):
            return ""
        value = getattr(extension.value, "value", b"")
        # ASN.1 UTF8String: a tag, a length of one byte, the text.
        if len(value) >= 2 and value[0] == UTF8_STRING and value[1] == len(value) - 2:
            return bytes(value[2:]).decode("utf-8", "replace")
        return ""

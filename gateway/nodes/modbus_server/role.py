"""Read the role from a client's certificate (Modbus/TCP Security v36, 2021).

Imported only if a server has TLS.
"""

from __future__ import annotations

import asyncio

from cryptography import x509

ROLE_OID = x509.ObjectIdentifier("1.3.6.1.4.1.50316.802.1")
"""Identifier of the certificate extension that holds the role (R-23)."""
UTF8_STRING = 0x0C


def role_of(secured: asyncio.Transport) -> str:
    """Return the client's role; empty if its certificate has none (R-26: the NULL role)."""
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

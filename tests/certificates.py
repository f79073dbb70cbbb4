"""Certificates for tests: an authority, and what it signed."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.tls import TlsFiles

ROLE = "operator"


def make_certificates(folder: Path) -> TlsFiles:
    """An authority, and what it signed: a server, and a client with a role."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _sign("authority", authority_key, None, authority_key)
    for name in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(name, key, authority, authority_key, role=ROLE if name == "client" else "")
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    return TlsFiles(folder / "server.pem", folder / "server.key", folder / "ca.pem")


def _sign(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate | None,
    authority_key: ec.EllipticCurvePrivateKey,
    role: str = "",
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
    )
    if role:
        value = bytes((0x0C, len(role))) + role.encode()
        identifier = x509.ObjectIdentifier("1.3.6.1.4.1.50316.802.1")
        builder = builder.add_extension(x509.UnrecognizedExtension(identifier, value), critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def client_context(folder: Path, *, with_certificate: bool = True) -> ssl.SSLContext:
    """What a client of the TLS server needs."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.check_hostname = False
    if with_certificate:
        context.load_cert_chain(folder / "client.pem", folder / "client.key")
    return context

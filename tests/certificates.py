"""Certificates for tests: an authority, and certificates that it signed."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gateway.transport.tls import TlsFiles

ROLE = "operator"
ROLE_OID = x509.ObjectIdentifier("1.3.6.1.4.1.50316.802.1")
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_certificates(folder: Path) -> TlsFiles:
    """Make an authority, and certificates of a server and of a client with a role that it signed."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _sign("authority", authority_key, None, authority_key)
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    _write_key(folder / "ca.key", authority_key)
    add_certificate(folder, "client", role=utf8_string(ROLE))
    return add_certificate(folder, "server")


def add_certificate(
    folder: Path, name: str, *, role: bytes = b"", days: int = 1, key: Key | None = None, host: str = ""
) -> TlsFiles:
    """Make another certificate of the authority in `folder`; with negative `days` it has expired."""
    authority_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    key = key or ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(name, key, authority, authority_key, role, days, host)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(folder / f"{name}.key", key)
    return TlsFiles(folder / f"{name}.pem", folder / f"{name}.key", folder / "ca.pem")


def utf8_string(text: str) -> bytes:
    """Return a short ASN.1 UTF8String."""
    return bytes((0x0C, len(text.encode()))) + text.encode()


def _write_key(path: Path, key: Key) -> None:
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _sign(
    name: str,
    key: Key,
    authority: x509.Certificate | None,
    authority_key: ec.EllipticCurvePrivateKey,
    role: bytes = b"",
    days: int = 1,
    host: str = "",
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=2))
        .not_valid_after(today + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        # Python demands the following from 3.13 on (RFC 5280, 4.2.1).
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if authority is None:
        builder = builder.add_extension(_signs_certificates(), critical=True)
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    if role:
        builder = builder.add_extension(x509.UnrecognizedExtension(ROLE_OID, role), critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def _signs_certificates() -> x509.KeyUsage:
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    never = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **never)


def client_context(folder: Path, *, with_certificate: bool = True, name: str = "client") -> ssl.SSLContext:
    """Return the TLS context of a client of the server."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.check_hostname = False
    if with_certificate:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


HOST_CERTIFICATES = (
    ("localhost", "ca.pem", ""),
    ("other.example", "ca.pem", "certificate-refused"),
    ("localhost", None, "certificate-refused"),
    ("localhost", "server.key", "ca-without-certificate"),
    ("localhost", "empty.pem", "ca-without-certificate"),
    ("localhost", "missing.pem", "no-such-file"),
)
"""Name in the certificate of a host, file of the authorities to trust → code of the problem, empty for none.

The host is `localhost`. None as the file stands for the authorities of the system.
"""


def host_tls(folder: Path, name: str) -> ssl.SSLContext:
    """Make an authority and the other files of `HOST_CERTIFICATES`; return the TLS context of a host of this name."""
    make_certificates(folder)
    (folder / "empty.pem").touch()  # which is not a reason to trust the authorities of the system
    files = add_certificate(folder, "host", host=name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context

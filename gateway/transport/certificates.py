"""Certificates of TLS listeners: the ends of their validity, and who signed a client's certificate.

Imported only where there is TLS.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gateway.problems.problem import Problem, problem_of
from gateway.transport.secret_file import read_secret

if TYPE_CHECKING:
    from gateway.transport.tls import TlsFiles

WARN_BEFORE = dt.timedelta(days=30)
"""Time before the end of a certificate's validity from which it is reported every day."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """The end of validity of the certificates in a file: of the one that ends first."""

    key: str
    """`certificate` (with its chain) or `client_ca`."""
    path: Path
    at: dt.datetime


def expiries_of(files: TlsFiles) -> list[Expiry]:
    """Return the first end of validity in each file; without a file that cannot be read."""
    first: dict[str, Expiry] = {}
    for key, path, certificate in certificates_in(files):
        at = certificate.not_valid_after_utc
        if key not in first or at < first[key].at:
            first[key] = Expiry(key, path, at)
    return list(first.values())


def certificates_in(files: TlsFiles) -> Iterator[tuple[str, Path, x509.Certificate]]:
    """Yield each certificate with its file and the key of the configuration; none of a file that cannot be read."""
    for key, path in (("certificate", files.certificate), ("client_ca", files.client_ca)):
        try:
            certificates = x509.load_pem_x509_certificates(read_secret(path)) if path else []
        except (OSError, ValueError):
            continue
        yield from ((key, path, certificate) for certificate in certificates if path)


def expiry_problem(expiry: Expiry, now: dt.datetime) -> Problem | None:
    """Return the warning about a certificate that has expired or does so in less than `WARN_BEFORE`."""
    if now > expiry.at:
        return expired(expiry)
    if now <= expiry.at - WARN_BEFORE:
        return None
    days = (expiry.at.date() - now.date()).days
    left = "today" if days == 0 else "tomorrow" if days == 1 else f"in {days} days"
    what = f"{expiry.path} expires {left}, on {expiry.at:%Y-%m-%d}"
    hint = "Renew it, write the new files in place of the old ones, and reload (SIGHUP)"
    return problem_of("certificate-expires-soon", what, hint, days=days)


def expired(expiry: Expiry) -> Problem:
    """Return the problem of a certificate that has expired."""
    return problem_of("certificate-expired", f"{expiry.path} is no longer valid since {expiry.at:%Y-%m-%d}", "Renew it")


def is_signed_by(certificate: bytes, authorities: bytes) -> bool:
    """Return whether one of the authorities in a PEM file has signed a certificate in DER form itself.

    A certificate between them that only the client has sent is not known here.
    """
    try:
        signed = x509.load_der_x509_certificate(certificate)
        known = x509.load_pem_x509_certificates(authorities)
    except ValueError:
        return False
    return any(_signed(signed, authority) for authority in known)


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True

"""TLS for connections that the gateway makes: the authorities that may have signed the certificate of the other end."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

from gateway.problems.problem import Place, Problem, ProblemError, problem_of
from gateway.problems.system import file_problem
from gateway.transport.secret_file import read_secret

_ALERTS = {
    "CERTIFICATE_EXPIRED": "it is no longer valid",
    "CERTIFICATE_REVOKED": "it is revoked",
    "UNKNOWN_CA": "its authority is not known there",
    "BAD_CERTIFICATE": "it is not accepted",
    "CERTIFICATE_UNKNOWN": "it is not accepted",
    "UNSUPPORTED_CERTIFICATE": "it is of another kind",
}
"""Reason why the other end refuses the certificate of this one, by the name of its alert (RFC 8446, 6.2)."""


class ClientCertificate(NamedTuple):
    """The PEM files with the certificate that the gateway shows to the other end, and with its key."""

    certificate: Path
    key: Path


def trust(ca: Path | None, own: ClientCertificate | None = None) -> ssl.SSLContext:
    """Return a context that checks the certificate and the name of the other end; it reads files.

    Args:
        ca: PEM file of the only authorities that are trusted; None for those of the system.
        own: the certificate to show to the other end; None for none.

    Raises:
        ProblemError: a file cannot be read, or does not hold what it should.

    """
    try:
        content = read_secret(ca).decode("ascii", "ignore") if ca else ""  # a comment may have other characters
        # An empty text would mean the authorities of the system.
        context = ssl.create_default_context(cadata=(content or "nothing") if ca else None)
    except OSError as error:
        assert ca
        raise _ca_problem(error, ca) from error
    if own:
        _show(context, own)
    return context


def _show(context: ssl.SSLContext, own: ClientCertificate) -> None:
    """Load the certificate of this end, and its key."""
    try:
        for path in own:
            read_secret(path)  # a pipe or a device would keep the library waiting
    except OSError as error:
        raise ProblemError(file_problem(error, Place(str(path))), error.errno) from error
    try:
        # Without a password, the library would ask for one on the terminal.
        context.load_cert_chain(own.certificate, own.key, password="")
    except OSError as error:
        what = "the certificate and the key cannot be used together"
        hint = "Use the key of that certificate, in PEM form and without a password"
        short, place = "certificate and key do not fit", Place(str(own.key))
        raise ProblemError(problem_of("client-key-unusable", what, hint, short=short, place=place)) from error


def tls_problem(error: Exception) -> Problem:
    """Return why a connection over TLS cannot be made, for an error of ssl."""
    reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    if isinstance(error, ssl.SSLCertVerificationError | ssl.CertificateError):
        what = f"the certificate of the host is refused: {reason}"
        hint = "Use the name in the certificate, and ca: with the file of its authority. Is the clock right?"
        return problem_of("certificate-refused", what, hint, short="certificate refused")
    alert = (getattr(error, "reason", "") or "").rpartition("ALERT_")[2]
    if alert in _ALERTS:
        what = f"the certificate of this gateway is refused: {_ALERTS[alert]}"
        hint = "Write a new certificate and its key in place of the old ones, and reload"
        return problem_of("own-certificate-refused", what, hint, short="own certificate refused")
    if alert == "CERTIFICATE_REQUIRED":
        what, hint = "a certificate of this gateway is required", "Write certificate: and key:"
        return problem_of("own-certificate-missing", what, hint, short="own certificate required")
    what = f"no TLS connection: {reason}"
    return problem_of("tls-failed", what, "Does the port speak TLS?", short="no TLS connection")


def _ca_problem(error: OSError, ca: Path) -> ProblemError:
    place = Place(str(ca))
    if isinstance(error, ssl.SSLError):
        what = "the file of ca holds no certificate in PEM form"
        return ProblemError(problem_of("ca-without-certificate", what, short="ca holds no certificate", place=place))
    return ProblemError(file_problem(error, place), error.errno)

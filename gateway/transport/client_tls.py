"""TLS for connections that the gateway makes: the authorities that may have signed the certificate of the other end."""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.problems.problem import Place, Problem, ProblemError, problem_of
from gateway.problems.system import file_problem
from gateway.transport.secret_file import read_secret


def trust(ca: Path | None) -> ssl.SSLContext:
    """Return a context that checks the certificate and the name of the other end; it reads files.

    Args:
        ca: PEM file of the only authorities that are trusted; None for those of the system.

    Raises:
        ProblemError: the file cannot be read, or holds no certificate.

    """
    if ca is None:
        return ssl.create_default_context()
    try:
        content = read_secret(ca).decode("ascii", "ignore")  # a comment may have other characters
        # An empty text would mean the authorities of the system.
        return ssl.create_default_context(cadata=content or "nothing")
    except OSError as error:
        raise _ca_problem(error, ca) from error


def tls_problem(error: Exception) -> Problem:
    """Return why a connection over TLS cannot be made, for an error of ssl."""
    reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    if isinstance(error, ssl.SSLCertVerificationError | ssl.CertificateError):
        what = f"the certificate of the host is refused: {reason}"
        hint = "Use the name in the certificate, and ca: with the file of its authority. Is the clock right?"
        return problem_of("certificate-refused", what, hint, short="certificate refused")
    what = f"no TLS connection: {reason}"
    return problem_of("tls-failed", what, "Does the port speak TLS?", short="no TLS connection")


def _ca_problem(error: OSError, ca: Path) -> ProblemError:
    place = Place(str(ca))
    if isinstance(error, ssl.SSLError):
        what = "the file of ca holds no certificate in PEM form"
        return ProblemError(problem_of("ca-without-certificate", what, short="ca holds no certificate", place=place))
    return ProblemError(file_problem(error, place), error.errno)

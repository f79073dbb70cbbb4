"""Problems of the files of TLS listeners, and warnings about files that can be used.

Imported only where there is TLS.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.problems.problem import Problem, problem_of
from gateway.problems.system import file_problem
from gateway.runtime.clock import utc_now
from gateway.transport.certificates import Expiry, certificates_in, expired
from gateway.transport.secret_file import read_secret
from gateway.transport.tls import ServerTls, TlsFiles

Found = tuple[str, Problem]
"""A key of `tls:` in the configuration, and a problem of the file that it names."""


def check_tls_files(files: TlsFiles) -> list[Found]:
    """Return the problems of the files of a listener, each with the key of the configuration that names the file.

    These are files that cannot be used, and certificates that are not valid today.
    """
    return unusable_files(files) or out_of_date(files)


def unusable_files(files: TlsFiles) -> list[Found]:
    """Return why no listener can use these files; it can use a certificate that is not valid today."""
    found: list[Found] = []
    for name, path in (("certificate", files.certificate), ("key", files.key), ("client_ca", files.client_ca)):
        problem = _unusable(name, path) if path else None
        found += [(name, problem)] if problem else []
    return found or _check_pair(files)


def _unusable(name: str, path: Path) -> Problem | None:
    try:
        content = read_secret(path)
        if name == "key":
            load_pem_private_key(content, None)
        else:
            x509.load_pem_x509_certificates(content)
    except OSError as error:
        problem = file_problem(error)
        return replace(problem, what=f"{path}: {problem.what}")
    except TypeError:
        return problem_of("key-with-password", f"{path} is protected by a password", "Save the key without one")
    except ValueError:
        kind = "private key" if name == "key" else "certificate"
        what = f"{path} does not contain a {kind} in PEM form"
        return problem_of("not-pem", what, f"Write the path of a file with a {kind} in PEM form")
    return None


def _check_pair(files: TlsFiles) -> list[Found]:
    try:
        ServerTls(files)
    except OSError as error:
        what = f"{files.key} and {files.certificate} do not belong together ({getattr(error, 'reason', None) or error})"
        hint = "Use the key that the certificate was made for"
        return [("key", problem_of("key-of-another-certificate", what, hint))]
    return []


def out_of_date(files: TlsFiles) -> list[Found]:
    """Return the problem of each certificate that is not valid today."""
    now, found = utc_now(), list[Found]()
    for key, path, certificate in certificates_in(files):
        expiry = Expiry(key, path, certificate.not_valid_after_utc)
        if now > expiry.at:
            found.append((key, expired(expiry)))
        if now < certificate.not_valid_before_utc:
            what = f"{path} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
            hint = "Renew it, or set the clock of this machine"
            found.append((key, problem_of("certificate-not-valid-yet", what, hint)))
    return found

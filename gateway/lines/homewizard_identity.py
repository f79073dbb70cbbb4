"""The identity of a HomeWizard device: its certificate, by which it is known, and the token that it gave the gateway.

The certificate has no host name. Its common name is `appliance/p1dongle/SERIAL`, signed by the maker's own authority.
So a device is checked by its serial number, which the token file keeps beside the token, and not by its address.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from gateway.lines.http import bearer_token
from gateway.problems.problem import Place, ProblemError, problem_of
from gateway.problems.system import file_problem
from gateway.transport.client_tls import trust
from gateway.transport.secret_file import read_secret

MAKERS_AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIDITCCAgkCFDn7cwYLioTM3VxdAygLl/Px9ovFMA0GCSqGSIb3DQEBCwUAME0x
CzAJBgNVBAYTAk5MMQswCQYDVQQIDAJaSDETMBEGA1UECgwKSG9tZVdpemFyZDEc
MBoGA1UEAwwTQXBwbGlhbmNlIEFjY2VzcyBDQTAeFw0yMTEyMTgxOTEyMTJaFw0z
MTEyMTYxOTEyMTJaME0xCzAJBgNVBAYTAk5MMQswCQYDVQQIDAJaSDETMBEGA1UE
CgwKSG9tZVdpemFyZDEcMBoGA1UEAwwTQXBwbGlhbmNlIEFjY2VzcyBDQTCCASIw
DQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAPBIvW8NRffqdvzHZY0M32fQHiGm
pJgNGhiaQmpJfRDhT9yihM0S/hYcN8IqnfrMqoCQb/56Ub0+dZizmtfcGsE+Lpm1
K1znkWqSDlpnuTNOb70TrsxBmbFuNOZQEi/xOjzT2j98wT0GSfxz1RVq6lZhDRRz
xoe08+Xo4+ttUGanfOggJi0BXygeFEVBpbctVVJ9EgqeEE9itjcMlcxMe1QN14f8
hCcOnId+9PSsdmyUCLrTB0FVYrbNfbJPk/vMU57fu6swBjWhYBxPx9ZhFy+7WnPR
9BFg4seHNVQIqZNrf1YwBXlmZQIL32SRPaiH/+AVNMrYGXBvncY0Km6ZHIMCAwEA
ATANBgkqhkiG9w0BAQsFAAOCAQEA6ybM8xm0PCXg8Rr/q0v1vPxQy44PmwXTDj0e
r2vW4ZMiEwXZCp0Kk2K16KJYz4iJyfiQk8ikAIMiRSbyXzmyQ7XmL1O4l4d8E1Pg
8EImvcyoBxFhd0Lq7VKriLc8Bw8SXbahPMGT+Y8Yz0uIsLAYVwlkLfgppVPmBaLD
QautcQnI8WxPvCIQf5anyzgAyJC5ac6/CkB+iyPcuWcG3RMYvXnC0QoTlRa5YMlE
FweVDlT2C/MdDyOxiAD/H1EP/eaySnU0zsxyD0yNFRKsQfQ+UJEPd2GS1AGA1lTy
CGdyYj/Gghrusw0hM4rYXQSERWGF0mpEnuJ+7bHDolHu0rzgTQ==
-----END CERTIFICATE-----
"""
"""The maker's authority, "Appliance Access CA", valid until 2031-12-16.

Published at https://api-documentation.homewizard.com/docs/v2/authorization#https, and the same in
homewizard/python-homewizard-energy, `homewizard_energy/v2/cacert.py`.
"""
P1_METER = "p1dongle"
"""Type of the P1 Meter in its certificate. Other devices of the maker have no telegram."""
_NAME = re.compile(r"appliance/([a-z0-9_-]{1,32})/([0-9a-f]{12})")
_SERIAL = re.compile(rb"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Pairing:
    """A device, and the token with which it lets the gateway in."""

    serial: str
    """Twelve hexadecimal digits in lower case."""
    token: str = field(repr=False)

    @property
    def name(self) -> str:
        """Return the common name of the device's certificate."""
        return f"appliance/{P1_METER}/{self.serial}"

    @property
    def content(self) -> bytes:
        """Return the content of the token file."""
        return f"{self.token}\n{self.serial}\n".encode("ascii")


def read_pairing(path: Path) -> Pairing:
    """Return what a token file holds: the token in its first line, and the serial number in its second one.

    Raises:
        ProblemError: the file cannot be read, or holds something else.

    """
    try:
        lines = [line.strip() for line in read_secret(path).splitlines()]
    except OSError as error:
        raise ProblemError(file_problem(error, Place(str(path))), error.errno) from error
    token, serial = (*lines, b"", b"")[:2]
    found = bearer_token(token)
    if not _SERIAL.fullmatch(serial.lower()):
        what = "the second line of the token file is not the serial number of the device"
        hint = "Run dsmr-gateway pair, which writes both, or write its 12 digits and letters a to f there"
        raise ProblemError(problem_of("serial-missing", what, hint, short="no serial number in token_file"))
    return Pairing(serial.decode("ascii").lower(), found)


def trust_maker(ca: Path | None, *, checks_name: bool = True) -> ssl.SSLContext:
    """Return a context that accepts devices of the maker only; it reads a file if `ca` is given.

    Args:
        ca: PEM file of other authorities to trust instead of the maker's.
        checks_name: True to check the common name as well, which is the `server_hostname` of the connection.

    Raises:
        ProblemError: the file cannot be read, or holds no certificate.

    """
    context = ssl.create_default_context(cadata=MAKERS_AUTHORITY) if ca is None else trust(ca)
    # The maker's authority has no extensions (X.509 version 1), which this flag refuses. It is set from Python 3.13 on.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.hostname_checks_common_name = True
    context.check_hostname = checks_name
    return context


def serial_in(name: str) -> str:
    """Return the serial number in the common name of a certificate.

    Raises:
        ProblemError: it is not the certificate of a P1 Meter.

    """
    found = _NAME.fullmatch(name)
    if found and found[1] == P1_METER:
        return found[2]
    what = f"this is not a P1 Meter, but a device of type {found[1]}" if found else "this is not a HomeWizard device"
    raise ProblemError(problem_of("not-a-p1-meter", what, "Is the address right?", short="not a P1 Meter"))

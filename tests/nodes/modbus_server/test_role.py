"""The role is read from a client's certificate, and any certificate without a valid one has none."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.nodes.modbus_server.role import role_of
from tests.certificates import ROLE, add_certificate, make_certificates, utf8_string


class Secured:
    """A transport that knows only the client's certificate."""

    def __init__(self, certificate: bytes | None) -> None:
        self._certificate = certificate

    def get_extra_info(self, _name: str) -> Secured:
        return self

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        assert binary_form
        return self._certificate


@pytest.mark.parametrize(
    ("extension", "role"),
    [(utf8_string(ROLE), ROLE), (b"", ""), (b"\x0c", ""), (b"\x0c\x09short", ""), (b"\x13\x08operator", "")],
    ids=["a role", "none", "no length", "length that lies", "another type"],
)
def test_a_role_is_a_valid_utf8_string_in_the_certificate(tmp_path: Path, extension: bytes, role: str) -> None:
    make_certificates(tmp_path)
    files = add_certificate(tmp_path, "somebody", role=extension)
    certificate = ssl.PEM_cert_to_DER_cert(files.certificate.read_text())
    assert role_of(cast("Any", Secured(certificate))) == role


@pytest.mark.parametrize("certificate", [None, b"", b"not a certificate"])
def test_a_client_without_a_readable_certificate_has_no_role(certificate: bytes | None) -> None:
    assert role_of(cast("Any", Secured(certificate))) == ""

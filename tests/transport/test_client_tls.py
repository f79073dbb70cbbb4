"""A refused certificate of the gateway is named by the alert of the other end."""

from __future__ import annotations

import ssl

import pytest

from gateway.transport.client_tls import tls_problem
from gateway.transport.mqtt_problems import ended


@pytest.mark.parametrize(
    ("reason", "code", "text"),
    [
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "own-certificate-refused", "it is no longer valid"),
        ("TLSV1_ALERT_UNKNOWN_CA", "own-certificate-refused", "its authority is not known there"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "own-certificate-missing", "a certificate of this gateway is required"),
        ("WRONG_VERSION_NUMBER", "tls-failed", "no TLS connection"),
    ],
)
def test_an_alert_says_what_is_wrong_with_the_own_certificate(reason: str, code: str, text: str) -> None:
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    assert (tls_problem(error).code, ended(error)) == (code, tls_problem(error))
    assert text in tls_problem(error).what


def test_a_broker_that_resets_the_connection_may_refuse_the_certificate() -> None:
    assert "certificate of this gateway" in ended(ConnectionResetError(104, "reset")).hint
    assert "certificate" not in ended(None).hint

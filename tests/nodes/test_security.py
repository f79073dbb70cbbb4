"""Modbus/TCP Security v36: TLS 1.2 or newer, certificates of both sides, the role in the client's."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.nodes.modbus_server import ModbusServer
from gateway.transport import tls
from gateway.transport.tls import TlsFiles
from tests.certificates import ROLE, add_certificate, client_context, make_certificates, utf8_string
from tests.nodes.transports import StreamClient, connect, make_unit, mbap, serve
from tests.waiting import until

READ = bytes.fromhex("0300050001")
ANSWER = bytes.fromhex("03020005")
LIMIT_S = 60.0
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class Secured(NamedTuple):
    server: ModbusServer
    folder: Path


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    async with serve("tls", tmp_path, make_unit(tmp_path)) as server:
        yield Secured(server, tmp_path)


@asynccontextmanager
async def shaken(server: ModbusServer, context: ssl.SSLContext) -> AsyncIterator[StreamClient]:
    """A client that has shaken hands, as far as it can tell: in TLS 1.3 the server judges it only after that."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    try:
        yield StreamClient(reader, writer, is_rtu=False)
    finally:
        writer.transport.abort()


async def refusal(server: ModbusServer, context: ssl.SSLContext, caplog: pytest.LogCaptureFixture) -> str:
    """Why the server says it ended the handshake."""
    async with asyncio.timeout(LIMIT_S):
        with suppress(ssl.SSLError, ConnectionResetError, asyncio.IncompleteReadError):
            async with shaken(server, context) as client:
                await client.send(1, READ)
                pytest.fail(f"served: {await client.receive()}")
        await until(lambda: server.clients.refused == 1 and not len(server.clients))
    assert not server.responder.monitor.recent, "a client that is refused gets nothing out of the server"
    (reason,) = re.findall("TLS handshake failed: (.*)", caplog.text)
    return str(reason)


# TLS 1.2 or newer.


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())
async def test_tls_1_2_and_1_3_are_served(secured: Secured, version: ssl.TLSVersion) -> None:
    context = client_context(secured.folder)
    context.minimum_version = context.maximum_version = version
    async with shaken(secured.server, context) as client:
        connection = client.writer.get_extra_info("ssl_object")
        assert connection.version() == version.name.replace("_", ".")
        assert connection.compression() is None
        assert await client.ask(READ) == ANSWER


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_older_tls_is_refused_by_the_server(
    secured: Secured, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    context = client_context(secured.folder)
    context.set_ciphers("ALL:@SECLEVEL=0")  # lets the client offer it
    context.minimum_version = context.maximum_version = version
    assert await refusal(secured.server, context, caplog) == "UNSUPPORTED_PROTOCOL"


async def test_the_cipher_that_every_device_must_have_is_served(tmp_path: Path) -> None:
    """R-14: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256."""
    make_certificates(tmp_path)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    files = add_certificate(tmp_path, "rsa", key=key)
    context = client_context(tmp_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    async with serving(files, tmp_path) as server, shaken(server, context) as client:
        assert client.writer.get_extra_info("cipher")[0] == "ECDHE-RSA-AES128-GCM-SHA256"
        assert await client.ask(READ) == ANSWER


@asynccontextmanager
async def serving(files: TlsFiles, folder: Path) -> AsyncIterator[ModbusServer]:
    """A server with certificates of its own."""
    async with serve("tcp", folder, make_unit(folder), tls=files) as server:
        yield server


# certificates of both sides.


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())
async def test_a_client_without_certificate_is_refused(
    secured: Secured, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    context = client_context(secured.folder, with_certificate=False)
    context.minimum_version = context.maximum_version = version
    assert await refusal(secured.server, context, caplog) == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


async def test_a_client_of_another_authority_is_refused(
    secured: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    make_certificates(elsewhere)
    context = client_context(secured.folder, with_certificate=False)
    context.load_cert_chain(elsewhere / "client.pem", elsewhere / "client.key")
    assert await refusal(secured.server, context, caplog) == "CERTIFICATE_VERIFY_FAILED"


async def test_a_client_whose_certificate_has_expired_is_refused(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    add_certificate(secured.folder, "expired", days=-1)
    context = client_context(secured.folder, name="expired")
    assert await refusal(secured.server, context, caplog) == "CERTIFICATE_VERIFY_FAILED"


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())
async def test_a_client_that_is_refused_gets_an_alert(secured: Secured, version: ssl.TLSVersion) -> None:
    context = client_context(secured.folder, with_certificate=False)
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError) as alert:
        async with asyncio.timeout(LIMIT_S), shaken(secured.server, context) as client:
            await client.ask(READ)
    assert alert.value.reason in {"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"}


async def test_a_client_can_tell_a_false_server(secured: Secured, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    make_certificates(elsewhere)
    with pytest.raises(ssl.SSLCertVerificationError):
        async with shaken(secured.server, client_context(elsewhere)):
            pass


async def test_without_a_client_ca_any_client_is_served(tmp_path: Path) -> None:
    files = replace(make_certificates(tmp_path), client_ca=None)
    context = client_context(tmp_path, with_certificate=False)
    async with serving(files, tmp_path) as server, shaken(server, context) as client:
        assert await client.ask(READ) == ANSWER


# the role.


@pytest.mark.parametrize(
    ("extension", "role"),
    [
        (utf8_string(ROLE), ROLE),
        (utf8_string("Bediener für Zähler"), "Bediener für Zähler"),
        (b"", ""),
        (b"\x0c", ""),
        (b"\x0c\x09short", ""),
        (b"\x13\x08operator", ""),
        (b"\x0c\x02\xff\xfe", "\ufffd\ufffd"),
    ],
    ids=["a role", "UTF-8", "none", "no length", "length that lies", "another type", "no UTF-8"],
)
async def test_the_role_in_a_certificate_is_read_and_logged(
    secured: Secured, extension: bytes, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    add_certificate(secured.folder, "somebody", role=extension)
    with caplog.at_level(logging.INFO, "gateway"):
        async with shaken(secured.server, client_context(secured.folder, name="somebody")) as client:
            assert await client.ask(READ) == ANSWER
            (connected,) = secured.server.clients
            assert connected.role == role
    logged = [record.getMessage() for record in caplog.records if "role" in record.getMessage()]
    assert logged == ([f"node=modbus tls: clients with the role {role!r} connect"] if role else [])


async def test_many_connections_with_a_role_are_one_line_of_log(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "gateway"):
        for _ in range(20):
            async with shaken(secured.server, client_context(secured.folder)) as client:
                assert await client.ask(READ) == ANSWER
    assert caplog.text.count(f"clients with the role {ROLE!r} connect") == 1


# What comes to the port besides.


async def test_a_request_split_over_records_and_three_in_one_record_are_answered(secured: Secured) -> None:
    request, answer = mbap(7, 1, READ), mbap(7, 1, ANSWER)
    async with asyncio.timeout(LIMIT_S), shaken(secured.server, client_context(secured.folder)) as client:
        for cut in (5, 9):
            client.writer.write(request[:cut])  # each write is a record of its own
            client.writer.write(request[cut:])
            assert await client.reader.readexactly(len(answer)) == answer
        client.writer.write(3 * request)
        assert await client.reader.readexactly(3 * len(answer)) == 3 * answer


@pytest.mark.parametrize("count", [1, 16])
@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())
async def test_requests_that_come_with_the_end_of_the_handshake_are_answered_under_tls(
    secured: Secured, version: ssl.TLSVersion, count: int
) -> None:
    context = client_context(secured.folder)
    context.minimum_version = context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing)
    reader, writer = await asyncio.open_connection("127.0.0.1", secured.server.port)
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                connection.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(65536))
        connection.write(count * mbap(7, 1, READ))
        writer.write(outgoing.read())  # in TLS 1.3 with the client's certificate and its "finished"
        received = b""
        while len(received) < count * len(mbap(7, 1, ANSWER)):
            try:
                received += connection.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(await reader.read(65536))
    assert received == count * mbap(7, 1, ANSWER)
    writer.transport.abort()


@pytest.mark.parametrize("data", [mbap(1, 1, READ), b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(500)])
async def test_what_is_not_tls_gets_no_modbus_and_is_closed(secured: Secured, data: bytes) -> None:
    async with connect(secured.server, secured.folder) as healthy:
        reader, writer = await asyncio.open_connection("127.0.0.1", secured.server.port)
        writer.write(data)
        received = b""
        with suppress(ConnectionResetError):
            async with asyncio.timeout(LIMIT_S):
                received = await reader.read()
        assert received[:1] in (b"", b"\x15"), "at most an alert"
        writer.close()
        assert await healthy.ask(READ) == ANSWER
        await until(lambda: len(secured.server.clients) == 1)
    assert [exchange.request for exchange in secured.server.responder.monitor.newest()] == [READ]


async def test_a_client_that_never_shakes_hands_is_cut_and_holds_nobody_up(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_TIMEOUT_S", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", secured.server.port)
    async with asyncio.timeout(LIMIT_S), connect(secured.server, secured.folder) as healthy:
        assert await healthy.ask(READ) == ANSWER
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        assert await healthy.ask(READ) == ANSWER
        assert len(secured.server.clients) == 1


@pytest.mark.parametrize("missing", ["certificate", "key", "client_ca"])
async def test_a_file_that_is_missing_keeps_the_server_from_listening(tmp_path: Path, missing: str) -> None:
    files = replace(make_certificates(tmp_path), **{missing: tmp_path / "missing.pem"})
    with pytest.raises(OSError, match="No such file"):
        async with serving(files, tmp_path):
            pass

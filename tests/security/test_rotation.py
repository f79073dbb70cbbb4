"""Finding 4: a reload takes over renewed certificates, keys, authorities and passwords, or keeps what works."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import re
import signal
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

import gateway.service.secret_files
from gateway.nodes.decryption import Decryption
from gateway.protocol.p1.decryption import Fault
from gateway.runtime.clock import now
from gateway.service.file_look import look_at_files
from gateway.service.secret_files import SecretFiles
from tests.certificates import add_certificate, client_context, make_certificates
from tests.ciphering import KEY, OTHER_KEY, encrypted, telegram_at
from tests.peers.harness import Program, free_port, gateway_command, running
from tests.security.rotation_bench import HOUSE, SERVER, Bench, connect, gateway_in, serial_number
from tests.waiting import until

OLD, NEW = "correct horse", "battery staple"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of the configuration."""
    make_certificates(tmp_path)
    (tmp_path / "server.key").chmod(0o600)
    (tmp_path / "password").write_text(OLD)
    (tmp_path / "password").chmod(0o600)
    return tmp_path


def renew(folder: Path) -> int:
    """Replace the gateway's certificate and key; return the serial number of the new one."""
    add_certificate(folder, "server", days=90)
    return serial_number(folder / "server.pem")


async def test_new_handshakes_on_every_listener_use_the_new_certificate_and_connections_go_on(folder: Path) -> None:
    async with gateway_in(folder) as bench:
        before = serial_number(folder / "server.pem")
        old = await connect(bench.ports[0], client_context(folder))
        after = renew(folder)
        assert await bench.reload()
        for port in bench.ports:
            new = await connect(port, client_context(folder))
            assert new.serial_number == after != before
            new.close()
        assert old.serial_number == before
        assert await old.is_served()
        old.close()
        day = dt.datetime.now(dt.UTC) + dt.timedelta(days=90)
        assert bench.changes == (f"modbus[0].tls and 1 more: new certificate (valid until {day:%Y-%m-%d}), new key",)


async def test_a_reload_without_new_content_replaces_and_reports_nothing(folder: Path) -> None:
    async with gateway_in(folder) as bench:
        os.utime(folder / "server.pem")
        assert await bench.reload()
        assert bench.changes == ()


async def test_forty_listeners_that_share_files_are_renewed_at_once(folder: Path) -> None:
    text = "meter: {simulate: true}\nmodbus:\n" + 40 * SERVER
    async with gateway_in(folder, text) as bench:
        after = renew(folder)
        assert await bench.reload()
        assert len(set(bench.ports)) == 40
        for port in bench.ports:
            client = await connect(port, client_context(folder))
            assert client.serial_number == after
            client.close()


def spoil_key(folder: Path) -> None:
    (folder / "server.key").write_text("garbage")


def take_key_of_another(folder: Path) -> None:
    (folder / "server.key").write_bytes((folder / "client.key").read_bytes())


def expire(folder: Path) -> None:
    add_certificate(folder, "server", days=-1)


def remove_certificate(folder: Path) -> None:
    (folder / "server.pem").unlink()


def make_pipe(folder: Path) -> None:
    (folder / "server.key").unlink()
    os.mkfifo(folder / "server.key")


def make_password_a_pipe(folder: Path) -> None:
    (folder / "password").unlink()
    os.mkfifo(folder / "password")


def spoil_authorities(folder: Path) -> None:
    (folder / "ca.pem").write_text("garbage")


def shorten_password(folder: Path) -> None:
    (folder / "password").write_text("short")


@pytest.mark.parametrize(
    ("breaks", "key", "what"),
    [
        (spoil_key, "modbus[0].tls.key", "does not contain a private key in PEM form. Write the path of a file"),
        (take_key_of_another, "modbus[0].tls.key", "do not belong together"),
        (expire, "modbus[0].tls.certificate", "is no longer valid since"),
        (remove_certificate, "modbus[0].tls.certificate", "no such file. Check the name"),
        (make_pipe, "modbus[0].tls.key", "this is a pipe. Give the path of a file"),
        (make_password_a_pipe, "status_page.password_file", "this is a pipe. Give the path of a file"),
        (spoil_authorities, "modbus[0].tls.client_ca", "does not contain a certificate in PEM form"),
        (shorten_password, "status_page.password_file", "the password is too short. Use 8 characters or more"),
    ],
)
async def test_what_cannot_be_used_is_refused_with_its_place_and_the_old_goes_on(
    folder: Path, breaks: Callable[[Path], None], key: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway_in(folder) as bench:
        before = serial_number(folder / "server.pem")
        context = client_context(folder)
        old = await connect(bench.ports[0], context)
        breaks(folder)
        assert not await bench.reload()
        line = next(line for line in caplog.messages if line.startswith("reload: ") and key in line)
        assert f"gateway.yaml:{6 if 'page' in key else 3}:" in line
        assert what in line
        assert "nothing is changed" in caplog.text
        assert [problem.place.path for problem in bench.wiring.problems][:1] == [key]
        for port in bench.ports:
            new = await connect(port, context)
            assert new.serial_number == before
            new.close()
        assert await old.is_served()
        old.close()
        assert (await asyncio.to_thread(bench.get, "/api/status", OLD))[0] == 200
        # The next reload with usable files works.
        (folder / "server.key").unlink()
        (folder / "password").unlink()
        (folder / "password").write_text(OLD)
        after = serial_number(make_certificates(folder).certificate)
        assert await bench.reload()
        assert bench.wiring.problems == []
        new = await connect(bench.ports[0], client_context(folder))
        assert new.serial_number == after
        new.close()


async def test_clients_that_the_new_authority_has_not_signed_are_closed_and_others_stay(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    make_certificates(other)
    own, others = (folder / "ca.pem").read_bytes(), (other / "ca.pem").read_bytes()
    context = client_context(folder)
    context.load_verify_locations(folder / "ca.pem")
    foreign = client_context(folder, with_certificate=False)
    foreign.load_cert_chain(other / "client.pem", other / "client.key")
    (folder / "ca.pem").write_bytes(own + others)
    async with gateway_in(folder) as bench:
        staying, leaving = await connect(bench.ports[0], context), await connect(bench.ports[0], foreign)
        assert await staying.is_served()
        assert await leaving.is_served()
        (folder / "ca.pem").write_bytes(own)
        assert await bench.reload()
        assert not await leaving.is_served()
        assert await staying.is_served()
        refused = await connect_or_none(bench.ports[0], foreign)
        assert refused is None
        staying.close()


async def connect_or_none(port: int, context: ssl.SSLContext) -> bool | None:
    """Return whether a client is served; None when its handshake is refused."""
    try:
        client = await connect(port, context)
        return True if await client.is_served() else None
    except (OSError, asyncio.IncompleteReadError):
        return None


class SlowHandshake:
    """A client whose handshake has begun."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, folder: Path) -> None:
        self.reader, self.writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._client = client_context(folder).wrap_bio(self._incoming, self._outgoing)
        with pytest.raises(ssl.SSLWantReadError):
            self._client.do_handshake()
        hello = self._outgoing.read()
        self._rest = hello[20:]
        writer.write(hello[:20])

    async def finish(self) -> int:
        """Send the rest; return the serial number of the certificate that the gateway has shown."""
        self.writer.write(self._rest)
        while True:
            try:
                self._client.do_handshake()
                break
            except ssl.SSLWantReadError:
                data = await self.reader.read(4096)
                assert data, "the gateway has closed the connection"
                self._incoming.write(data)
        self.writer.write(self._outgoing.read())
        return x509.load_der_x509_certificate(self._client.getpeercert(binary_form=True) or b"").serial_number


async def begin_handshake(bench: Bench) -> SlowHandshake:
    slow = SlowHandshake(*await asyncio.open_connection("127.0.0.1", bench.ports[0]), bench.folder)
    await until(lambda: len(bench.wiring.servers[0].clients) == 1, "the connection")
    return slow


async def test_a_handshake_that_is_under_way_ends_with_the_certificate_that_it_began_with(folder: Path) -> None:
    async with gateway_in(folder) as bench:
        before = serial_number(folder / "server.pem")
        slow = await begin_handshake(bench)
        after = renew(folder)
        assert await bench.reload()
        assert await slow.finish() == before != after
        slow.writer.close()


async def test_a_handshake_under_way_does_not_admit_a_client_of_a_replaced_authority(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    make_certificates(other)
    async with gateway_in(folder) as bench:
        slow = await begin_handshake(bench)
        (folder / "ca.pem").write_bytes((other / "ca.pem").read_bytes())
        assert await bench.reload()
        await slow.finish()
        await until(lambda: len(bench.wiring.servers[0].clients) == 0, "the end of the connection")
        slow.writer.close()


async def test_a_new_password_is_required_from_the_next_request_on(folder: Path) -> None:
    async with gateway_in(folder) as bench:
        assert (await asyncio.to_thread(bench.get, "/api/status", OLD))[0] == 200
        (folder / "password").write_text(NEW)
        assert await bench.reload()
        assert bench.changes == ("status_page.password_file: new password",)
        assert (await asyncio.to_thread(bench.get, "/api/status", OLD))[0] == 401
        status, body = await asyncio.to_thread(bench.get, "/api/status", NEW)
        assert status == 200
        assert b'"is_applied":true,"changes":["status_page.password_file: new password"]' in body


async def test_settings_and_files_that_change_together_are_both_reported(folder: Path) -> None:
    async with gateway_in(folder) as bench:
        renew(folder)
        bench.path.write_text(HOUSE.replace("simulate: true", "simulate: true, stale_after: 20s"))
        assert await bench.reload()
        assert bench.changes[0] == "settings: meter.stale_after"
        assert "new certificate" in bench.changes[1]


async def test_expiry_is_on_the_page_and_a_metric(folder: Path) -> None:
    async with gateway_in(folder) as bench:
        metrics = (await asyncio.to_thread(bench.get, "/metrics", OLD))[1].decode()
        ends = [
            float(line.rpartition(" ")[2])
            for line in metrics.splitlines()
            if line.startswith("dsmr_gateway_certificate_expiry_timestamp_seconds{")
        ]
        assert len(ends) == 4, "a certificate and an authority on each listener"
        day = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).timestamp()
        assert all(abs(end - day) < 3600 for end in ends)
        assert 'file="client_ca"' in metrics
        status = (await asyncio.to_thread(bench.get, "/api/status", OLD))[1].decode()
        assert '"certificate_valid_until":"' in status
        assert '"certificate-expires-soon"' in status


def expiring(folder: Path, days: int) -> SecretFiles:
    """Return the watch over a certificate that expires in some days, and an authority that expires much later."""
    add_certificate(folder, "server", days=days)
    path = folder / "gateway.yaml"
    path.write_text(HOUSE.replace(", client_ca: ca.pem", ""))
    secrets = SecretFiles(path)
    secrets.take(look_at_files(Bench(folder).load()[0], path))
    return secrets


def test_expiry_is_reported_daily_from_thirty_days_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = dt.datetime.now(dt.UTC).replace(hour=0, minute=0)  # so that the last look is on day 41
    secrets = expiring(folder, 40)
    assert secrets.warnings == []
    reported = []
    for hour in range(0, 42 * 24, 6):
        moment = start + dt.timedelta(hours=hour)
        monkeypatch.setattr(gateway.service.secret_files, "utc_now", lambda moment=moment: moment)
        caplog.clear()
        secrets.report_daily()
        reported += [(moment.date() - start.date(), message) for message in caplog.messages]
    days = [day.days for day, _ in reported]
    assert days == list(range(days[0], 42)), "once a day"
    assert 9 < days[0] <= 11
    assert "gateway.yaml:3:" in reported[0][1]
    assert "modbus[0].tls.certificate" in reported[0][1]
    # The first look of a day decides for that day, and the certificate expires at the present time of day.
    assert re.search(r"expires in (29|30) days, on ", reported[0][1])
    assert "is no longer valid since" in reported[-1][1]


def test_expiry_is_reported_at_the_start(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    expiring(folder, 3)
    assert "server.pem expires in 3 days, on " in caplog.text
    caplog.clear()
    expiring(folder, -1)
    assert "server.pem is no longer valid since" in caplog.text


def test_a_sighup_renews_the_certificate_of_a_real_gateway(folder: Path) -> None:
    port = free_port()
    (folder / "gateway.yaml").write_text("meter: {simulate: true}\nmodbus:\n" + SERVER.replace(":0", f":{port}"))
    program = Program([gateway_command(), "run", "gateway.yaml"], folder, "gateway")
    with running(program):
        program.wait_for_log("Modbus tcp: connect to")
        after = renew(folder)
        program.signal(signal.SIGHUP)
        program.wait_for_log("info reloaded: modbus\\[0\\].tls: new certificate .*, new key")
        client = asyncio.run(shown_by(port, folder))
        assert client == after


async def shown_by(port: int, folder: Path) -> int:
    client = await connect(port, client_context(folder))
    client.close()
    return client.serial_number


async def test_a_reload_takes_over_a_new_key_of_encrypted_telegrams_and_refuses_one_that_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = tmp_path / "key"
    key.write_text(OTHER_KEY.hex())
    key.chmod(0o600)
    meter = "meter: {host: 127.0.0.1, port: 1, decryption: {key_file: key}}"
    async with gateway_in(tmp_path, f"{meter}\nmodbus: [{{listen: '127.0.0.1:0'}}]\n") as bench:
        (node,) = (each for each in bench.wiring.flow.nodes if isinstance(each, Decryption))
        node.receive(encrypted(telegram_at(1), 1), now())
        assert node.status.label.code == Fault.WRONG_KEY
        key.write_text(KEY.hex()[:-1])
        assert not await bench.reload()
        assert KEY.hex()[:8] not in caplog.text
        key.write_text(KEY.hex())
        assert await bench.reload()
        assert bench.changes == ("meter.decryption.key_file: new key",)
        node.receive(encrypted(telegram_at(2), 2), now())
        assert node.status.label.code == "telegrams-decrypted"
        assert bench.wiring.warnings == []
        key.chmod(0o644)
        assert await bench.reload()
        (warning,) = bench.wiring.warnings
        assert warning.place.path == "meter.decryption.key_file"

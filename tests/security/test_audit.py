"""Finding 7: the audit log has logins, refusals, reloads, changes, starts and stops, and costs the gateway nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import gateway.runtime.audit
import gateway.service.audit_log
from gateway.config import Config, check_config
from gateway.files.document import FileError
from gateway.runtime.audit import ACCEPTED, BURST, REFUSED, SESSION_S, Event, Strangers, record
from gateway.service.audit_log import AuditLog, audit_problem
from tests.certificates import add_certificate, client_context, make_certificates
from tests.cli.calling import invoke
from tests.peers.harness import Program, free_port, gateway_command, running
from tests.security.rotation_bench import HOUSE, connect, gateway_in
from tests.waiting import until

Line = dict[str, str]


def lines_of(path: Path) -> list[Line]:
    """Return the events of an audit log; each line begins with its time in UTC."""
    found = []
    for line in path.read_text().splitlines():
        time, _, rest = line.partition(" ")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time), line
        found.append(dict(part.partition("=")[::2] for part in shlex.split(rest)))
    return found


def config_of(folder: Path, audit: str | None = "audit.log") -> Config:
    key = f"audit: {audit}\n" if audit else ""
    (folder / "gateway.yaml").write_text("meter: {simulate: true}\n" + key)
    return check_config(folder / "gateway.yaml", {}).config


@contextmanager
def auditing(folder: Path, audit: str = "audit.log") -> Iterator[AuditLog]:
    """Write an audit log."""
    log = AuditLog(folder / "gateway.yaml")
    config = config_of(folder, audit)
    try:
        log.take(log.open(config))
    except FileError as error:
        log.refuse(error.problems)
    try:
        yield log
    finally:
        log.close()


def flush() -> None:
    """Wait until the waiting lines are written."""
    for handler in logging.getLogger("gateway.audit").handlers:
        handler.flush()


async def test_logins_refusals_and_reloads_are_recorded_with_time_and_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.runtime.audit.strangers, "_seen", {})
    make_certificates(tmp_path)
    (tmp_path / "password").write_text("correct horse")
    async with gateway_in(tmp_path, HOUSE + "audit: audit.log\n") as bench:
        log = bench.wiring.audit = AuditLog(bench.path)
        log.take(log.open(bench.load()[0]))
        for password in ("wrong guess", "wrong guess", "correct horse", "correct horse"):
            await asyncio.to_thread(bench.get, "/api/status", password)
        client = await connect(bench.ports[0], client_context(tmp_path))
        assert await client.is_served()
        client.close()
        _, stranger = await asyncio.open_connection("127.0.0.1", bench.ports[0])
        stranger.write(b"GET / HTTP/1.1\r\n\r\n")
        server = bench.wiring.servers[0]
        await until(lambda: server.clients.refused == 1, "the refusal")
        stranger.close()
        (tmp_path / "server.key").write_text("garbage")
        assert not await bench.reload()
        add_certificate(tmp_path, "server")
        assert await bench.reload()
        flush()
        log.close()
    lines = lines_of(tmp_path / "audit.log")
    assert [(line["event"], line["outcome"]) for line in lines] == [
        ("login", "refused"),
        ("login", "accepted"),
        ("login", "accepted"),
        ("connection", "refused"),
        ("reload", "refused"),
        ("configuration", "accepted"),
        ("reload", "accepted"),
    ]
    assert all(line["address"] == "127.0.0.1" for line in lines[:4])
    assert lines[1]["node"].startswith("status page")
    assert lines[2]["detail"] == "commonName=client"
    assert lines[3]["detail"].startswith("TLS handshake failed")
    assert "modbus[0].tls.key" in lines[4]["detail"]
    assert "new certificate" in lines[5]["detail"]
    assert "correct horse" not in (tmp_path / "audit.log").read_text()


def test_a_real_gateway_records_its_start_and_stop_and_opens_the_file_again_at_a_reload(tmp_path: Path) -> None:
    text = f'meter: {{simulate: true}}\nmodbus: [{{listen: "127.0.0.1:{free_port()}"}}]\naudit: audit.log\n'
    (tmp_path / "gateway.yaml").write_text(text)
    program = Program([gateway_command(), "run", "gateway.yaml"], tmp_path, "gateway")
    path, moved = tmp_path / "audit.log", tmp_path / "audit.log.1"
    with running(program):
        program.wait_for_log("Modbus tcp: connect to")
        path.rename(moved)
        (tmp_path / "gateway.yaml").write_text(text.replace("simulate: true", "simulate: true, watchdog: 40s"))
        program.signal(signal.SIGHUP)
        program.wait_for_log("info reloaded")
    assert [line["event"] for line in lines_of(moved)] == ["start"]
    events = [(line["event"], line.get("detail")) for line in lines_of(path)]
    assert events == [("configuration", "settings: meter.watchdog"), ("reload", None), ("stop", None)]
    assert stat.S_IMODE(path.stat().st_mode) & ~0o640 == 0


def test_text_of_strangers_stays_in_its_line_and_its_value(tmp_path: Path) -> None:
    with auditing(tmp_path):
        record(Event.LOGIN, REFUSED, address="192.0.2.7", detail='a\nb event=stop "c\\ \x1b[2J' + 5000 * "x")
        flush()
        text = (tmp_path / "audit.log").read_text()
        assert len(text.splitlines()) == 1
        assert "\x1b" not in text
        (line,) = lines_of(tmp_path / "audit.log")
        assert line["event"] == "login"
        assert len(line["detail"]) <= 300


def test_an_existing_file_is_appended_to(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_text("before\n")
    with auditing(tmp_path):
        record(Event.START, ACCEPTED)
        flush()
    assert (tmp_path / "audit.log").read_text().splitlines()[0] == "before"


def test_a_session_is_one_login_and_repeated_refusals_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1000.0]
    monkeypatch.setattr(gateway.runtime.audit, "now", lambda: moment[0])
    strangers = Strangers()
    with auditing(tmp_path):
        for _ in range(5):
            moment[0] += SESSION_S - 1
            strangers.record(Event.LOGIN, ACCEPTED, address="192.0.2.1", node="page")
        moment[0] += SESSION_S
        strangers.record(Event.LOGIN, ACCEPTED, address="192.0.2.1", node="page")
        for _ in range(61):
            strangers.record(Event.LOGIN, REFUSED, address="192.0.2.1", node="page")
            moment[0] += 1
        flush()
        shown = [(line["outcome"], line.get("left_out")) for line in lines_of(tmp_path / "audit.log")]
    assert shown == [("accepted", None), ("accepted", None), ("refused", None), ("refused", "59")]


def test_a_flood_from_many_addresses_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.runtime.audit, "now", lambda: 1000.0)
    strangers = Strangers()
    with auditing(tmp_path):
        for n in range(20_000):
            strangers.record(Event.LOGIN, REFUSED, address=f"2001:db8::{n:x}", node="page")
        flush()
        assert len(lines_of(tmp_path / "audit.log")) == BURST
    assert len(strangers._seen) <= gateway.runtime.audit.MAX_SOURCES


def test_a_full_disk_costs_lines_which_are_counted_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, room = os.write, [40]

    def write(descriptor: int, data: bytes) -> int:
        if room[0] == 0:
            raise OSError(28, "No space left on device")
        written = real(descriptor, data[: room[0]])
        room[0] -= written
        return written

    with auditing(tmp_path):
        monkeypatch.setattr(os, "write", write)
        for _ in range(3):
            record(Event.START, ACCEPTED)
            flush()
        room[0] = 1_000_000
        record(Event.STOP, ACCEPTED)
        flush()
    monkeypatch.undo()
    torn, report, whole = (tmp_path / "audit.log").read_text().splitlines()
    assert len(torn) == 40
    assert report.endswith('event=audit detail="3 lines could not be written: No space left on device"')
    assert whole.endswith("event=stop outcome=accepted")
    assert caplog.text.count("cannot be written: No space left on device. The gateway goes on") == 1


@pytest.mark.parametrize(
    ("audit", "what"),
    [
        ("no/such/folder/audit.log", "there is no folder {}/no/such/folder. Run: mkdir -p {}/no/such/folder"),
        (".", "this is a folder. Give a file in it"),
        ("pipe", "this is a pipe. Give the path of a file"),
        ("/dev/full", "this is a device. Give the path of a file"),
    ],
)
def test_a_log_that_cannot_be_opened_is_a_problem_and_the_gateway_runs_without_it(
    tmp_path: Path, audit: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "pipe")
    expected = f"gateway.yaml:2:1: audit: {what.format(tmp_path, tmp_path)}"
    with auditing(tmp_path, audit) as log:
        assert [str(warning).endswith(expected) for warning in log.warnings] == [True]
        assert expected in caplog.text
        record(Event.START, ACCEPTED)
    result = invoke("check", str(tmp_path / "gateway.yaml"))
    assert result.exit_code == 1
    assert expected in result.stderr


def test_a_reload_keeps_the_old_log_when_the_new_one_cannot_be_opened(tmp_path: Path) -> None:
    with auditing(tmp_path) as log:
        with pytest.raises(FileError, match=r"gateway.yaml:2:1: audit: there is no folder"):
            log.take(log.open(config_of(tmp_path, "no/audit.log")))
        record(Event.RELOAD, REFUSED)
        log.take(log.open(config_of(tmp_path, "other.log")))
        record(Event.RELOAD, ACCEPTED)
        log.take(log.open(config_of(tmp_path, None)))
        record(Event.STOP, ACCEPTED)
    before, after = lines_of(tmp_path / "audit.log"), lines_of(tmp_path / "other.log")
    assert [line["event"] for line in before] == ["reload", "configuration"]
    assert before[1]["detail"] == "the audit log goes on in other.log"
    assert [line.get("detail") for line in after] == [None, "the audit log goes on in no file"]


def test_the_journal_gets_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(address)
        journal.settimeout(10)
        monkeypatch.setattr(gateway.service.audit_log, "JOURNAL_SOCKET", address)
        with auditing(tmp_path, "journal"):
            record(Event.LOGIN, REFUSED, address="192.0.2.7", node="status page\nPRIORITY=0")
            fields = journal.recv(65536).decode().splitlines()
    assert "MESSAGE=event=login outcome=refused address=192.0.2.7 node=status page\\nPRIORITY=0" in fields
    assert {"DSMR_EVENT=login", "DSMR_OUTCOME=refused", "DSMR_ADDRESS=192.0.2.7", "PRIORITY=4"} < set(fields)
    assert "SYSLOG_IDENTIFIER=dsmr-gateway" in fields
    assert "PRIORITY=0" not in fields


def test_without_a_journal_there_is_a_way_out(tmp_path: Path) -> None:
    problem = audit_problem("journal", tmp_path, "/no/such/socket")
    assert problem is not None
    assert str(problem) == "there is no journal on this machine (/no/such/socket). Write the path of a file instead"

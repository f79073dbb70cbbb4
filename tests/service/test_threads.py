"""A gateway that serves starts no thread in a way that waits for it: with no memory left, that may wait for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import gateway.runtime.threads
import gateway.service.run
from gateway.config import Config, Maps, check_config
from gateway.runtime.threads import ready_executor
from gateway.service.audit_log import AuditLog
from gateway.service.run import EXIT_TEMPORARY, run_gateway
from tests.nodes.status_page.bench import serving
from tests.nodes.status_page.test_app import PATHS
from tests.security.rotation_bench import gateway_in

LINES = """\
meters:
  named: {host: localhost, port: 9}
  cable: {port: ./no-such-device}
modbus: [{listen: "127.0.0.1:0", units: {1: {meter: named}}}]
audit: audit.log
state_dir: .
"""


@pytest.fixture
async def no_threads() -> AsyncIterator[None]:
    """Let the event loop have its threads, and any other start of a thread fail."""
    asyncio.get_running_loop().set_default_executor(ready_executor())

    def refuse(thread: threading.Thread) -> None:
        pytest.fail(f"{thread} was started")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        yield


async def test_lines_and_reloads_start_no_thread(tmp_path: Path, no_threads: None) -> None:
    async with gateway_in(tmp_path, LINES) as bench:
        log = bench.wiring.audit = AuditLog(bench.path)
        log.take(log.open(bench.load()[0]))
        bench.path.write_text(LINES.replace("audit.log", "other.log"))
        assert await bench.reload()
        log.close()


async def test_the_page_starts_no_thread(tmp_path: Path, no_threads: None) -> None:
    async with serving(tmp_path) as bench:
        for path in PATHS:
            assert (await bench.get(path)).status == 200, path


def test_a_gateway_that_gets_no_threads_ends_and_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("meter: {simulate: true}\n")

    def load() -> tuple[Config, Maps]:
        return check_config(path, {}).valid()

    monkeypatch.setattr(gateway.runtime.threads, "start_new_thread", lambda *_: 1)
    monkeypatch.setattr(gateway.runtime.threads, "BEGIN_LIMIT_S", 0.01)
    assert run_gateway(load, path, asyncio.new_event_loop) == EXIT_TEMPORARY
    assert "the system starts no threads" in caplog.text

"""Gateways with all types of node start and stop under load, in development mode, and nothing of them is left."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.start_stop import noting, run_rounds
from benchmarks.start_stop_load import PAGE, PLAIN, RAW, TCP, loaded
from tests.conftest import program
from tests.peers.harness import Program, gateway_command, running
from tests.waiting import until

ROUNDS = 4
"""Each takes half a second of processor time: all types of node are made, and debug mode is slow."""
DEVELOPMENT_MODE = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning"]
RESPONSES = 20
WRONG = re.compile(
    "ResourceWarning|Traceback|was never|was destroyed|Exception ignored|unclosed|Non-thread-safe|did not stop in time"
)


def test_nothing_is_left_of_gateways_that_were_started_and_stopped_under_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("mosquitto")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    errors: list[str] = []
    with noting(errors):
        left = asyncio.run(run_rounds(tmp_path, ROUNDS), debug=True)
    assert left.is_nothing, left
    assert errors == []


async def test_a_process_in_development_mode_has_no_warning_under_load_and_at_its_end(tmp_path: Path) -> None:
    program("mosquitto")
    async with loaded(tmp_path) as (load, path):
        gateway = Program([*DEVELOPMENT_MODE, gateway_command(), "run", path], tmp_path, "gateway")
        with running(gateway), ExitStack() as stack:
            clients = await load.go_on(load.clients())
            await until(lambda: load.responses >= RESPONSES, "responses")
            await load.end(clients)
            for port in (TCP, PLAIN, RAW, PAGE):
                stack.enter_context(socket.create_connection(("127.0.0.1", load.ports[port])))
            gateway.signal(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.wait) == 0
    assert gateway.log.endswith("info stopped\n")
    assert WRONG.findall(gateway.log) == [], gateway.log

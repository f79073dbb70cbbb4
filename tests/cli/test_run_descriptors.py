"""`dsmr-gateway run` with a log that nobody reads, and without stdin, stdout and stderr."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.peers.harness import ModbusClient, free_port, gateway_command, is_listened_on, wait_until

PIPE_BYTES = 4096
END_WITHIN_S = 60.0
CLOSED = 'exec "$0" "$@" <&- >&- 2>&-'
"""A shell command that starts its arguments without stdin, stdout and stderr."""


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """The writing end of a pipe that is full and that nobody reads."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.write(writing, b"x" * PIPE_BYTES)
    yield writing
    os.close(writing)
    os.close(reading)


def configure(folder: Path) -> int:
    """Write a configuration with a meter that does not exist; return the port of the Modbus server."""
    port = free_port()
    config = {
        "meter": {"host": "127.0.0.1", "port": free_port()},
        "modbus": [{"listen": f"127.0.0.1:{port}", "units": {1: {"map": "dsmr"}}}],
    }
    (folder / "gateway.yaml").write_text(yaml.safe_dump(config))
    return port


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Kill the process at the end, if it still runs."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_a_log_that_nobody_reads_stops_neither_the_responses_nor_the_end(tmp_path: Path, full_pipe: int) -> None:
    port = configure(tmp_path)
    command = [gateway_command(), "run", "gateway.yaml"]
    with ended(subprocess.Popen(command, cwd=tmp_path, stdout=full_pipe, stderr=full_pipe)) as process:
        wait_until(lambda: is_listened_on(port), "the Modbus server")
        with ModbusClient(port) as client:
            for _ in range(10):
                assert client.registers(0, 1) == (1,)
                # A reload logs too.
                process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
            assert process.wait(END_WITHIN_S) == 0


def test_without_standard_descriptors_no_socket_gets_their_numbers(tmp_path: Path) -> None:
    port = configure(tmp_path)
    command = ["/bin/sh", "-c", CLOSED, str(gateway_command()), "run", "gateway.yaml"]
    with ended(subprocess.Popen(command, cwd=tmp_path)) as process:
        wait_until(lambda: is_listened_on(port), "the Modbus server")
        with ModbusClient(port) as client:
            assert client.registers(0, 1) == (1,)
            descriptors = Path(f"/proc/{process.pid}/fd")
            assert [(descriptors / str(number)).readlink() for number in range(3)] == [Path(os.devnull)] * 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_WITHIN_S) == 0

"""`dsmr-gateway health`, as a container's check runs it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import own_telegram
from tests.peers.harness import (
    LIMIT_S,
    SIMULATED,
    Gateway,
    SerialPort,
    free_port,
    gateway_command,
    is_listened_on,
    running,
    wait_until,
)


def health(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [gateway_command(), "health", *arguments],
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def reason(folder: Path, *arguments: str) -> str:
    return str(json.loads(health(folder, "--meters", "--json", *arguments).stdout)["reason"])


def test_it_shows_whether_the_gateway_works_and_on_request_the_meters(tmp_path: Path) -> None:
    page = free_port()
    with SerialPort(tmp_path / "p1") as port:
        meter = {"port": str(port.link), "dsmr_version": "5", "stale_after": "3s"}
        gateway = Gateway(tmp_path, meter, settings={"status_page": {"listen": f"127.0.0.1:{page}"}})
        with running(gateway):
            gateway.wait_for_port(page)
            places = ([], [f"http://127.0.0.1:{page}"])
            for place in places:
                result = health(tmp_path, *place)
                assert (result.returncode, result.stdout.split(",")[0]) == (0, "ok"), result
                silent = health(tmp_path, "--meters", *place)
                assert (silent.returncode, silent.stdout.split(",")[0]) == (1, "meter: no telegram yet")
            # A user without access to the socket gets it from the page of the configuration.
            elsewhere = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "elsewhere")}
            command = [gateway_command(), "health"]
            by_page = subprocess.run(command, cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=False)
            assert (by_page.returncode, by_page.stdout.split(",")[0]) == (0, "ok"), by_page
            with port.sending(own_telegram("v50_sagemcom-t210d")):
                # The first telegrams of a line are compared before they are served.
                gateway.wait_for_telegrams(3)
                for place in places:
                    wait_until(lambda p=place: reason(tmp_path, *p) == "ok", "the meter to be online")  # type: ignore[misc]
            for place in places:
                wait_until(lambda p=place: health(tmp_path, "--meters", *p).returncode == 1, "the meter to be offline")  # type: ignore[misc]
            # A loop that does not run gives no response.
            gateway.signal(signal.SIGSTOP)
            stuck = health(tmp_path)
            assert (stuck.returncode, stuck.stdout) == (1, "")
            assert "does not respond (no response for 5 s)" in stuck.stderr


def test_a_gateway_that_is_not_running_is_reported(tmp_path: Path) -> None:
    port = free_port()
    assert not is_listened_on(port)
    for place in ([], [f"http://127.0.0.1:{port}"]):
        result = health(tmp_path, *place)
        assert result.returncode == 1
        assert "Is it running?" in result.stderr
    assert health(tmp_path, "gateway.lan").returncode == 2


def test_a_gateway_whose_port_is_in_use_is_unhealthy(tmp_path: Path) -> None:
    with running(first := Gateway(tmp_path / "first", SIMULATED)):
        second = Gateway(tmp_path / "second", SIMULATED, {"listen": f"127.0.0.1:{first.port}"}, waits=False)
        with running(second):
            second.wait_for_log("in use by another program")
            result = wait_until(
                lambda: r if "in use" in (r := health(tmp_path / "second")).stdout else None,
                "the problem to be reported",
            )
            assert result.returncode == 1


OTHERS = {
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "a page": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "another object": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "no moment": b'HTTP/1.1 200 OK\r\n\r\n{"is_healthy": true, "reason": "well", "since": 1e300}',
    "without end": b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 20_000,
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
}


@pytest.mark.parametrize("response", OTHERS.values(), ids=OTHERS)
def test_the_response_of_another_program_is_not_taken_for_health(tmp_path: Path, response: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=_respond, args=(server, response))
        serving.start()
        result = health(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")
        serving.join()
    assert (result.returncode, result.stdout) == (1, "")
    assert "does not respond" in result.stderr
    assert "Traceback" not in result.stderr


def _respond(server: socket.socket, response: bytes) -> None:
    client, _ = server.accept()
    with client, suppress(OSError):
        client.recv(1000)
        client.sendall(response)


def test_a_response_that_comes_byte_by_byte_ends_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=_drip, args=(server,))
        dripping.start()
        result = health(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")
        dripping.join()
    assert result.returncode == 1
    assert "does not respond (no response for 5 s)" in result.stderr


def _drip(server: socket.socket) -> None:
    client, _ = server.accept()
    with client, suppress(OSError):
        client.recv(1000)
        client.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:  # until the other end closes
            client.sendall(b"x")
            select.select([client], [], [], 0.1)

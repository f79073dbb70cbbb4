"""A device that serves its newest telegram over HTTP, as DSMR-logger and the P1 Dongle do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from tests.conftest import own_telegram
from tests.peers.harness import TARGET_FAILED, Gateway, ModbusClient, running, wait_until
from tests.protocol.p1.stream import stamped

TELEGRAM = own_telegram("v50_sagemcom-t210d")
NET_POWER, NET_W = 100, 2486
PATH = "/api/v2/sm/telegram"
"""Path of the P1 Dongle."""


class Device(ThreadingHTTPServer):
    """A device with a newest telegram."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(("127.0.0.1", 0), _Responder)
        self.path = path
        self.newest = stamped(TELEGRAM, time.time())
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.path}"


class _Responder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Device

    def do_GET(self) -> None:
        device = self.server
        status = device.status if self.path == device.path else 404
        body = device.newest if status == 200 else b"<html>no</html>"
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(device: Device) -> Iterator[None]:
    thread = Thread(target=device.serve_forever, args=[0.05])
    thread.start()
    try:
        yield
    finally:
        device.shutdown()
        thread.join()
        device.server_close()


@contextmanager
def following_a_meter(device: Device) -> Iterator[None]:
    """Give the device a new telegram each second."""
    ended = Event()

    def work() -> None:
        while True:
            device.newest = stamped(TELEGRAM, time.time())
            if ended.wait(1.0):
                return

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def wait_for_power(client: ModbusClient) -> None:
    wait_until(lambda: client.read(NET_POWER, 2) == NET_W.to_bytes(4, "big", signed=True), f"{NET_W} W")


def test_a_device_is_read_until_it_repeats_its_last_telegram(tmp_path: Path) -> None:
    device = Device(PATH)
    with serving(device):
        meter = {"source": device.url, "dsmr_version": "5", "stale_after": "3s", "watchdog": "5s"}
        gateway = Gateway(tmp_path, meter)
        with running(gateway), gateway.client() as client:
            with following_a_meter(device):
                wait_for_power(client)
            # Its cable is out of the meter: it responds as before, with the last telegram.
            wait_until(lambda: client.read(NET_POWER, 2) == TARGET_FAILED, "stale readings")
            gateway.wait_for_log("the source repeats its last telegram")
            with following_a_meter(device):
                wait_for_power(client)


def test_a_device_that_refuses_is_reported_and_read_when_it_no_longer_does(tmp_path: Path) -> None:
    device = Device(PATH)
    device.status = 503
    with serving(device), following_a_meter(device):
        gateway = Gateway(tmp_path, {"source": device.url, "dsmr_version": "5"})
        with running(gateway), gateway.client() as client:
            gateway.wait_for_log("503")
            assert client.read(NET_POWER, 2) == TARGET_FAILED
            device.status = 200
            wait_for_power(client)

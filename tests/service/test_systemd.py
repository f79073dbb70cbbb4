"""What the gateway tells systemd, heard on a socket as systemd's own."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.telegram import TelegramReader
from gateway.runtime.flow import Node
from gateway.runtime.status import Colour, Mark
from gateway.service.systemd import ServiceManager, status_line
from tests.conftest import own_telegram
from tests.peers.harness import LIMIT_S, Gateway, SerialPort, is_listened_on, running, wait_until

WATCHDOG_S = 0.4


class NotifySocket:
    """Takes what programs say to systemd."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        self._socket.settimeout(LIMIT_S)
        self.name = name
        self.environment = {"NOTIFY_SOCKET": name}

    def close(self) -> None:
        self._socket.close()

    def next(self) -> dict[str, str]:
        """The next datagram's fields."""
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines())

    def hears_anything(self, within_s: float) -> bool:
        """Whether anything comes in that time."""
        return bool(select.select([self._socket], [], [], within_s)[0])

    def drop_what_came(self) -> None:
        """Forget what was said so far."""
        while self.hears_anything(0):
            self.next()

    def wait_for(self, condition: Callable[[dict[str, str]], object]) -> dict[str, str]:
        """The next datagram of which that is true; what comes before it is dropped."""
        return wait_until(lambda: fields if condition(fields := self.next()) else None, "a word to systemd")


@pytest.fixture
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifySocket]:
    """systemd, at an address in the file system unless a test names another."""
    heard = NotifySocket(getattr(request, "param", str(tmp_path / "notify")))
    yield heard
    heard.close()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[SerialPort]:
    """The P1 port that a gateway reads."""
    with SerialPort(tmp_path / "p1") as port:
        yield port


def start(folder: Path, port: SerialPort, manager: NotifySocket, **environment: str) -> Gateway:
    """A gateway that systemd has started."""
    meter = {"port": str(port.link), "dsmr_version": "5"}
    return Gateway(folder, meter, environment={**manager.environment, **environment}, waits=False)


@pytest.mark.parametrize("manager", [f"@dsmr-gateway-{os.getpid()}"], indirect=True, ids=["abstract"])
def test_an_address_outside_the_file_system_is_found(manager: NotifySocket, port: SerialPort, tmp_path: Path) -> None:
    with running(start(tmp_path, port, manager)):
        assert manager.next()["READY"] == "1"


def test_it_is_ready_once_it_listens_though_no_telegram_has_come(
    manager: NotifySocket, port: SerialPort, tmp_path: Path
) -> None:
    with running(gateway := start(tmp_path, port, manager)):
        first = manager.next()
        assert is_listened_on(gateway.port)
        assert first == {"READY": "1", "STATUS": "meter: no telegram yet"}


def test_systemd_is_notified_from_the_first_telegram_to_the_end(
    manager: NotifySocket, port: SerialPort, tmp_path: Path
) -> None:
    gateway = start(tmp_path, port, manager, WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)))
    with running(gateway):
        assert manager.next()["READY"] == "1"
        with port.sending(own_telegram("v50_sagemcom-t210d")):
            fields = manager.wait_for(lambda fields: "newest telegram" in fields["STATUS"])
        assert fields["STATUS"].startswith("meter: newest telegram 0.")

        gateway.signal(signal.SIGHUP)
        reloading = manager.wait_for(lambda fields: "RELOADING" in fields)
        assert 0 <= time.monotonic_ns() / 1000 - int(reloading["MONOTONIC_USEC"]) < LIMIT_S * 1e6
        assert manager.wait_for(lambda fields: "RELOADING" not in fields)["READY"] == "1"

        gateway.signal(signal.SIGTERM)
        manager.wait_for(lambda fields: fields.get("STOPPING") == "1")
        assert gateway.wait() == 0


def test_a_reload_of_a_broken_file_ends_ready_too(manager: NotifySocket, port: SerialPort, tmp_path: Path) -> None:
    with running(gateway := start(tmp_path, port, manager)):
        manager.next()
        (tmp_path / "gateway.yaml").write_text("meter: {prot: a}")
        gateway.signal(signal.SIGHUP)
        assert manager.next()["RELOADING"] == "1"
        assert manager.next()["READY"] == "1"
        gateway.wait_for_log("nothing is changed")


def test_the_watchdog_is_fed_in_time_only_while_the_event_loop_runs(
    manager: NotifySocket, port: SerialPort, tmp_path: Path
) -> None:
    gateway = start(tmp_path, port, manager, WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)))
    with running(gateway):
        fed = []
        while len(fed) < 5:
            assert manager.next()["WATCHDOG"] == "1"
            fed.append(time.monotonic())
        pauses = sorted(after - before for before, after in pairwise(fed))
        # The median, since a busy machine may delay this test itself.
        assert pauses[len(pauses) // 2] == pytest.approx(WATCHDOG_S / 2, abs=WATCHDOG_S / 4)

        gateway.pause()
        manager.drop_what_came()
        assert not manager.hears_anything(2 * WATCHDOG_S)
        gateway.resume()
        assert manager.next()["WATCHDOG"] == "1"


def test_the_watchdog_of_another_process_is_not_fed(manager: NotifySocket, port: SerialPort, tmp_path: Path) -> None:
    gateway = start(tmp_path, port, manager, WATCHDOG_USEC="400000", WATCHDOG_PID="1")
    with running(gateway):
        assert "WATCHDOG" not in manager.next()


def test_a_port_that_is_taken_is_in_the_status(manager: NotifySocket, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        gateway = Gateway(
            tmp_path, {"simulate": True}, {"listen": listen}, environment=manager.environment, waits=False
        )
        with running(gateway):
            assert f"; modbus {listen}: port {taken.getsockname()[1]} in use" in manager.next()["STATUS"]


def test_the_gateway_runs_on_when_systemd_is_gone(manager: NotifySocket, port: SerialPort, tmp_path: Path) -> None:
    gateway = start(tmp_path, port, manager, WATCHDOG_USEC="20000")
    with running(gateway):
        manager.next()
        manager.close()
        gateway.wait_until_connected()
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0
        assert "Traceback" not in gateway.log


async def test_without_a_notify_socket_nothing_is_sent() -> None:
    nobody = ServiceManager({})
    assert not nobody.is_there
    with nobody.reloading():
        nobody.stopping()


def test_a_full_socket_does_not_hold_up_the_gateway(tmp_path: Path) -> None:
    heard = NotifySocket(str(tmp_path / "notify"))
    manager = ServiceManager(heard.environment)
    for _ in range(5000):
        manager.stopping()
    assert heard.next()["STOPPING"] == "1"
    heard.close()


def test_an_end_while_reloading_stays_an_end(tmp_path: Path) -> None:
    heard = NotifySocket(str(tmp_path / "notify"))
    manager = ServiceManager(heard.environment)
    with manager.reloading():
        manager.stopping()
    manager.stopping()
    told = [heard.next() for _ in range(3)]
    assert [next(iter(fields)) for fields in told] == ["RELOADING", "STOPPING", "STOPPING"]
    heard.close()


class Troubled(Node):
    """A node that has found something wrong."""

    async def run(self) -> None:
        self.show(Colour.RED, Mark.RING, "plain", text="gone\nfor good")


async def test_the_status_is_one_line_with_each_meter_and_each_trouble() -> None:
    (telegram,) = TelegramReader().feed(own_telegram("v50_sagemcom-t210d"))
    fresh, stale, silent = (MeterState(name, None) for name in ("house", "barn", "shed"))
    fresh.take(telegram, 100.0, 0.0)
    stale.take(telegram, 40.0, 0.0)
    for meter in (fresh, stale):
        meter.serving.update(101.0)
    node, fine = Troubled("shed/port"), Troubled("house/port")
    await node.run()
    assert status_line([fresh, stale, silent], [fine, node], 100.5) == (
        "house: newest telegram 0.5 s old; barn: stale, newest telegram 60.5 s old; shed: no telegram yet; "
        "shed/port: gone for good"
    )


def test_the_status_of_many_meters_is_short_enough_for_systemd() -> None:
    meters = [MeterState(f"flat{number}", None) for number in range(2000)]
    text = status_line(meters, [], 100.0)
    assert text.startswith("0 of 2000 meters fresh; flat0: no telegram yet; flat1: no telegram yet; ")
    assert text.endswith(" and 1990 more")
    assert len(text) < 1000

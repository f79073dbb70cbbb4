"""`dsmr-gateway probe`: what is on a P1 port, and what keeps it from being read."""

from __future__ import annotations

import json
import os
import pty
import socket
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.cli.run import config_without_file
from gateway.config import load_config
from gateway.probing import serial_ports
from tests.conftest import own_telegram

PAUSE_S = 0.05
LISTEN_S = "2"


def probe(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["probe", "--seconds", LISTEN_S, *arguments], catch_exceptions=False)


@contextmanager
def fed_pty(data: bytes, baud: int | None = None) -> Iterator[str]:
    """A pty that brings `data` again and again, or noise while it is not set to `baud`."""
    meter, device = pty.openpty()
    tty.setraw(meter)
    tty.setraw(device)
    speeds = {115200: termios.B115200, 9600: termios.B9600}
    stop = threading.Event()

    def feed() -> None:
        while not stop.wait(PAUSE_S):
            is_heard = baud is None or termios.tcgetattr(device)[4] == speeds[baud]
            os.write(meter, data if is_heard else bytes(range(128, 256)) * 4)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield os.ttyname(device)
    finally:
        stop.set()
        thread.join()
        os.close(meter)
        os.close(device)


@contextmanager
def fed_port(data: bytes) -> Iterator[str]:
    """A TCP port that brings `data` to whoever comes, and then closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(data)
                # What it would send to the meter would come here.
                client.settimeout(5)
                sent.extend(client.recv(100))

        sent = bytearray()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()
        assert not sent


@pytest.mark.parametrize(
    ("telegram", "version", "title"),
    [
        ("v50_sagemcom-t210d", "5", "DSMR 5"),
        ("v40_landisgyr-e350", "4", "DSMR 4"),
        ("v22_kamstrup-382jxc", "2.2", "DSMR 2.2 or 3"),
    ],
)
def test_a_meter_is_recognised_and_its_configuration_can_be_used(
    telegram: str, version: str, title: str, tmp_path: Path
) -> None:
    with fed_pty(own_telegram(telegram)) as device:
        result = probe(device)
    assert result.exit_code == 0, result.stderr
    assert title in result.stdout
    assert "power_import: " in result.stdout
    text = result.stdout.partition("write into gateway.yaml:")[2]
    (tmp_path / "gateway.yaml").write_text(text)
    meter = load_config(tmp_path / "gateway.yaml", {}).all_meters()["meter"]
    assert (meter.device, meter.dsmr_version) == (device, version)


def test_the_slow_speed_is_tried_when_the_fast_one_brings_noise() -> None:
    with fed_pty(own_telegram("v22_kamstrup-382jxc"), baud=9600) as device:
        found = json.loads(probe(device, "--json").stdout)
    assert found[0]["dsmr_version"] == "2.2"
    assert "noise" in found[0]["tried"][f"{device} 115200 8N1"]
    assert found[0]["tried"][f"{device} 9600 7E1"] == "telegrams"


def test_every_line_stands_beside_what_it_says() -> None:
    telegram = own_telegram("v50_sagemcom-t210d")
    with fed_pty(telegram) as device:
        shown = probe(device).stdout
        data = json.loads(probe(device, "--json").stdout)[0]
    lines = [line for line in telegram.decode().splitlines()[2:-1] if line]
    assert "readings" in data, data
    assert len(data["readings"]) == len(lines)
    for line in lines:
        assert line[:20] in shown
    assert data["readings"]["1-0:32.7.0"] == {"name": "voltage_l1", "value": "228.7", "unit": "V"}
    assert data["cadence_s"] < 1
    assert yaml.safe_load(data["configuration"])["meter"]["dsmr_version"] == "5"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (bytes(range(128, 256)) * 8, "noise: the speed is wrong, or the P1 line is not inverted"),
        (own_telegram("bad_checksum"), "telegrams come and are refused: checksum"),
        (b"/KFM5KAIFA-METER\r\n\r\n1-3:0.2.8(42)\r\n", "a telegram began and did not end"),
    ],
    ids=["noise", "bad checksum", "half a telegram"],
)
def test_what_is_wrong_with_a_line_is_told(data: bytes, told: str) -> None:
    with fed_port(data) as address:
        result = probe(address)
    assert result.exit_code == 1
    assert told in result.stderr


def test_silence_is_told_with_what_it_may_come_from() -> None:
    meter, device = pty.openpty()
    result = probe(os.ttyname(device), "--seconds", "0.2")
    os.close(meter)
    os.close(device)
    assert result.exit_code == 1
    assert result.stderr.count("silence for 0 s") == 2
    assert "data request" in result.stderr


def test_a_ser2net_that_refuses_is_understood() -> None:
    with fed_port(b"Port already in use\r\n") as address:
        result = probe(address)
    assert "the ser2net at the other end has no connection left" in result.stderr


@pytest.mark.parametrize(
    ("where", "told"),
    [("/dev/there-is-no-such-port", "no such device"), ("127.0.0.1:1", "127.0.0.1:1: ")],
)
def test_what_cannot_be_opened_is_told(where: str, told: str) -> None:
    result = probe(where)
    assert result.exit_code == 1
    assert told in result.stderr


def test_a_busy_port_is_told_with_its_holder() -> None:
    import serialx  # noqa: PLC0415 - opened as another program would

    meter, device = pty.openpty()
    tty.setraw(device)
    with serialx.Serial(os.ttyname(device), baudrate=115200, exclusive=True):
        result = probe(os.ttyname(device))
    os.close(meter)
    os.close(device)
    assert "in use by" in result.stderr


def test_serial_ports_are_named_so_that_the_name_stays(tmp_path: Path) -> None:
    assert serial_ports(tmp_path) == []
    for name in ("ttyUSB1", "ttyUSB0", "ttyAMA0", "ttyS0", "null"):
        (tmp_path / name).touch()
    assert [Path(port).name for port in serial_ports(tmp_path)] == ["ttyAMA0", "ttyUSB0", "ttyUSB1"]
    by_id = tmp_path / "serial" / "by-id"
    by_id.mkdir(parents=True)
    (by_id / "usb-FTDI_P1-port0").touch()
    assert serial_ports(tmp_path) == [str(by_id / "usb-FTDI_P1-port0")]


def test_without_a_configuration_the_only_serial_port_is_used() -> None:
    config = config_without_file(Path("gateway.yaml"), ["/dev/p1"])
    assert config.all_meters()["meter"].device == "/dev/p1"


@pytest.mark.parametrize("ports", [[], ["/dev/a", "/dev/b"]])
def test_without_a_configuration_and_without_one_port_nothing_is_guessed(
    ports: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        config_without_file(Path("gateway.yaml"), ports)
    assert end.value.code == 78
    told = capsys.readouterr().err
    assert "There is no gateway.yaml" in told
    assert all(port in told for port in ports)

"""`dsmr-gateway probe`: what is on a P1 port, and what keeps it from being read."""

from __future__ import annotations

import grp
import json
import os
import pty
import re
import subprocess
import tty
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from gateway.config import load_config
from gateway.protocol.p1.variants import FAST_LINE, SLOW_LINE, SerialSettings
from gateway.tools import probing
from gateway.transport import serial_device
from gateway.transport.serial_device import holder_of
from tests.cli.calling import invoke
from tests.cli.p1_lines import fed_port, fed_pty, wired_pty
from tests.conftest import own_telegram, program
from tests.peers.harness import (
    LIMIT_S,
    Program,
    SerialPort,
    as_nobody,
    gateway_command,
    open_folder,
    running,
    wait_until,
)
from tests.uart import received

LISTEN_S = "2"


def probe(*arguments: str) -> Result:
    return invoke("probe", "--seconds", LISTEN_S, *arguments)


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


def test_the_configuration_can_be_saved_as_a_new_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    with fed_pty(own_telegram("v50_sagemcom-t210d")) as device:
        saved = probe(device, "--save", str(file))
    assert saved.exit_code == 0, saved.stderr
    assert f"Start the gateway with: dsmr-gateway run {file}" in saved.stderr
    config = load_config(file, {})
    assert config.all_meters()["meter"].device == device
    assert [str(server) for server in config.modbus] == [":5020"]
    assert config.status_page is not None
    before = file.read_text()
    again = probe(device, "--save", str(file))
    assert again.exit_code == 2
    assert f"{file} exists already, and is not overwritten" in again.stderr
    assert file.read_text() == before


def test_no_file_is_written_without_exactly_one_meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gateway.yaml"
    none = invoke("probe", "--seconds", "0.1", str(tmp_path / "no-device"), "--save", str(file))
    assert none.exit_code != 0
    with fed_pty(own_telegram("v50_sagemcom-t210d")) as one, fed_pty(own_telegram("v50_sagemcom-t210d")) as other:
        monkeypatch.setattr(probing, "serial_ports", lambda: [one, other])
        several = probe("--save", str(file))
    assert several.exit_code == 1
    assert f"is not written: there are meters on {one}, {other}. Give one of them" in several.stderr
    nowhere = tmp_path / "none" / "gateway.yaml"
    with fed_pty(own_telegram("v50_sagemcom-t210d")) as device:
        assert f"{nowhere} cannot be written: No such file" in probe(device, "--save", str(nowhere)).stderr
    assert not file.exists()


def test_the_slow_speed_is_tried_when_the_fast_one_brings_noise() -> None:
    with fed_pty(own_telegram("v22_kamstrup-382jxc"), baud=9600) as device:
        found = json.loads(probe(device, "--json").stdout)
    assert found[0]["dsmr_version"] == "2.2"
    assert "noise" in found[0]["tried"][f"{device} 115200 8N1"]
    assert found[0]["tried"][f"{device} 9600 7E1"] == "telegrams"


def test_every_line_is_shown_beside_its_reading() -> None:
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


FAST, SLOW = own_telegram("v50_sagemcom-t210d"), own_telegram("v22_iskra-mt382")


@pytest.mark.parametrize(("raw", "sent"), [(FAST, FAST_LINE), (SLOW, SLOW_LINE)], ids=["115200 8N1", "9600 7E1"])
def test_a_line_at_its_right_speed_is_found_and_an_inverted_one_is_named(raw: bytes, sent: SerialSettings) -> None:
    with wired_pty(raw, sent, is_inverted=False) as device:
        found = json.loads(probe(device, "--json").stdout)[0]
    assert found["tried"][f"{device} {sent}"] == "telegrams"
    assert "conclusion" not in found
    with wired_pty(raw, sent, is_inverted=True) as device:
        result, data = probe(device), json.loads(probe(device, "--json").stdout)[0]
    assert result.exit_code == 1
    assert f"{device}: noise at every speed: the line is most likely inverted." in result.stderr
    assert "invert it back" in data["conclusion"]


def test_parity_that_a_ser2net_passes_on_is_reported_with_its_setting() -> None:
    with fed_port(received(SLOW, SLOW_LINE, replace(SLOW_LINE, bytesize=8, parity="N")) * 2) as address:
        result = probe(address, "--seconds", "0.4")
    assert "read as 8N1, and the meter sends 7E1" in result.stderr
    assert "9600e71" in result.stderr


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"Welcome to a port\r\n", "the bytes that come are not a telegram"),
        (bytes(range(128, 256)) * 8, "noise: the speed is wrong, or the P1 line is not inverted"),
        (own_telegram("bad_checksum"), "telegrams come and are refused: the checksum is wrong"),
        (b"/KFM5KAIFA-METER\r\n\r\n1-3:0.2.8(42)\r\n", "a telegram began and did not end"),
    ],
    ids=["a banner", "noise", "bad checksum", "half a telegram"],
)
def test_what_is_wrong_with_a_line_is_reported(data: bytes, told: str) -> None:
    with fed_port(data) as address:
        result = probe(address, "--seconds", "0.4")
    assert result.exit_code == 1
    assert told in result.stderr


def test_little_is_kept_of_what_is_no_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    monkeypatch.setattr(probing, "diagnose", lambda sample: looked_at.append(len(sample)))
    with fed_port(b"Welcome to a port\r\n" * 50_000) as address:
        probe(address, "--seconds", "0.4")
    assert max(looked_at) == probing.MAX_SAMPLE_BYTES


def test_silence_is_reported_with_what_it_may_come_from() -> None:
    meter, device = pty.openpty()
    result = probe(os.ttyname(device), "--seconds", "0.2")
    os.close(meter)
    os.close(device)
    assert result.exit_code == 1
    assert result.stderr.count("no bytes for 0 s") == 2
    assert "data request" in result.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"Port already in use\r\n", "the ser2net at the other end has no free connection"),
        (b"Port's device already in use\r\n", "has the device open"),
        (b"Device open failure: Value or file not found\r\n", "cannot open its serial device"),
        (b"Accessed denied due to your net address\r\n", "does not allow this host"),
    ],
)
def test_a_ser2net_that_refuses_is_recognised(text: bytes, told: str) -> None:
    with fed_port(text) as address:
        result = probe(address, "--seconds", "0.4")
    assert result.exit_code == 1
    assert told in result.stderr


def test_a_meter_behind_a_host_that_sends_nothing_is_reported() -> None:
    with fed_port(b"") as address:
        result = probe(address, "--seconds", "0.2")
    assert result.exit_code == 1
    assert "no bytes for 0 s" in result.stderr


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("/dev/there-is-no-such-port", "no such device. Is the cable plugged in? Look in /dev/serial/by-id"),
        (
            "127.0.0.1:1",
            "127.0.0.1:1: the connection is refused: no program listens there. Is the port correct, and is the ser2net",
        ),
        ("p1.invalid:2001", "p1.invalid:2001: the name is not found"),
    ],
)
def test_what_cannot_be_opened_is_reported(where: str, told: str) -> None:
    result = probe(where)
    assert result.exit_code == 1
    assert told in result.stderr


@pytest.mark.parametrize("where", ["192.0.2.7", "p1.local", "ttyUSB0"])
def test_a_host_without_a_port_is_taken_for_no_device(where: str) -> None:
    result = probe(where)
    assert result.exit_code == 2
    assert f"{where} is not a device. Give one such as /dev/ttyUSB0, or HOST:PORT of a ser2net" in result.stderr


def test_a_busy_port_is_reported_with_its_holder() -> None:
    import serialx  # noqa: PLC0415 - opened as another program would

    meter, device = pty.openpty()
    tty.setraw(device)
    with serialx.Serial(os.ttyname(device), baudrate=115200, exclusive=True):
        result = probe(os.ttyname(device))
    os.close(meter)
    os.close(device)
    assert "in use by another process" in result.stderr


def test_a_program_that_reads_the_port_without_locking_it_is_named_and_loses_no_byte(tmp_path: Path) -> None:
    with SerialPort(tmp_path / "p1") as port:
        reader = Program([program("cat"), port.link], tmp_path, "cat")
        with running(reader):
            device = os.path.realpath(port.link)
            wait_until(lambda: (holder_of(device) or "").startswith("cat"), "the reader")
            with port.sending(FAST):
                result = probe(str(port.link))
            reader.wait_for_log(re.escape(FAST.decode().splitlines()[0]))
    assert result.exit_code == 1
    assert f"in use by cat (process {reader.pid}). Stop that while probing" in result.stderr


def test_who_holds_a_port_by_a_lock_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_device, "_LOCKS", str(tmp_path))
    with SerialPort(tmp_path / "p1") as port:
        lock = tmp_path / f"LCK..{Path(os.path.realpath(port.link)).name}"
        lock.write_text(f"{os.getppid():>10}\n")
        result = probe(str(port.link))
        assert f"(process {os.getppid()})" in result.stderr
        lock.write_text("garbage")
        assert holder_of(str(port.link)) is None


def test_a_port_without_rights_is_reported_with_the_group_that_has_them() -> None:
    far, near = pty.openpty()
    device = os.ttyname(near)
    # On a machine with udev a serial port belongs to root and dialout.
    group = grp.getgrnam("dialout")
    with open_folder() as folder:
        prefix = as_nobody(folder)
        if not prefix:
            pytest.skip("only root can give a device to another group")
        os.chown(device, 0, group.gr_gid)
        Path(device).chmod(0o660)
        command = [*prefix, gateway_command(), "probe", device]
        result = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    os.close(far)
    os.close(near)
    assert result.returncode == 1
    assert "no permission to open it. Add the user to the group dialout (usermod -aG dialout USER)" in result.stderr
    assert "Traceback" not in result.stderr

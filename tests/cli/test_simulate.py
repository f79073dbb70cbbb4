"""`dsmr-gateway simulate` as a process: a meter on TCP and on serial lines, for the gateway and for other programs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tty
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.cli.simulate import _household
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from gateway.runtime import clock
from gateway.simulation.household import SCENARIOS, Scenario
from tests.cli.calling import invoke
from tests.conftest import own_telegram
from tests.peers.harness import (
    LIMIT_S,
    Gateway,
    Program,
    as_nobody,
    free_port,
    gateway_command,
    open_folder,
    running,
    wait_until,
)


def simulation(folder: Path, *arguments: str) -> Program:
    return Program([gateway_command(), "simulate", *arguments], folder, "simulate")


def read_telegrams(connection: socket.socket, count: int) -> list[bytes]:
    reader, found = TelegramReader(), []
    while len(found) < count:
        data = connection.recv(4096)
        assert data, "the simulation closed the connection"
        found += [item.raw for item in reader.feed(data) if isinstance(item, Telegram)]
    return found


def usage_error(*arguments: str) -> str:
    result = invoke("simulate", *arguments)
    assert result.exit_code == 2
    return " ".join(result.stderr.split())


def test_it_serves_any_number_of_readers_as_a_ser2net_does(tmp_path: Path) -> None:
    port = free_port()
    program = simulation(tmp_path, "--dsmr-version", "5B", "--port", str(port), "--speed", "10", "--seed", "4")
    with running(program):
        program.wait_for_port(port)
        readers = [socket.create_connection(("127.0.0.1", port), LIMIT_S) for _ in range(3)]
        texts = [read_telegrams(reader, 3) for reader in readers]
        assert set(texts[0]) & set(texts[1]) & set(texts[2])
        assert b"0-0:96.1.1(%b)" % b"SIMULATED00000004".hex().upper().encode() in texts[0][0]
        readers[0].close()
        assert read_telegrams(readers[1], 2)
        for reader in readers[1:]:
            reader.close()
        program.signal(signal.SIGTERM)
        assert program.wait() == 0


def test_a_gateway_reads_the_pseudo_terminal_that_it_makes(tmp_path: Path) -> None:
    program = simulation(tmp_path, "--device", "pty", "--dsmr-version", "2.2", "--speed", "50")
    with running(program):
        (device,) = program.wait_for_log(r"(?m)^/dev/pts/\d+$")[:1]
        gateway = Gateway(tmp_path / "gateway", {"port": device, "dsmr_version": "2.2"})
        with running(gateway):
            gateway.wait_for_telegrams(3)
            assert "2.2" in gateway.log
        program.signal(signal.SIGINT)
        assert program.wait() == 0


def test_one_reader_after_the_other_reads_it_without_the_rights_of_root() -> None:
    with open_folder() as folder:
        prefix = as_nobody(folder)
        program = Program([*prefix, gateway_command(), "simulate", "--device", "pty", "--speed", "20"], folder, "sim")
        with running(program):
            (device,) = program.wait_for_log(r"(?m)^/dev/pts/\d+$")[:1]
            for _ in range(2):
                command = [*prefix, gateway_command(), "probe", device, "--json"]
                probed = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
                assert probed.returncode == 0, probed.stdout


def test_it_writes_to_a_serial_device_that_is_given(tmp_path: Path) -> None:
    far, near = os.openpty()
    tty.setraw(near)
    program = simulation(tmp_path, "--device", os.ttyname(near))
    with running(program):
        reader, found = TelegramReader(), []
        while not found:
            found = reader.feed(os.read(far, 4096))
        assert isinstance(found[0], Telegram)
        program.wait_for_log(f"writing to {os.ttyname(near)}")
    os.close(near)
    os.close(far)


def test_a_capture_is_sent_byte_by_byte_as_it_was(tmp_path: Path) -> None:
    capture = own_telegram("v22_iskra-mt382") + own_telegram("v22_iskra-mt382_10s-later")
    (tmp_path / "capture.txt").write_bytes(capture)
    port = free_port()
    program = simulation(tmp_path, "--replay", "capture.txt", "--port", str(port), "--speed", "50")
    with running(program):
        program.wait_for_port(port)
        with socket.create_connection(("127.0.0.1", port), LIMIT_S) as reader:
            received = b""
            wait_for = 2 * len(capture)
            while len(received) < wait_for:
                received += reader.recv(4096)
            assert received[: len(capture)] in capture * 2
            assert capture in received


def test_over_a_bad_line_a_gateway_accepts_the_good_telegrams(tmp_path: Path) -> None:
    port = free_port()
    program = simulation(tmp_path, "--scenario", "faults", "--port", str(port), "--speed", "10")
    gateway = Gateway(tmp_path / "gateway", {"host": "127.0.0.1", "port": port, "dsmr_version": "5"})
    with running(program, gateway):
        gateway.wait_for_telegrams(20)
        with gateway.client() as client:
            wait_until(lambda: client.registers(1, 1)[0] & 4, "errors on the line")
        assert "refused" in gateway.log


def test_around_the_october_hour_the_clock_goes_twice_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [float(second) for second in range(0, 5400, 300)]
    # It reads the clock when it starts, and for each telegram.
    monkeypatch.setattr(clock, "now", iter([0.0, *moments]).__next__)
    pieces = _household("5", 1, Scenario.DST, 1.0)
    stamps = [next(pieces)[0].split(b"0-0:1.0.0(")[1][6:13].decode() for _ in moments]
    half_an_hour = len(moments) // 3
    assert stamps[:half_an_hour] == [f"02{minute}00S" for minute in range(30, 60, 5)]
    assert stamps[half_an_hour:] == [f"02{minute:02}00W" for minute in range(0, 60, 5)]


def test_help_describes_each_scenario() -> None:
    shown = " ".join(invoke("simulate", "--help").stdout.split())
    assert set(SCENARIOS) == set(Scenario)
    for name, change in SCENARIOS.items():
        assert f"{name}: {change}." in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dsmr-version", "6"], "'6' is not one of '2.2', '4', '5', '5B'"),
        (
            ["--dsmr-version", "5S", "--scenario", "gas-swap"],
            "--scenario gas-swap needs another --dsmr-version than 5S",
        ),
        (["--device", "pty", "--port", "2001"], "--device writes to a serial line, --port"),
        (["--device", "pty", "--host", "*"], "--device writes to a serial line, --port"),
        (["--replay", "nowhere"], "'nowhere' does not exist"),
        (["--replay", "/dev/null"], "/dev/null: this is a device. Give a file with the bytes"),
        (["--replay", __file__, "--scenario", "ev"], "--scenario ev is for a household"),
        (["--speed", "0"], "0.0 is not in the range 1<=x<=1000"),
    ],
)
def test_impossible_options_are_reported(arguments: Sequence[str], words: str) -> None:
    assert words in usage_error(*arguments)

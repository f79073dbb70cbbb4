"""The command line as a user meets it: `dsmr-gateway` as a process."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import textwrap
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import load_config
from tests.peers.harness import (
    LIMIT_S,
    Gateway,
    ModbusClient,
    Program,
    as_nobody,
    free_port,
    gateway_command,
    is_listened_on,
    open_folder,
    running,
    wait_until,
)

EX_CONFIG = 78
DEMO_PORT = 5020
END_WITHIN_S = 2.0
DEMO = {"simulate": True}
IN_ORDER = [signal.SIGTERM, signal.SIGINT]


def run_cli(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    command = [str(gateway_command()), *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False, stdin=subprocess.DEVNULL
    )


def invoke(*arguments: str) -> tuple[int, str]:
    """Run a command that ends by itself within this process, which takes a tenth of the time; exit code, errors."""
    result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    return result.exit_code, result.stderr


def test_version(tmp_path: Path) -> None:
    result = run_cli(tmp_path, "--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert version("dsmr-modbus-gateway") in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["run", "check", "--version"]),
        (["-h"], ["run", "check"]),
        (["run", "--help"], ["--demo", "--verbose", "CONFIG"]),
        (["check", "-h"], ["CONFIG"]),
    ],
)
def test_help(tmp_path: Path, arguments: Sequence[str], words: Sequence[str]) -> None:
    result = run_cli(tmp_path, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    for word in words:
        assert word in result.stdout


def test_an_unknown_command_is_told(tmp_path: Path) -> None:
    result = run_cli(tmp_path, "rum")
    assert result.returncode == 2
    assert "rum" in result.stderr


@pytest.mark.parametrize("arguments", [["run"], ["run", "elsewhere.yaml"]])
def test_run_without_a_configuration_shows_one_that_is_right(tmp_path: Path, arguments: Sequence[str]) -> None:
    result = run_cli(tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (EX_CONFIG, "")
    assert f"There is no {arguments[-1] if len(arguments) > 1 else 'gateway.yaml'}" in result.stderr
    assert "run --demo" in result.stderr
    examples = re.findall(r"(?:^ +.*\n)+", result.stderr, re.MULTILINE)
    assert sum(len(example.splitlines()) for example in examples) == 5
    for example in examples:
        (tmp_path / "example.yaml").write_text(textwrap.dedent(example))
        # Whether the meter is there is another question.
        assert load_config(tmp_path / "example.yaml", {}).meter


BROKEN = {
    "misspelt": ("meter: {port: /dev/p1, dsmr_versoin: 5}", r"1:24: meter\.dsmr_versoin: .*dsmr_version"),
    "given twice": ("meter: {port: /dev/a}\nmeter: {port: /dev/b}", r"2:1: meter: .*twice.* line 1"),
    "no YAML": ("meter: [\n", r"2:1: "),
    "tab": ("modbus:\n\t- listen: 3", r"2:1: .*tabs"),
    "anchor": ("meter: &m {port: /dev/a}", r"1:8: .*anchors"),
    "a list": ("- meter", r"1:1: "),
    "no TCP port": ("meter:\n  host: 192.0.2.1\n  port: /dev/a", r"[12]:\d+: meter: .*TCP port"),
    "no host": ("meter:\n  port: 2001", r"[12]:\d+: meter: .*host"),
    "wrong version": ("meter:\n  dsmr_version: 6", r"2:3: meter\.dsmr_version: '6'"),
    "wrong address": ("modbus:\n  - listen: ':99999'", r"2:5: modbus\[0\]\.listen: .*':99999'"),
    "wrong unit id": ("modbus:\n  - units: {256: {}}", r"2:13: modbus\[0\]\.units\.256: .*255"),
    "wrong duration": ("meter: {stale_after: soon}", r"1:9: meter\.stale_after: .*'soon'"),
    "no such map": ("modbus:\n  - units:\n      1: {map: dsrm}", r"3:11: modbus\[0\]\.units\.1\.map: .*'dsrm'.*dsmr"),
    "no such meter": (
        "meters: {a: {port: /dev/a}}\nmodbus:\n  - units: {1: {meter: b}}",
        r"3:17: modbus\[0\]\.units\.1\.meter: .*'b'",
    ),
    "which meter": (
        "meters:\n  a: {port: /dev/a}\n  b: {port: /dev/b}\nmodbus:\n  - units: {1: {}}",
        r"5:13: modbus\[0\]\.units\.1: .*a or b",
    ),
    "no such other": ("modbus:\n  - units: {1: {}, other: 2}", r"2:20: modbus\[0\]\.units\.other: .*2"),
}


@pytest.mark.parametrize("command", ["run", "check"])
def test_every_fault_of_a_configuration_is_told_with_its_place(tmp_path: Path, command: str) -> None:
    (tmp_path / "gateway.yaml").write_text("meter: {prot: a}\nmodbus:\n  - {lisen: 3}\n  - {units: {300: {}}}\n")
    result = run_cli(tmp_path, command)
    assert (result.returncode, result.stdout) == (EX_CONFIG, "")
    places = [line.split(" ")[0] for line in result.stderr.splitlines()]
    assert places == ["gateway.yaml:1:9:", "gateway.yaml:3:6:", "gateway.yaml:4:14:"]


@pytest.mark.parametrize(("text", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_configuration_is_not_run(tmp_path: Path, text: str, told: str) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(text)
    for command in ("check", "run"):
        exit_code, errors = invoke(command, str(config))
        assert exit_code == EX_CONFIG, errors
        assert re.match(re.escape(f"{config}:") + told, errors), errors


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "latin1.yaml"
    broken.write_bytes(b"meter: {port: /dev/\xe9}")
    for path in (tmp_path, broken):
        for command in ("check", "run"):
            exit_code, errors = invoke(command, str(path))
            assert exit_code == EX_CONFIG
            assert errors.startswith(f"{path}:")


OWN_MAP = """\
registers:
  - {address: 0, name: power, type: int32, value: power_net, unit: W}
  - {address: 1, name: volts, type: uint16, value: voltage_l1, unit: W}
"""


def test_check_reads_the_maps_too(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    own = tmp_path / "maps" / "own.yaml"
    own.write_text(OWN_MAP)
    config = tmp_path / "gateway.yaml"
    served = f"modbus:\n  - listen: 127.0.0.1:{free_port()}\n    units: {{1: {{map: maps/own.yaml}}}}\n"
    config.write_text(f"meter: {{simulate: true}}\n{served}")
    for command in ("check", "run"):
        exit_code, errors = invoke(command, str(config))
        assert exit_code == EX_CONFIG
        assert re.search(r"own\.yaml:3:\d+: .*volts", errors), errors
    own.write_text("\n".join(OWN_MAP.splitlines()[:2]))
    result = run_cli(tmp_path, "check", str(config))
    assert (result.returncode, result.stderr) == (0, "")
    assert "1 meter, 1 unit" in result.stdout


@pytest.mark.parametrize("number", IN_ORDER, ids=lambda number: number.name)
def test_a_signal_ends_it_in_time_with_clients_connected(tmp_path: Path, number: signal.Signals) -> None:
    gateway = Gateway(tmp_path, DEMO)
    with running(gateway):
        gateway.wait_for_telegrams(1)
        clients = [gateway.client() for _ in range(5)]
        for client in clients[1:]:
            assert client.registers(0, 1) == (1,)
        # One in the middle of a request, one that takes no answer.
        clients[1].socket.sendall(b"\0\1\0\0\0\6\1")
        clients[2].send(*[b"\x03\x03\xe8\x00\x7d"] * 3000)
        gateway.signal(number)
        assert gateway.wait(END_WITHIN_S) == 0
        assert clients[3].is_closed()
        assert "Traceback" not in gateway.log
        assert "did not stop in time" not in gateway.log
        for client in clients:
            client.socket.close()

        again = Gateway(tmp_path / "again", DEMO, {"listen": f"127.0.0.1:{gateway.port}"})
        with running(again):
            again.wait_for_telegrams(1)
            assert "in use" not in again.log


SLOW_NAMES = """
import socket, threading
genuine = socket.getaddrinfo
def getaddrinfo(host, *arguments, **options):
    if host == "p1.invalid":
        print("looking up", flush=True)
        threading.Event().wait(6)
    return genuine(host, *arguments, **options)
socket.getaddrinfo = getaddrinfo
"""


def test_a_signal_ends_it_in_time_while_a_name_server_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_NAMES)
    environment = {"PYTHONPATH": str(tmp_path)}
    gateway = Gateway(tmp_path, {"host": "p1.invalid", "port": 2001}, environment=environment)
    with running(gateway):
        gateway.wait_for_log("looking up")
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(END_WITHIN_S) == 0


def test_a_port_in_use_is_told_and_taken_when_free(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        gateway = Gateway(tmp_path, DEMO, {"listen": f"127.0.0.1:{port}"}, {}, waits=False)
        with running(gateway):
            gateway.wait_for_log(rf"127\.0\.0\.1:{port} is in use by another program")
            assert "Errno" not in gateway.log
            # A server that has its port serves meanwhile.
            gateway.wait_for_port(gateway.ports[1])
            with ModbusClient(gateway.ports[1]) as client:
                assert client.registers(0, 1) == (1,)
            gateway.wait_for_log(rf"connect to 127\.0\.0\.1:{gateway.ports[1]}")
            before = gateway.log
            other.close()
            gateway.wait_for_port(port)
            with gateway.client() as client:
                assert client.registers(0, 1) == (1,)
            assert gateway.log.count("is in use") == 1
            assert f"connect to 127.0.0.1:{port}" not in before


def reserved_port() -> int:
    """A port that takes rights to listen on; skips the test where the system reserves none."""
    try:
        first_free = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except OSError:
        first_free = 1024
    for port in (502, 802, 1023):
        if port < first_free and not is_listened_on(port):
            return port
    pytest.skip("this system lets everyone listen on the ports of Modbus")


def test_a_reserved_port_is_told_with_the_remedy() -> None:
    port = reserved_port()
    with open_folder() as folder:
        prefix = as_nobody(folder)
        gateway = Gateway(folder, DEMO, {}, {"listen": f"127.0.0.1:{port}"}, prefix=prefix, waits=False)
        with running(gateway):
            gateway.wait_for_log(rf"no right to listen on 127\.0\.0\.1:{port}.*5020.*CAP_NET_BIND_SERVICE")
            with gateway.client() as client:
                assert client.registers(0, 1) == (1,)
            assert not is_listened_on(port)
            gateway.signal(signal.SIGTERM)
            assert gateway.wait() == 0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Program]:
    """`dsmr-gateway run --demo`, waiting for its port if another one has it."""
    gateway = Program([gateway_command(), "run", "--demo"], tmp_path, "demo")
    with running(gateway):
        gateway.wait_for_log(rf"connect to 127\.0\.0\.1:{DEMO_PORT}", limit_s=40)
        yield gateway


def test_the_demo_needs_no_meter_and_no_file(demo: Program) -> None:
    with ModbusClient(DEMO_PORT) as client:
        wait_until(lambda: client.registers(1, 1)[0] & 0b1001 == 0b1001, "fresh readings that say they are simulated")
        before = client.uint32(4)
        volts = client.registers(124, 3)
        assert all(2000 < volt < 2600 for volt in volts)
        wait_until(lambda: client.uint32(4) > before, "the next telegram")
    demo.signal(signal.SIGINT)
    assert demo.wait() == 0


def test_paths_of_maps_begin_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "own.yaml").write_text("\n".join(OWN_MAP.splitlines()[:2]))
    port = free_port()
    config = {"meter": DEMO, "modbus": [{"listen": f"127.0.0.1:{port}", "units": {7: {"map": "own.yaml"}}}]}
    (folder / "gateway.yaml").write_text(yaml.safe_dump(config))
    gateway = Program([gateway_command(), "run", "etc/gateway.yaml"], tmp_path, "gateway")
    with running(gateway):
        gateway.wait_for_port(port)
        with ModbusClient(port) as client:
            wait_until(lambda: isinstance(client.read(0, 2, unit=7), bytes), "readings")

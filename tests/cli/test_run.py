"""`dsmr-gateway run` as a process: without a file, as a demo, ended by a signal, with a port that it cannot have."""

from __future__ import annotations

import re
import signal
import socket
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from gateway.cli.run import config_without_file
from gateway.config import load_config
from tests.cli.calling import run_cli
from tests.peers.harness import (
    SIMULATED,
    Gateway,
    ModbusClient,
    Program,
    as_nobody,
    free_port,
    gateway_command,
    is_listened_on,
    open_folder,
    reserved_port,
    running,
    wait_until,
)

EX_CONFIG = 78
DEMO_PORT = 5020
OWN_MAP = "registers:\n  - {address: 0, name: power, type: int32, value: power_net, unit: W}\n"
IN_ORDER = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("arguments", [["run"], ["run", "elsewhere.yaml"]])
def test_run_without_a_configuration_shows_a_valid_one(tmp_path: Path, arguments: Sequence[str]) -> None:
    result = run_cli(tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (EX_CONFIG, "")
    assert f"There is no {arguments[-1] if len(arguments) > 1 else 'gateway.yaml'}" in result.stderr
    assert "run --demo" in result.stderr
    examples = re.findall(r"(?:^ +.*\n)+", result.stderr, re.MULTILINE)
    assert sum(len(example.splitlines()) for example in examples) == 5
    for example in examples:
        (tmp_path / "example.yaml").write_text(textwrap.dedent(example))
        # The examples are valid; the meter need not exist.
        assert load_config(tmp_path / "example.yaml", {}).meter


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


@pytest.mark.parametrize("number", IN_ORDER, ids=lambda number: number.name)
def test_a_signal_ends_it_in_time_with_clients_connected(tmp_path: Path, number: signal.Signals) -> None:
    gateway = Gateway(tmp_path, SIMULATED)
    with running(gateway):
        gateway.wait_for_telegrams(1)
        clients = [gateway.client() for _ in range(5)]
        for client in clients[1:]:
            assert client.registers(0, 1) == (1,)
        # One in the middle of a request, one that takes no answer.
        clients[1].socket.sendall(b"\0\1\0\0\0\6\1")
        clients[2].send(*[b"\x03\x03\xe8\x00\x7d"] * 3000)
        gateway.signal(number)
        assert gateway.wait() == 0
        assert clients[3].is_closed()
        assert "Traceback" not in gateway.log
        assert "did not stop in time" not in gateway.log
        assert gateway.log.endswith("info stopped\n")
        for client in clients:
            client.socket.close()

        again = Gateway(tmp_path / "again", SIMULATED, {"listen": f"127.0.0.1:{gateway.port}"})
        with running(again):
            again.wait_for_telegrams(1)
            assert "in use" not in again.log


SLOW_NAMES = """
import socket, threading
genuine = socket.getaddrinfo
def getaddrinfo(host, *arguments, **options):
    if host == "p1.invalid":
        print("looking up", flush=True)
        threading.Event().wait()
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
        assert gateway.wait() == 0


def test_a_port_in_use_is_reported_and_taken_when_free(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        gateway = Gateway(tmp_path, SIMULATED, {"listen": f"127.0.0.1:{port}"}, {}, waits=False)
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


def test_a_reserved_port_is_reported_with_the_remedy() -> None:
    port = reserved_port()
    with open_folder() as folder:
        prefix = as_nobody(folder)
        gateway = Gateway(folder, SIMULATED, {}, {"listen": f"127.0.0.1:{port}"}, prefix=prefix, waits=False)
        with running(gateway):
            gateway.wait_for_log(rf"no permission to listen on 127\.0\.0\.1:{port}.*5020.*CAP_NET_BIND_SERVICE")
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
        gateway.wait_for_log(rf"connect to 127\.0\.0\.1:{DEMO_PORT}")
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
    (folder / "own.yaml").write_text(OWN_MAP)
    port = free_port()
    config = {"meter": SIMULATED, "modbus": [{"listen": f"127.0.0.1:{port}", "units": {7: {"map": "own.yaml"}}}]}
    (folder / "gateway.yaml").write_text(yaml.safe_dump(config))
    gateway = Program([gateway_command(), "run", "etc/gateway.yaml"], tmp_path, "gateway")
    with running(gateway):
        gateway.wait_for_port(port)
        with ModbusClient(port) as client:
            wait_until(lambda: isinstance(client.read(0, 2, unit=7), bytes), "readings")

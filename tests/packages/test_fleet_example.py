"""The example of a fleet in `docker/fleet`: its files are valid, and its brokers let each gateway do its work."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml
from click import Context

from gateway.cli import main
from gateway.config import check_config
from tests.conftest import ROOT, program
from tests.documentation import blocks
from tests.peers.harness import ModbusClient, Program, free_port, gateway_command, running, wait_until
from tests.peers.test_mqtt import Mosquitto

FLEET = ROOT / "docker" / "fleet"
NET_POWER = 100


def here(text: str, ports: dict[str, int]) -> str:
    """Return a configuration with the addresses of this machine."""
    for name, port in ports.items():
        text = re.sub(rf"{name}:[0-9]+", f"127.0.0.1:{port}", text)
    return text


def broker(folder: Path, secrets: Path, port: int) -> Mosquitto:
    """Start a broker with the configuration of the example."""
    text = (FLEET / "mosquitto.conf").read_text()
    text = text.replace("/etc/mosquitto/passwords", str(secrets / "passwords")).replace("listener 1883\n", "")
    lines = [line for line in text.replace("/etc/mosquitto/acl", str(FLEET / "acl")).splitlines() if line]
    folder.mkdir()
    return Mosquitto(folder, port, *lines)


def start_gateway(folder: Path, text: str, environment: dict[str, str]) -> Program:
    folder.mkdir()
    (folder / "gateway.yaml").write_text(text)
    return Program([gateway_command(), "run", folder / "gateway.yaml"], folder, "gateway", environment)


def test_its_gateways_serve_what_the_edge_publishes_through_two_brokers(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    subprocess.run(["sh", FLEET / "passwords.sh", secrets], check=True, capture_output=True)
    ports = {"broker-a": free_port(), "broker-b": free_port()}
    modbus, page = free_port(), free_port()
    brokers = [broker(tmp_path / name, secrets, port) for name, port in ports.items()]
    edge = here((FLEET / "edge.yaml").read_text(), ports).replace("secrets/", f"{secrets}/")
    serving = here((FLEET / "serving.yaml").read_text(), ports).replace("secrets/", f"{secrets}/")
    serving = serving.replace('":502"', f'"127.0.0.1:{modbus}"').replace('":8080"', f'"127.0.0.1:{page}"')
    with running(*brokers):
        (tmp_path / "state").mkdir()
        at_meter = start_gateway(tmp_path / "edge", edge, {"STATE_DIRECTORY": str(tmp_path / "state")})
        in_front = start_gateway(tmp_path / "serving", serving, {"DSMR_GATEWAY_MQTT__EDGE": "serving-1"})
        with running(at_meter, in_front):
            in_front.wait_for_port(modbus)
            with ModbusClient(modbus) as client:
                wait_until(lambda: isinstance(client.read(NET_POWER, 2), bytes), lambda: in_front.log + at_meter.log)
            for each in (at_meter, in_front):
                assert "refuses" not in each.log


def test_its_configurations_are_valid_and_compose_understands_it() -> None:
    for name in ("edge.yaml", "serving.yaml"):
        assert check_config(FLEET / name, {}).problems == []
    services = yaml.safe_load((FLEET / "compose.yaml").read_text())["services"]
    assert services.keys() == {"broker-a", "broker-b", "edge", "serving-1", "serving-2", "haproxy"}
    named = re.findall(r"(?m)^    server \S+ (\S+):502", (FLEET / "haproxy.cfg").read_text())
    assert set(named) == {"serving-1", "serving-2"} <= services.keys()
    rules = (FLEET / "acl").read_text()
    assert all(f"topic write dsmr/v1/_tick/{name}\n" in rules for name in set(named))


def test_the_commands_of_its_page_have_the_options_of_the_command_line() -> None:
    commands = [command.split() for block in blocks(FLEET / "README.md") for command in block.commands]
    ours = [words[1:] for words in commands if words[0] == "dsmr-gateway"]
    assert ours
    # As the command line itself does: click keeps the names of the help option from the first context of a command.
    parent = Context(main, **main.context_settings)
    for name, *words in ours:
        command = main.get_command(parent, name)
        assert command
        command.make_context(name, words, parent=parent)


def test_haproxy_understands_its_configuration() -> None:
    command = [program("haproxy"), "-c", "-f", FLEET / "haproxy.cfg"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr

"""The example of a fleet in `docker/fleet`: its files are valid, and its brokers let each gateway do its work."""

from __future__ import annotations

import asyncio
import re
import struct
import subprocess
from contextlib import closing
from pathlib import Path
from socket import inet_aton
from typing import ClassVar, Self, cast

import yaml
from click import Context

from gateway.cli import main
from gateway.config import check_config
from tests.conftest import ROOT, program
from tests.documentation import blocks
from tests.peers.harness import ModbusClient, Program, free_port, gateway_command, running, wait_until
from tests.peers.test_mqtt import Mosquitto
from tests.waiting import until

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


def test_its_broker_starts_with_debians_configuration_and_a_damaged_store(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    port = free_port()
    text = re.sub(r"(?m)^(listener|password_file|acl_file) .*\n", "", (FLEET / "mosquitto.conf").read_text())
    (tmp_path / "conf.d" / "fleet.conf").write_text(text)
    (tmp_path / "mosquitto.db").write_bytes(bytes(4096))
    debian = ["persistence true", f"persistence_location {tmp_path}/", f"include_dir {tmp_path / 'conf.d'}"]
    with running(Mosquitto(tmp_path, port, *debian)):
        assert (tmp_path / "mosquitto.db").read_bytes() == bytes(4096)


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


class Gateways:
    """Two serving gateways of which there is only the health and a server, and the name server that knows them."""

    HOSTS: ClassVar = {"serving-1": "127.0.0.2", "serving-2": "127.0.0.3"}

    def __init__(self) -> None:
        self.health = dict.fromkeys(self.HOSTS.values(), 200)
        self.ports: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        hosts = list(self.HOSTS.values())
        self.ports = {"modbus": free_port(), "page": free_port(), "names": free_port()}
        self._servers = [
            await asyncio.start_server(self._serve, hosts, self.ports["modbus"]),
            await asyncio.start_server(self._check, hosts, self.ports["page"]),
        ]
        place = ("127.0.0.1", self.ports["names"])
        self._names, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Names(self.HOSTS), place)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._names.close()
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            writer.write(writer.get_extra_info("sockname")[0].encode())
            await reader.read()

    async def _check(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            assert (await reader.readuntil(b"\r\n")).startswith(b"GET /healthz?meters=any ")
            writer.write(b"HTTP/1.0 %d x\r\n\r\n" % self.health[writer.get_extra_info("sockname")[0]])
            await writer.drain()


class Names(asyncio.DatagramProtocol):
    """A name server, as a container has one."""

    def __init__(self, hosts: dict[str, str]) -> None:
        self._hosts = hosts

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12) + 5
        name = data[13 : 13 + data[12]].decode()
        is_ipv4 = data[end - 4 : end - 2] == b"\0\1"
        entry = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + inet_aton(self._hosts[name]) if is_ipv4 else b""
        counts = struct.pack(">HHHHH", 0x8180, 1, is_ipv4, 0, 0)
        self._transport.sendto(data[:2] + counts + data[12:end] + entry, addr)


async def greeting(port: int) -> str:
    """Return the address of the gateway to which HAProxy connects a client; empty if it is disconnected."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        return (await reader.read(100)).decode()


async def test_haproxy_gives_clients_a_healthy_gateway_or_else_one_that_responds(tmp_path: Path) -> None:
    front = free_port()
    async with Gateways() as gateways:
        ports = gateways.ports
        text = (FLEET / "haproxy.cfg").read_text().replace("bind :502", f"bind 127.0.0.1:{front}")
        text = text.replace(":502", f":{ports['modbus']}").replace("port 8080", f"port {ports['page']}")
        text = text.replace("parse-resolv-conf", f"nameserver names 127.0.0.1:{ports['names']}")
        (tmp_path / "haproxy.cfg").write_text(text)
        haproxy = Program([program("haproxy"), "-db", "-f", tmp_path / "haproxy.cfg"], tmp_path, "haproxy")
        with running(haproxy):
            await until(lambda: haproxy.log.count("is UP") >= len(gateways.HOSTS), "both gateways to be healthy")
            first, second = gateways.HOSTS.values()
            gateways.health[first] = 503
            await until(lambda: "serving-1 is DOWN" in haproxy.log, "the first one to be unhealthy")
            assert await greeting(front) == second
            gateways.health[second] = 503
            await until(lambda: "Running on backup" in haproxy.log, "no healthy gateway")
            reader, writer = await asyncio.open_connection("127.0.0.1", front)
            with closing(writer):
                assert (await reader.readexactly(len(first))).decode() in (first, second)
                gateways.health[second] = 200
                assert await reader.read() == b"", "nobody checks the last resort, so its clients are disconnected"
            assert await greeting(front) == second

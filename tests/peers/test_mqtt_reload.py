"""A reload restarts only the connections to brokers that changed, and takes over new passwords and certificates."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.nodes.mqtt_broker import MqttBroker
from gateway.nodes.mqtt_publisher.telegrams import TelegramPublisher
from tests.certificates import add_certificate, make_certificates
from tests.conftest import program
from tests.peers.harness import free_port, running
from tests.peers.test_mqtt import Mosquitto
from tests.security.rotation_bench import Bench, gateway_in
from tests.waiting import until

ADDRESS = "mqtts://localhost"


def brokers_of(bench: Bench) -> list[MqttBroker]:
    return [node for node in bench.wiring.flow.nodes if isinstance(node, MqttBroker)]


def configuration(*ports: int) -> str:
    brokers = ", ".join(f'"{ADDRESS}:{port}"' for port in ports)
    return (
        f"meter: {{simulate: true}}\nmodbus: []\nstate_dir: .\nmqtt:\n  brokers: [{brokers}]\n  edge: site-12\n"
        "  password_file: mqtt.password\n  ca: ca.pem\n  certificate: site.pem\n  key: site.key\n"
        "  publish: [telegrams]\n"
    )


@pytest.fixture
def tls(tmp_path: Path) -> tuple[str, ...]:
    """Make all files, and return the lines of a broker that wants a certificate and a password."""
    make_certificates(tmp_path)
    server = add_certificate(tmp_path, "broker", host="localhost")
    add_certificate(tmp_path, "site", host="site-12")
    passwords = tmp_path / "passwords"
    subprocess.run([program("mosquitto_passwd"), "-b", "-c", passwords, "site-12", "s3cret-1"], check=True)
    (tmp_path / "mqtt.password").write_text("s3cret-1\n")
    for secret in ("mqtt.password", "site.key"):
        (tmp_path / secret).chmod(0o600)
    files = (f"certfile {server.certificate}", f"keyfile {server.key}", f"cafile {tmp_path / 'ca.pem'}")
    return *files, "require_certificate true", f"password_file {passwords}"


async def test_only_what_changed_is_connected_again(tmp_path: Path, tls: tuple[str, ...]) -> None:
    ports = [free_port() for _ in range(3)]
    folders = [tmp_path / str(port) for port in ports]
    for folder in folders:
        folder.mkdir()
    mosquittos = [Mosquitto(folder, port, *tls) for folder, port in zip(folders, ports, strict=True)]
    with running(*mosquittos):
        async with gateway_in(tmp_path, configuration(*ports[:2])) as bench:
            before = brokers_of(bench)
            await until(lambda: all(node.is_connected for node in before))
            publisher = next(node for node in bench.wiring.flow.nodes if isinstance(node, TelegramPublisher))
            bench.path.write_text(configuration(ports[0], ports[2]))
            assert await bench.reload()
            after = brokers_of(bench)
            assert after[0] is before[0]
            assert after[1] is not before[1]
            assert publisher in bench.wiring.flow.nodes
            await until(lambda: all(node.is_connected for node in after))
            assert (after[0].connections, after[1].connections) == (1, 1)
            # A certificate is used at once; one that is not valid changes nothing.
            add_certificate(tmp_path, "site", host="site-12")
            assert await bench.reload()
            assert len(bench.changes) == 1
            assert bench.changes[0].startswith("mqtt: new certificate (valid until ")
            await until(lambda: [node.connections for node in after] == [2, 2])
            await until(lambda: all(node.is_connected for node in after))
            (tmp_path / "site.key").write_text("nothing")
            (tmp_path / "ca.pem").write_text("nothing")
            assert not await bench.reload()
            problems = [str(problem) for problem in bench.wiring.problems]
            assert any("site.key does not contain a private key" in each for each in problems)
            assert any("gateway.yaml:8:3: mqtt.ca: " in each and "holds no certificate" in each for each in problems)
            assert [node.connections for node in after] == [2, 2]


async def test_a_new_password_is_used_at_once(tmp_path: Path, tls: tuple[str, ...]) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port, *tls)):
        async with gateway_in(tmp_path, configuration(port)) as bench:
            (node,) = brokers_of(bench)
            await until(lambda: node.is_connected)
            (tmp_path / "mqtt.password").write_text("s3cret-2\n")
            assert await bench.reload()
            assert bench.changes == ("mqtt.password_file: new password",)
            await until(lambda: node.status.label.code == "retrying")
            assert "the broker refuses the login" in node.recent_problems[-1][1]
            assert "s3cret" not in str(node.recent_problems)

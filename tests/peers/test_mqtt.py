"""The gateway behind a real mosquitto: values, logins, stored and late messages, and what its error texts mean."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.certificates import add_certificate, make_certificates
from tests.conftest import own_telegram, program
from tests.peers.harness import LIMIT_S, TARGET_FAILED, Gateway, ModbusClient, Program, free_port, running, wait_until
from tests.peers.pypi import packages
from tests.protocol.p1.stream import resealed, stamped

TOPIC = "dsmr/raw"
FIRST = own_telegram("v50_sagemcom-t210d")
FIRST_NET_W = 2486
NET_POWER = 100
STALE_AFTER_S = 2.0
PAUSE_S = 5.0
CLOCK_STEP_S = 1.0
"""Resolution of a meter's clock."""


def telegram(power_w: int = FIRST_NET_W) -> bytes:
    """Return a telegram with this power, as the meter writes it now."""
    digits = f"1-0:1.7.0({power_w // 1000:02}.{power_w % 1000:03}"
    return stamped(resealed(FIRST.replace(b"1-0:1.7.0(02.486", digits.encode())), time.time())


class Mosquitto(Program):
    """A mosquitto that runs until the test ends it."""

    def __init__(self, folder: Path, port: int, *lines: str) -> None:
        configuration = folder / "mosquitto.conf"
        # The user only counts where root starts it; the default one cannot read the folders of the tests.
        text = ["user root", f"listener {port} 127.0.0.1", *(lines or ("allow_anonymous true",))]
        configuration.write_text("\n".join(text) + "\n")
        super().__init__([program("mosquitto"), "-c", configuration], folder, "mosquitto")
        self.wait_for_port(port)


@contextmanager
def publishing(
    port: int,
    payload: Callable[[], bytes],
    *,
    qos: int = 0,
    retain: bool = False,
    every_s: float = 1.0,
    login: tuple[str, str] | None = None,
    ca: Path | None = None,
    version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
) -> Iterator[None]:
    """Publish on the topic at an interval, as another program does."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=version)
    if login:
        client.username_pw_set(*login)
    if ca:
        client.tls_set(str(ca))
    client.connect("localhost" if ca else "127.0.0.1", port)
    client.loop_start()
    ended = Event()

    def publish() -> None:
        while True:
            client.publish(TOPIC, payload(), qos, retain)
            if ended.wait(every_s):
                return

    thread = Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(LIMIT_S)
        client.disconnect()
        client.loop_stop()


def start_gateway(folder: Path, port: int, scheme: str = "mqtt", **meter: object) -> Gateway:
    host = "localhost" if scheme == "mqtts" else "127.0.0.1"
    source = {"source": f"{scheme}://{host}:{port}/{TOPIC}", "dsmr_version": "5"}
    return Gateway(folder, {**source, "stale_after": f"{STALE_AFTER_S:g}s", **meter})


def wait_for_power(client: ModbusClient, watts: int = FIRST_NET_W) -> None:
    wait_until(lambda: client.read(NET_POWER, 2) == watts.to_bytes(4, "big", signed=True), f"{watts} W")


@pytest.mark.parametrize(
    "form", [lambda data: data, lambda data: data.strip(), lambda data: data.hex().upper().encode()]
)
@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
def test_values_come_as_text_and_as_hexadecimal_digits(
    tmp_path: Path, form: Callable[[bytes], bytes], version: MQTTProtocolVersion
) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port)), publishing(port, lambda: form(telegram()), version=version):
        gateway = start_gateway(tmp_path, port)
        with running(gateway), gateway.client() as client:
            wait_for_power(client)
            gateway.wait_for_log(rf"telegrams come in over mqtt://127\.0\.0\.1:{port}/dsmr/raw")


def test_a_stored_telegram_is_never_served_and_is_reported_as_what_it_is(tmp_path: Path) -> None:
    port = free_port()
    broker = Mosquitto(tmp_path, port)
    with running(broker):
        # dsmr-reader publishes everything like this.
        with publishing(port, telegram, qos=2, retain=True):
            gateway = start_gateway(tmp_path, port)
            with running(gateway), gateway.client() as client:
                wait_for_power(client)
        gateway = start_gateway(tmp_path, port, watchdog="1s")
        with running(gateway), gateway.client() as client:
            gateway.wait_for_log("only a retained message, which may be of any age", times=1)
            assert client.read(NET_POWER, 2) == TARGET_FAILED
            assert client.uint32(4) == 0, "no telegram was accepted"
            with publishing(port, telegram, qos=2, retain=True):
                wait_for_power(client)


def test_telegrams_that_a_stopped_broker_delivers_late_are_not_served_as_fresh(tmp_path: Path) -> None:
    port = free_port()
    sent: dict[int, float] = {}

    def numbered() -> bytes:
        number = len(sent) + 1
        sent[number] = time.monotonic()
        return telegram(number)

    late: list[float] = []

    def read(client: ModbusClient) -> int:
        """Return the number of the telegram that is served, 0 where none is; note how old it is at least."""
        asked = time.monotonic()
        data = client.read(NET_POWER, 2)
        if not isinstance(data, bytes):
            return 0
        number = int.from_bytes(data, "big")
        if (age := asked - sent[number]) > STALE_AFTER_S + CLOCK_STEP_S:
            late.append(age)
        return number

    broker = Mosquitto(tmp_path, port)
    with running(broker), publishing(port, numbered):
        gateway = start_gateway(tmp_path, port)
        with running(gateway), gateway.client() as client:
            wait_until(lambda: read(client) > 3, "fresh readings")
            broker.pause()
            paused = len(sent)
            try:
                wait_until(lambda: read(client) == 0, "stale readings")
                gateway.wait_for_log("the broker does not respond for 3 s")
                wait_until(lambda: len(sent) >= paused + PAUSE_S, "telegrams that wait at the broker")
            finally:
                broker.resume()
            resumed = len(sent)
            wait_until(lambda: read(client) > resumed + 3, "fresh readings again")
    assert not late, f"readings that were {max(late):.1f} s old"


def test_values_return_when_the_broker_is_killed_and_started_again(tmp_path: Path) -> None:
    port = free_port()
    broker = Mosquitto(tmp_path, port)
    gateway = start_gateway(tmp_path, port)
    with running(broker, gateway), gateway.client() as client:
        with publishing(port, telegram):
            wait_for_power(client)
        broker.kill()
        wait_until(lambda: client.read(NET_POWER, 2) == TARGET_FAILED, "stale readings")
        again = Mosquitto(tmp_path, port)
        with running(again), publishing(port, telegram):
            wait_for_power(client)


def test_a_login_over_tls_is_checked_on_both_sides(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    files = add_certificate(tmp_path, "broker", host="localhost")
    passwords, secret = tmp_path / "passwords", tmp_path / "mqtt.password"
    mosquitto_passwd = program("mosquitto_passwd")
    subprocess.run([mosquitto_passwd, "-b", "-c", passwords, "meter", "s3cret-1"], check=True)
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    port = free_port()
    tls = (f"certfile {files.certificate}", f"keyfile {files.key}", f"password_file {passwords}")
    login = {"user": "meter", "password_file": str(secret), "ca": str(tmp_path / "ca.pem")}
    with running(Mosquitto(tmp_path, port, *tls)):
        gateway = start_gateway(tmp_path, port, "mqtts", **login)
        with running(gateway), gateway.client() as client:
            gateway.wait_for_log("the broker refuses the login: Not authorized")
            assert client.read(NET_POWER, 2) == TARGET_FAILED
            # The password is read at each attempt.
            secret.write_text("s3cret-1\n")
            with publishing(port, telegram, login=("meter", "s3cret-1"), ca=tmp_path / "ca.pem"):
                wait_for_power(client)
            assert "s3cret" not in gateway.log
            assert "wrong" not in gateway.log
        stranger = start_gateway(tmp_path / "stranger", port, "mqtts", user="meter")
        with running(stranger):
            stranger.wait_for_log("certificate of the host is refused")


def test_other_messages_on_the_topic_are_reported(tmp_path: Path) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port)):
        gateway = start_gateway(tmp_path, port, watchdog="1s")
        with running(gateway), gateway.client() as client:
            gateway.wait_for_log("no message on 'dsmr/raw'")
            with publishing(port, lambda: b'{"power_delivered": 2.486}'):
                gateway.wait_for_log(r"are not telegrams: they begin with '\{\"power")
            with publishing(port, lambda: b"x" * 100, every_s=0.001):
                gateway.wait_for_log("more than 50 messages within a second")
            with publishing(port, lambda: b"x" * 100_000):
                gateway.wait_for_log("are too long for a telegram")
            assert client.read(NET_POWER, 2) == TARGET_FAILED
            with publishing(port, telegram):
                wait_for_power(client)


def refusing_subscriptions(folder: Path) -> list[str]:
    """Return the lines of a broker whose access control refuses every subscription of a stranger."""
    plugins = [path for path in Path("/usr/lib").glob("**/mosquitto_dynamic_security.so") if path.is_file()]
    if not plugins:
        pytest.skip("mosquitto has no plugin for access control here")
    denied = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    (folder / "dynamic-security.json").write_text(json.dumps({"defaultACLAccess": denied}))
    return [
        "allow_anonymous true",
        f"plugin {plugins[0]}",
        f"plugin_opt_config_file {folder / 'dynamic-security.json'}",
    ]


def test_a_broker_whose_access_control_refuses_the_topic_is_named(tmp_path: Path) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port, *refusing_subscriptions(tmp_path))):
        gateway = start_gateway(tmp_path, port)
        with running(gateway), publishing(port, telegram), gateway.client() as client:
            gateway.wait_for_log("the broker refuses the topic 'dsmr/raw'")
            assert client.read(NET_POWER, 2) == TARGET_FAILED


def test_a_user_who_may_not_read_the_topic_gets_no_message_and_that_is_reported(tmp_path: Path) -> None:
    # An acl_file of mosquitto lets everybody subscribe, and then sends nothing.
    (tmp_path / "acl").write_text("topic write #\n")
    port = free_port()
    with running(Mosquitto(tmp_path, port, "allow_anonymous true", f"acl_file {tmp_path / 'acl'}")):
        gateway = start_gateway(tmp_path, port, watchdog="1s")
        with running(gateway), publishing(port, telegram):
            gateway.wait_for_log("no message on 'dsmr/raw'")


AMQTT = "amqtt==0.11.3"
AMQTT_CONFIG = """\
listeners:
  default:
    type: tcp
    bind: 127.0.0.1:{port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


def test_a_broker_that_only_speaks_mqtt_3_1_1_is_read(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "amqtt.yaml").write_text(AMQTT_CONFIG.format(port=port))
    environment = {"PYTHONPATH": str(packages(AMQTT, with_dependencies=True))}
    command = [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", tmp_path / "amqtt.yaml"]
    broker = Program(command, tmp_path, "amqtt", environment)
    with running(broker):
        broker.wait_for_port(port)
        gateway = start_gateway(tmp_path, port)
        with running(gateway), publishing(port, telegram), gateway.client() as client:
            wait_for_power(client)

"""`mqtt:` in the configuration: its defaults, and everything that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.config.mqtt import BrokerAddress
from gateway.files.document import FileError

LEAST = "mqtt:\n  brokers: [mqtt://broker.local]\n"


def load_text(folder: Path, text: str) -> list[str]:
    """Return the problems of a configuration, each without the name of the file."""
    path = folder / "gateway.yaml"
    path.write_text(text)
    try:
        load_config(path, {})
    except FileError as error:
        return [str(problem).removeprefix(f"{path}:") for problem in error.problems]
    return []


def test_the_least_configuration_has_a_broker(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(LEAST)
    mqtt = load_config(path, {}).mqtt
    assert mqtt
    assert mqtt.addresses == [BrokerAddress("mqtt", "broker.local", 1883)]
    assert (mqtt.prefix, mqtt.publish, mqtt.login) == ("dsmr/v1", [], None)
    assert mqtt.edge_name, "the name of this machine"


def test_the_user_is_the_edge_where_there_is_a_password(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"{LEAST}  edge: site-12\n  password_file: mqtt.password\n")
    mqtt = load_config(path, {}).mqtt
    assert mqtt
    assert mqtt.login == "site-12"
    path.write_text(f"{LEAST}  edge: 12\n  user: me\n  password_file: mqtt.password\n")
    mqtt = load_config(path, {}).mqtt
    assert mqtt
    assert (mqtt.edge_name, mqtt.login) == ("12", "me")


@pytest.mark.parametrize(
    ("broker", "begin"),
    [
        ("broker.local", "2:13: mqtt.brokers[0]: 'broker.local' is not the address of a broker. Write it like mqtt://"),
        ("http://broker.local", "2:13: mqtt.brokers[0]: 'http://broker.local' is not the address of a broker."),
        ("mqtt://:1883", "2:13: mqtt.brokers[0]: 'mqtt://:1883' does not name a host and a port."),
        ("mqtt://a:b", "2:13: mqtt.brokers[0]: 'mqtt://a:b' does not name a host and a port."),
        ("mqtt://a:70000", "2:13: mqtt.brokers[0]: 'mqtt://a:70000' does not name a host and a port."),
        ("mqtt://a/dsmr", "2:13: mqtt.brokers[0]: the address of a broker has no topic (found 'mqtt://a/dsmr'). Write"),
        ("mqtt://me:s3/cret@a", "1:1: mqtt: the address of a broker contains no user and no password. They"),
        ("mqtt://me:1/s3cret@a", "1:1: mqtt: the address of a broker contains no user and no password. They"),
        ("me:s3cret@a", "1:1: mqtt: the address of a broker contains no user and no password. They"),
        ("mqtt://me:s3cret@a", "1:1: mqtt: the address of a broker contains no user and no password. They"),
    ],
)
def test_what_is_not_the_address_of_a_broker_is_named(tmp_path: Path, broker: str, begin: str) -> None:
    (problem,) = load_text(tmp_path, f"mqtt:\n  brokers: ['{broker}']\n")
    assert problem.startswith(begin)
    assert "s3cret" not in problem


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        "mqtt:\n  brokers: [mqtt://a, nothing]\n  edge: a/b\n  prefix: /dsmr/+\n"
        "  publish: [telegrams, reading]\n  pasword_file: x\n"
    )
    problems = load_text(tmp_path, text)
    assert [problem.split(": ")[1] for problem in problems] == [
        "mqtt.brokers[1]",
        "mqtt.edge",
        "mqtt.prefix",
        "mqtt.publish[1]",
        "mqtt.pasword_file",
    ]
    assert "Did you mean readings?" in problems[3]
    assert "Did you mean password_file?" in problems[4]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mqtt: {}", "1:1: mqtt.brokers: is missing. Add brokers:"),
        ("mqtt: {brokers: []}", "1:8: mqtt.brokers: at least 1 entry is expected"),
        ("mqtt: {brokers: [mqtt://a, 'mqtt://A:1883']}", "1:1: mqtt: the broker a is named twice."),
        ("mqtt: {brokers: [mqtt://a], ca: ca.pem}", "1:1: mqtt: ca cannot be used without TLS. Write mqtts:// in"),
        ("mqtt: {brokers: [mqtts://a], certificate: a.pem}", "1:1: mqtt: certificate needs key. Add key:"),
    ],
)
def test_what_is_missing_or_contradicts_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = load_text(tmp_path, text)
    assert found.startswith(problem)


PUBLISHING = f"{LEAST}  publish: [telegrams]\n"
TABLE = "name,simulate\nflat1,true\nflat2,true\n"


def test_a_gateway_that_only_publishes_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text(TABLE)
    for meters in ("meters: {a: {}, b: {}}", "meter: {}\nmodbus: []", "meters_file: meters.csv"):
        path = tmp_path / "gateway.yaml"
        path.write_text(f"{PUBLISHING}{meters}\n")
        assert load_config(path, {}).modbus == []
    path.write_text(PUBLISHING)
    assert len(load_config(path, {}).modbus) == 1, "one meter is served as without mqtt"


def test_a_gateway_that_publishes_nothing_needs_a_server(tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text(TABLE)
    assert load_text(tmp_path, f"{LEAST}modbus: []\n") == [
        "3:1: modbus: there is no server. Add a server, or mqtt with publish for a gateway that only publishes"
    ]
    (problem,) = load_text(tmp_path, f"{LEAST}meters: {{a: {{}}, b: {{}}}}\n")
    assert "there are several meters, and none is chosen" in problem
    (problem,) = load_text(tmp_path, f"{LEAST}meters_file: meters.csv\n")
    assert "no row has a unit id" in problem

"""Clients from PyPI and npm at a simulated meter: all of them read what a plain socket reads.

mbpoll, libmodbus and pyModbusTCP have tests of their own, in `test_modbus_clients.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from pymodbus.client import ModbusTcpClient

from tests.certificates import make_certificates
from tests.peers.clients import CLIENTS, READ_HOLDING, READ_INPUT, WRITE_SINGLE, Question, Result, Server
from tests.peers.harness import Gateway, running

UNITS = (1, 3)
IDENTIFICATION_AT, IDENTIFICATION_REGISTERS = 500, 16


class Served(NamedTuple):
    gateway: Gateway
    servers: dict[str, Server]
    """By transport."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A simulated household on every transport of a network."""
    folder = tmp_path_factory.mktemp("gateway")
    files = make_certificates(folder)
    tls = {"certificate": str(files.certificate), "key": str(files.key), "client_ca": str(files.client_ca)}
    servers: dict[str, dict[str, object]] = {
        "tcp": {},
        "tls": {"tls": tls},
        "rtu_over_tcp": {"transport": "rtu_over_tcp"},
        "udp": {"transport": "udp", "allow": ["127.0.0.1"]},
    }
    for server in servers.values():
        server["units"] = {unit: {"map": "dsmr", "identifiers": True} for unit in UNITS}
    gateway = Gateway(folder, {"simulate": True}, *servers.values(), waits=False)
    with running(gateway):
        for transport, port in zip(servers, gateway.ports, strict=True):
            if transport != "udp":
                gateway.wait_for_port(port)
        gateway.wait_for_log("Modbus udp: connect to")
        gateway.wait_for_telegrams(1)
        yield Served(
            gateway,
            {name: Server(port, folder) for name, port in zip(servers, gateway.ports, strict=True)},
        )


@pytest.fixture(params=CLIENTS.keys())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(served: Served, name: str, *questions: Question) -> list[Result]:
    transport, client = CLIENTS[name]
    return client(served.servers[transport], questions)


def test_it_reads_what_a_plain_socket_reads(served: Served, name: str) -> None:
    questions = [
        Question(unit, function, address, count)
        for unit in (*UNITS, 255)
        for function in (READ_HOLDING, READ_INPUT)
        for address, count in ((100, 100), (1000, 125), (IDENTIFICATION_AT, IDENTIFICATION_REGISTERS), (0, 1))
    ]
    with served.gateway.client() as plain:

        def read() -> list[list[int]]:
            return [list(plain.registers(q.address, q.count, q.unit, q.function)) for q in questions]

        while True:
            before = read()
            seen = ask(served, name, *questions)
            if read() == before:  # no telegram came in between
                break
    assert seen == before


def test_it_sees_each_refusal(served: Served, name: str) -> None:
    refused = {
        Question(1, READ_HOLDING, 40, 1): 2,
        Question(1, READ_INPUT, 39, 2): 2,
        Question(1, READ_HOLDING, 65000, 125): 2,
        Question(2, READ_HOLDING, 0, 1): 10,
        Question(1, WRITE_SINGLE, 100, 7): 1,
    }
    fine = Question(1, READ_HOLDING, 0, 1)
    if name == "modbus-tk rtu":
        pytest.skip("waits for seven bytes of every answer; an exception has five")
    questions = [question for each in refused for question in (each, fine)]
    assert ask(served, name, *questions) == [result for code in refused.values() for result in (code, [1])]


@pytest.mark.parametrize("name", ["modbus-serial", "jsmodbus"])
def test_it_gets_every_answer_to_a_hundred_questions_put_at_once(served: Served, name: str) -> None:
    registers = range(IDENTIFICATION_AT, IDENTIFICATION_AT + IDENTIFICATION_REGISTERS)
    questions = [Question(1, READ_HOLDING, address, 1) for address in (*registers, *registers) * 3]
    with served.gateway.client() as plain:
        words = plain.registers(IDENTIFICATION_AT, IDENTIFICATION_REGISTERS)
    assert ask(served, name, *questions) == [[word] for word in words] * 6


def test_pymodbus_reads_the_identification(served: Served) -> None:
    client = ModbusTcpClient("127.0.0.1", port=served.gateway.port)
    assert client.connect()
    answer = client.read_device_information(read_code=2, object_id=0, device_id=1)
    assert not answer.isError()
    assert answer.information[0] == b"dsmr-modbus-gateway"
    assert answer.information[4] == b"P1 to Modbus gateway"
    client.close()

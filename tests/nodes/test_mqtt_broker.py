"""The broker node without a broker: what it logs while there is none."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.nodes.mqtt_broker import BrokerSettings, MqttBroker
from gateway.nodes.mqtt_broker import node as broker_node
from gateway.nodes.mqtt_broker.node import SLOW_CONNECT_TIMEOUT_S
from gateway.problems.problem import Problem, ProblemError
from gateway.problems.system import connection_timeout
from gateway.transport.mqtt import Broker
from gateway.transport.mqtt_problems import ended
from tests.waiting import until


class Unreachable:
    """A client of a broker behind a firewall that drops everything."""

    def __init__(self) -> None:
        self.moment = 0.0
        self.attempts = 0

    def problem(self) -> Problem:
        return connection_timeout(SLOW_CONNECT_TIMEOUT_S)

    async def connect(self) -> None:
        self.attempts += 1
        self.moment += SLOW_CONNECT_TIMEOUT_S + 0.1
        raise ProblemError(self.problem())

    def close(self, *, with_will: bool = False) -> None:
        """Do nothing."""


class Full(Unreachable):
    """A client of a broker that accepts no more clients: it closes, or its system resets the connection."""

    def problem(self) -> Problem:
        return ended(ConnectionResetError() if self.attempts % 2 else None)


@pytest.mark.parametrize("client", [Unreachable(), Full()])
async def test_a_broker_that_does_not_respond_or_closes_is_logged_once(
    client: Unreachable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = MqttBroker(BrokerSettings(Broker("b", 1883), "edge", needs_new=False))
    monkeypatch.setattr(node, "_client", client)
    monkeypatch.setattr(broker_node, "now", lambda: client.moment)
    monkeypatch.setattr(random, "uniform", lambda _least, _most: 0.0)
    task = asyncio.create_task(node.run())
    await until(lambda: client.attempts >= 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert caplog.text.count("trying again until it works") == 1

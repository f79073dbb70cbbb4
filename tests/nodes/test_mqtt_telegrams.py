"""The publisher of telegrams shows whether serving gateways get what they need."""

from __future__ import annotations

import logging
from collections import Counter
from typing import NamedTuple

import pytest

from gateway.nodes.mqtt_publisher import telegrams
from gateway.nodes.mqtt_publisher.channel import Edge
from gateway.nodes.mqtt_publisher.telegrams import TelegramPublisher
from gateway.protocol.fleet.ticks import FORGET_AFTER_S, MAX_TICKS, Tick, encode_tick
from gateway.transport.mqtt import Message


class Broker(NamedTuple):
    """A broker that is connected."""

    is_connected: bool = True

    def offer(self, topic: str, make: object) -> None:
        """Take nothing."""


def test_more_serving_gateways_than_a_telegram_names_are_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    moment = 0.0
    monkeypatch.setattr(telegrams, "now", lambda: moment)
    caplog.set_level(logging.INFO)
    publisher = TelegramPublisher(Edge("site", 1, "p"), Counter())
    publisher.messages.connect(publisher, Broker())

    def shown(gateways: int) -> str:
        for number in range(gateways):
            tick = encode_tick(Tick(f"gateway-{number}", 1, int(moment) + 1))
            publisher.take_tick(Message(f"p/_tick/gateway-{number}", tick))
        publisher._show(moment)
        return publisher.status.text

    assert shown(MAX_TICKS) == "0 meters"
    assert shown(MAX_TICKS + 1) == "more than 16 serving gateways: some get no fresh readings"
    assert "give them another prefix" in caplog.text
    moment = FORGET_AFTER_S + 1.0
    assert shown(MAX_TICKS) == "0 meters"

"""MQTT broker: keeps the connection to one broker, and sends and receives messages for other nodes.

In: messages to publish. Out: messages of the topics that other nodes subscribe to, and whether the broker is connected.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Mapping
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.nodes.mqtt_broker.dispatcher import Dispatcher
from gateway.nodes.mqtt_broker.outbox import Fate, Make, Outbox
from gateway.nodes.mqtt_broker.settings import BrokerSettings, Subscription
from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.problems.system import connection_problem
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import Output
from gateway.runtime.status import Colour, Mark, label_of
from gateway.runtime.ticking import look_each
from gateway.transport.mqtt import Message, MqttClient, Options
from gateway.transport.mqtt_problems import (
    FIRST_FAILURE,
    message_refused,
    nothing_acknowledged,
    topic_flooded,
    topic_refused,
)

if TYPE_CHECKING:
    from gateway.transport.tls import ServerTls, TlsFiles

CONNECT_TIMEOUT_S, SLOW_CONNECT_TIMEOUT_S = 3.0, 10.0
"""Longest time until the broker has accepted the login, if it has to speak MQTT 5 and if it need not."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
"""Upper bounds of the random pause before the first and before a later attempt to connect."""
LASTING = frozenset({"mqtt-login-refused", "mqtt-too-old", "mqtt-no-qos-1"})
"""Codes of problems that another attempt does not solve; a broker may lock out who tries too often."""
SLOW_PAUSE_S = 10.0
"""Pause after such a problem."""
TAKEN_OVER_PAUSE_S = 1.0
"""Shortest pause if another client with the same id may have logged in: both would end each other's connection."""
STEADY_S = 10.0
"""Duration of a connection after which the next pause is short again."""
LOOK_S = 1.0
TOPICS_PER_PACKET = 500
MAX_MESSAGES_PER_S = 50_000
"""Largest number of messages within a second; a broker that sends more is disconnected."""
REFUSED_SHOWN_S = 60.0
"""Time for which a refused message, or a topic with too many, is shown."""


class MqttBroker(Node):
    """The connection to one broker."""

    kind = "MQTT broker"
    reads_meter = True  # a broker that is down is no reason to restart the gateway

    def __init__(self, settings: BrokerSettings) -> None:
        super().__init__(f"mqtt {settings.place}")
        self.settings = settings
        self.place = settings.place
        self.label = f"MQTT {self.place}"
        self.messages: Output[Subscription] = Output(self)
        """The subscriptions of other nodes."""
        self.states: Output[Callable[[bool], None]] = Output(self)
        """Called with True when the broker is connected and everything is subscribed, with False when that ends."""
        self.is_connected = False
        self.received = self.skipped = self.connections = 0
        self._outbox = Outbox()
        self._subscribed: dict[str, None] = {}
        self._refused_topics: dict[str, Problem] = {}
        self._dispatcher = Dispatcher()
        self._pause_bound = FIRST_PAUSE_S
        self._connected_at = float("inf")
        self._reconnects = False
        self._last_problem: Problem | None = None
        self._logged_problems: set[str] = set()
        """Codes of the problems that were logged since the last steady connection."""
        self._is_logged_as_lost = True
        self._refused: tuple[float, Problem] | None = None
        # A broker of MQTT 3.1.1 is asked twice.
        limit_s = CONNECT_TIMEOUT_S if settings.needs_new else SLOW_CONNECT_TIMEOUT_S
        options = Options(settings.client_id, settings.will, limit_s, settings.needs_new)
        self._client = MqttClient(settings.broker, self._take, self._skip, MAX_MESSAGES_PER_S, options)

    @property
    def ping_moment(self) -> float:
        """Return the moment at which the newest ping that was answered was sent.

        The broker forwarded every message that came after the response no earlier than that.
        """
        return self._client.ping_moment

    def details(self) -> Details:
        """Return the broker, and how many messages went over the connection."""
        fates = self._outbox.fates
        return {
            "broker": self.place,
            "client_id": self.settings.client_id,
            "connections": self.connections,
            "topics_subscribed": len(self._subscribed) - len(self._refused_topics),
            "messages_received": self.received,
            "messages_too_long": self.skipped,
            "messages_waiting": len(self._outbox),
            **{f"messages_{fate.value}": fates[fate] for fate in Fate},
            "last_trouble": str(self._last_problem) if self._last_problem else None,
        }

    # What other nodes call

    def offer(self, topic: str, make: Make) -> None:
        """Publish a message with QoS 1 when it is the topic's turn, and the newest of its topic only.

        Args:
            topic: the topic of the message.
            make: called when the message is sent.

        """
        self._outbox.offer(topic, make)
        self._send()

    def publish(self, message: Message) -> bool:
        """Publish a message with QoS 0 now; False if that is not possible."""
        return self.is_connected and self._client.publish(message)

    def renew_login(self, files: Collection[Path]) -> None:
        """Connect again if the password or the authorities of this broker are in one of these files."""
        broker = self.settings.broker
        if broker.password_file in files or broker.ca in files:
            self._reconnect()

    def renew_tls(self, renewed: Mapping[TlsFiles, ServerTls]) -> None:
        """Connect again if the certificate that is shown to this broker is among these."""
        own = self.settings.broker.certificate
        if any(own == (files.certificate, files.key) for files in renewed):
            self._reconnect()

    def _reconnect(self) -> None:
        if self.is_connected:
            self._reconnects = True
            self._client.close()

    # The connection

    async def run(self) -> None:
        """Keep the connection until cancelled; the broker then publishes the will."""
        self.show(Colour.YELLOW, Mark.RING, "connecting", line=self.place)
        self.ready.set()
        try:
            while True:
                self._connected_at = float("inf")
                problem = await self._connect()
                if self._reconnects:
                    self._reconnects = False
                    continue
                if now() - self._connected_at > STEADY_S:
                    self._pause_bound, self._last_problem = FIRST_PAUSE_S, None
                    self._logged_problems.clear()
                await self._pause(problem)
        finally:
            self._client.close(with_will=True)
            self._note_state(is_connected=False)

    async def _connect(self) -> Problem:
        """Connect and work until the connection is lost; return why."""
        try:
            closed = await self._client.connect()
            self._subscribed.clear()
            while True:
                await self._subscribe()
                self._note_state(is_connected=True)
                if await look_each(LOOK_S, partial(self._look, closed), closed):
                    return _problem_of_end(closed.result())
        except OSError as error:
            self._client.close()
            return error.problem if isinstance(error, ProblemError) else connection_problem(error)
        finally:
            self._note_state(is_connected=False)

    def _look(self, closed: asyncio.Future[Exception | None], moment: float) -> bool | None:
        """Return True when the connection has ended, and False when subscriptions have changed."""
        if closed.done():
            return True
        if self._outbox.is_stuck(moment):
            raise ProblemError(nothing_acknowledged())
        if self._dispatcher.wanted(self.messages.receivers, moment) != self._subscribed:
            return False
        refused = self._refused[1] if self._refused and moment - self._refused[0] < REFUSED_SHOWN_S else None
        refused = refused or next(iter(self._refused_topics.values()), None)
        if refused:
            self.show(Colour.YELLOW, Mark.DOT, label_of(refused))
        else:
            self.show(Colour.GREEN, Mark.DOT, "broker-connected")
        return None

    async def _subscribe(self) -> None:
        """Subscribe to what other nodes want, and end subscriptions that nobody wants any more."""
        wanted = self._dispatcher.wanted(self.messages.receivers, now())
        self._client.unsubscribe([topic for topic in self._subscribed if topic not in wanted])
        self._refused_topics = {topic: each for topic, each in self._refused_topics.items() if topic in wanted}
        new = [topic for topic in wanted if topic not in self._subscribed]
        for begin in range(0, len(new), TOPICS_PER_PACKET):
            refused = await self._client.subscribe_each(new[begin : begin + TOPICS_PER_PACKET])
            for topic, code in refused.items():
                problem = self._refused_topics[topic] = topic_refused(topic, code)
                self.log_seldom(logging.WARNING, str(problem), alike=problem.short)
        self._subscribed = wanted

    def _note_state(self, *, is_connected: bool) -> None:
        if is_connected == self.is_connected:
            return
        self.is_connected = is_connected
        if is_connected:
            self.connections += 1
            self._connected_at = now()
            self._outbox.begin(self._connected_at)
            self.show(Colour.GREEN, Mark.DOT, "broker-connected")
            if self._is_logged_as_lost:
                self._is_logged_as_lost = False
                self.log(logging.INFO, "connected")
            if birth := self.settings.birth:
                self._outbox.offer(birth.topic, lambda: birth)
        for note in self.states.receivers:
            note(is_connected)
        self._send()

    async def _pause(self, problem: Problem) -> None:
        pause = random.uniform(FIRST_PAUSE_S / 2, self._pause_bound)  # noqa: S311 - no secret
        self._pause_bound = min(2 * self._pause_bound, LONGEST_PAUSE_S)
        if problem.code in LASTING:
            pause = SLOW_PAUSE_S
        elif problem.code == "mqtt-taken-over" or (problem.code == "broker-closed" and self._last_problem):
            pause += TAKEN_OVER_PAUSE_S
        self.show(Colour.RED, Mark.RING, "retrying", problem=label_of(problem), seconds=ceil(pause))
        self._last_problem = problem
        if problem.code not in self._logged_problems:
            self._logged_problems.add(problem.code)
            self._is_logged_as_lost = True
            remedy = "trying again until it works"
            self.log(logging.WARNING, f"{problem}; {remedy}", alike=f"{problem.short}; {remedy}")
        await asyncio.sleep(pause)

    # Messages

    def _send(self) -> None:
        """Send what is ready, as far as the broker takes it."""
        while self.is_connected and self._client.has_room and (message := self._outbox.next()):
            self._client.publish(message, partial(self._settle, message.topic))

    def _settle(self, topic: str, code: int | None) -> None:
        """Note the broker's reason code for the message of a topic; None if the connection has ended."""
        if code is None:
            self._outbox.settle(topic, Fate.LOST)
            return
        is_refused = code >= FIRST_FAILURE
        if is_refused:
            problem = message_refused(topic, code)
            self._refused = now(), problem
            self.log_seldom(logging.WARNING, str(problem), alike=problem.short)
        self._outbox.settle(topic, Fate.REFUSED if is_refused else Fate.PUBLISHED)
        self._send()

    def _take(self, message: Message) -> None:
        self.received += 1
        if flood := self._dispatcher.dispatch(message, self.messages.receivers):
            self._dispatcher.mute(flood, now())  # the next look changes the subscriptions
            self._refused = now(), (problem := topic_flooded(message.topic, flood.topic))
            self.log_seldom(logging.WARNING, str(problem), alike=problem.short)

    def _skip(self, _size: int) -> None:
        self.skipped += 1


def _problem_of_end(error: Exception | None) -> Problem:
    if isinstance(error, ProblemError):
        return error.problem
    what = "the broker closed the connection" + (f" ({error})" if error else "")
    hint = "If this repeats, another gateway may have the same client id: give each an edge of its own"
    return problem_of("broker-closed", what, hint, short="the broker closed the connection")

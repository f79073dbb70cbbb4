"""A client of an MQTT broker in the event loop: the connection is asyncio's, the packets are paho-mqtt's.

By itself, paho-mqtt blocks while it connects, and reads packets of any size from a socket of its own. Here asyncio
connects, also over TLS, and `mqtt_packets` cuts the stream into packets. paho gets whole packets, one at a time, as if
from a socket. So nothing blocks, there is no thread and no queue, and a message that is too long is skipped before it
takes memory.

The broker has to respond to a ping each second. A connection over which three pings get no response is closed.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.problems.problem import Place, Problem, ProblemError, problem_of
from gateway.problems.quoting import cut, quoted
from gateway.problems.system import connection_problem, connection_timeout, file_problem
from gateway.transport.client_tls import tls_problem, trust
from gateway.transport.mqtt_connection import Connection, PahoClient, no_response
from gateway.transport.secret_file import read_secret
from gateway.transport.timed_reading import read_in_time

CONNECT_TIMEOUT_S = 10.0
RESPONSE_TIMEOUT_S = 5.0
"""Longest time that a broker may take to accept a login or a subscription."""

_OLD_PROTOCOL = 132
"""Reason code of a broker that does not speak this version of MQTT."""
_LOGIN_REFUSED = (134, 135)
"""Reason codes for a wrong user or password, and for a user without rights (MQTT 5.0, 3.2.2.2)."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Broker:
    """An MQTT broker, and the login there."""

    host: str
    port: int
    is_tls: bool = False
    user: str | None = None
    password_file: Path | None = None
    ca: Path | None = None
    """PEM file of the only authorities that are trusted; None for those of the system."""


class Message(NamedTuple):
    """A message on a topic."""

    topic: str
    payload: bytes
    is_retained: bool = False
    """True if the broker had stored the message, which may then be of any age."""


class MqttClient:
    """A client of one broker. It connects when it is told to, and does not connect again by itself."""

    def __init__(
        self,
        broker: Broker,
        on_message: Callable[[Message], None],
        on_skipped: Callable[[int], None],
        max_per_s: int,
        will: Message | None = None,
    ) -> None:
        """Prepare a client.

        Args:
            broker: the broker.
            on_message: called with each message that is subscribed to, as it comes.
            on_skipped: called with the size of a message that is too long and is not read.
            max_per_s: largest number of packets within a second; a broker that sends more is disconnected.
            will: the message that the broker publishes, and stores, when this client is gone without closing.

        """
        self._on_skipped = on_skipped
        self._max_per_s = max_per_s
        self._broker = broker
        self._on_message = on_message
        self._will = will
        self._versions = [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311]
        self._paho: PahoClient | None = None
        self._connection: Connection | None = None

    async def connect(self) -> asyncio.Future[Exception | None]:
        """Connect with MQTT 5, or with MQTT 3.1.1 where the broker knows no other, and log in.

        The result of the returned future is the error that ended the connection, or None if the broker closed it.

        Raises:
            OSError: there is no connection, or the broker refuses it.

        """
        try:
            tls, password = await read_in_time(self._read_files)
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await self._log_in(tls, password)
        except TimeoutError:
            self.close()
            raise ProblemError(connection_timeout(CONNECT_TIMEOUT_S), errno.ETIMEDOUT) from None
        except ProblemError:
            self.close()
            raise
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise ProblemError(tls_problem(error)) from error
        except OSError as error:
            raise ProblemError(connection_problem(error), error.errno) from error
        except asyncio.CancelledError:
            self.close()
            raise

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe to topics with QoS 0: a message that is late is of no use.

        Raises:
            OSError: the broker refuses one of them, or does not respond.

        """
        connection, paho = self._connection, self._paho
        assert connection
        assert paho
        is_new = paho.protocol == MQTTProtocolVersion.MQTTv5
        # Retain As Published stays off, so that only stored messages have the retain flag.
        wanted: Any = [(topic, SubscribeOptions(qos=0) if is_new else 0) for topic in topics]
        connection.subscription = asyncio.get_running_loop().create_future()
        paho.subscribe(wanted)
        codes = await self._response(connection, connection.subscription)
        for topic, code in zip(topics, codes or (), strict=False):
            if code.is_failure:
                self.close()
                what = f"the broker refuses the topic {quoted(topic)}: {cut(str(code))}"
                hint = "Allow this user to read the topic, in the access list of the broker"
                raise ProblemError(problem_of("mqtt-topic-refused", what, hint, short="the broker refuses the topic"))
        if codes is None:
            raise ProblemError(_ended(connection))

    def publish(self, message: Message, qos: int = 0) -> bool:
        """Publish a message; False if there is no connection, or the broker takes no more now."""
        if not (self._paho and self._connection and not self._connection.closed.done() and self._connection.has_room):
            return False
        self._paho.publish(message.topic, message.payload, qos, message.is_retained)
        return True

    def close(self) -> None:
        """Close the connection at once; the broker does not publish the will."""
        if self._connection:
            self._connection.finish()

    def _read_files(self) -> tuple[ssl.SSLContext | None, str | None]:
        broker = self._broker
        tls = trust(broker.ca) if broker.is_tls else None
        try:
            password = read_secret(broker.password_file) if broker.password_file else None
        except OSError as error:
            raise ProblemError(file_problem(error, Place(str(broker.password_file))), error.errno) from error
        return tls, None if password is None else password.decode("utf-8", "replace").rstrip("\r\n")

    async def _log_in(self, tls: ssl.SSLContext | None, password: str | None) -> asyncio.Future[Exception | None]:
        connection = await self._attempt(self._versions[0], tls, password)
        code = await self._response(connection, connection.login)
        if len(self._versions) > 1 and (code is None or code.value == _OLD_PROTOCOL):
            connection.finish()
            connection = await self._attempt(self._versions[1], tls, password)
            code = await self._response(connection, connection.login)
            if code is not None and not code.is_failure:
                del self._versions[0]
        if code is None:
            raise ProblemError(_ended(connection))
        if code.is_failure:
            raise ProblemError(_refusal(code))
        connection.begin_pings()
        return connection.closed

    async def _attempt(
        self, version: MQTTProtocolVersion, tls: ssl.SSLContext | None, password: str | None
    ) -> Connection:
        """Connect, and send the login in a version of the protocol."""
        host, port = self._broker.host, self._broker.port
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self._on_skipped, self._max_per_s), host, port, ssl=tls
        )
        self._connection = connection
        self._paho = paho = PahoClient(
            CallbackAPIVersion.VERSION2,
            f"dsmr-gateway-{secrets.token_hex(4)}",
            protocol=version,
            reconnect_on_failure=False,
        )
        if self._broker.user is not None:
            paho.username_pw_set(self._broker.user, password)
        if self._will:
            paho.will_set(self._will.topic, self._will.payload, 1, retain=True)
        paho.on_connect = lambda _client, _data, _flags, code, _properties: _settle(connection.login, code)
        paho.on_subscribe = lambda _client, _data, _mid, codes, _properties: _settle(connection.subscription, codes)
        paho.on_message = lambda _client, _data, message: self._on_message(
            Message(message.topic, bytes(message.payload), bool(message.retain))
        )
        paho.on_disconnect = lambda _client, _data, flags, code, _properties: (
            connection.finish(_disconnected(code)) if flags.is_disconnect_packet_from_server else None
        )
        connection.begin(paho, host, port)
        return connection

    async def _response(self, connection: Connection, response: asyncio.Future[T]) -> T | None:
        """Return the broker's response; None if the connection ends before.

        Raises:
            ProblemError: the broker does not respond in time.

        """
        futures = (response, connection.closed)
        await asyncio.wait(futures, timeout=RESPONSE_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if response.done():
            return response.result()
        if connection.closed.done():
            return None
        self.close()
        raise ProblemError(no_response(RESPONSE_TIMEOUT_S), errno.ETIMEDOUT)


def _settle(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _ended(connection: Connection) -> Problem:
    """Return why a connection ended while a response was awaited."""
    error = connection.closed.result()
    if isinstance(error, ProblemError):
        return error.problem
    what = "the broker closes the connection without a response"
    hint = "Look in its log. Is the port right? Most brokers have 1883, and 8883 with mqtts://"
    return problem_of("mqtt-closed", what, hint, short="the broker closes the connection")


def _refusal(code: Any) -> Problem:
    """Return why a broker refuses a login."""
    reason = cut(str(code))
    if code.value in _LOGIN_REFUSED:
        what = f"the broker refuses the login: {reason}"
        hint = "Check user and password_file, and what the broker allows this user"
        return problem_of("mqtt-login-refused", what, hint, short="the broker refuses the login")
    what = f"the broker refuses the connection: {reason}"
    return problem_of("mqtt-refused", what, "Look in the log of the broker", short="the broker refuses the connection")


def _disconnected(code: Any) -> Problem:
    what = f"the broker ended the connection: {cut(str(code))}"
    return problem_of("mqtt-ended", what, "Look in the log of the broker", short="the broker ended the connection")

"""A client of an MQTT broker in the event loop: the connection is asyncio's, most packets are paho-mqtt's.

By itself, paho-mqtt blocks while it connects, and reads packets of any size from a socket of its own. Here asyncio
connects, also over TLS, and `mqtt_packets` cuts the stream into packets. `mqtt_message` reads and makes messages, and
paho gets all other packets, one at a time, as if from a socket. So nothing blocks, there is no thread and no queue, and
a message that is too long is skipped before it takes memory.

The broker has to respond to a ping each second. A connection over which three pings get no response is closed.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import ssl
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.problems.problem import Place, ProblemError
from gateway.problems.system import file_problem
from gateway.transport.client_tls import tls_problem, trust
from gateway.transport.connecting import connect_socket, not_in_time
from gateway.transport.mqtt_connection import Connection, PahoClient, Takers, no_response
from gateway.transport.mqtt_message import NUMBERS, Message, encode, message_numbers
from gateway.transport.mqtt_options import Broker, Limits, Options, limits_of
from gateway.transport.mqtt_problems import (
    disconnected,
    ended,
    login_refused,
    no_login,
    no_qos_1,
    not_connected,
    too_old,
    topic_refused,
)
from gateway.transport.secret_file import read_login
from gateway.transport.timed_reading import read_in_time

__all__ = ["Broker", "Message", "MqttClient", "Options"]

RESPONSE_TIMEOUT_S = 5.0
"""Longest time that a broker may take to accept a login or a subscription."""

_OLD_PROTOCOL = 132
"""Reason code of a broker that does not speak this version of MQTT."""
_NO_RETAIN = 154
"""Reason code of a broker that stores no messages, and so refuses the will."""
_TOO_LONG = 149
"""Reason code for a packet that is longer than the broker allows."""

_USUAL = Options()

OnDone = Callable[[int | None], None]
"""Called once with the broker's reason code for a message, or None if the connection ends before it comes."""

T = TypeVar("T")


class MqttClient:
    """A client of one broker. It connects when `connect` is called, and not again by itself."""

    def __init__(
        self,
        broker: Broker,
        on_message: Callable[[Message], None],
        on_skipped: Callable[[int], None],
        max_per_s: int,
        options: Options = _USUAL,
    ) -> None:
        """Prepare a client.

        Args:
            broker: the broker.
            on_message: called with each message that is subscribed to, as it comes.
            on_skipped: called with the size of a message that is too long and is not read.
            max_per_s: largest number of packets within a second; a broker that sends more is disconnected.
            options: how the client connects.

        """
        self.max_per_s = max_per_s
        self._takers = Takers(on_message, on_skipped, self._note_done)
        self._broker = broker
        self._options = options
        self._limits, self._window = Limits(), len(NUMBERS)
        self._can_store_will = True
        self._numbers = message_numbers()
        self._unacknowledged: dict[int, OnDone] = {}
        self._versions = [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311][: 1 if options.needs_new else 2]
        self._paho: PahoClient | None = None
        self._connection: Connection | None = None

    async def connect(self) -> asyncio.Future[Exception | None]:
        """Connect with MQTT 5, or with MQTT 3.1.1 where the broker knows no other, and log in.

        The result of the returned future is the error that ended the connection, or None if the broker closed it.

        Raises:
            OSError: there is no connection, or the broker refuses it.

        """
        limit_s = self._options.connect_timeout_s
        self._connection = None
        try:
            tls, password = await read_in_time(self._read_files)
            async with asyncio.timeout(limit_s):
                return await self._log_in(tls, password)
        except TimeoutError:
            is_connected = self._connection is not None
            self.close()
            problem = no_login(limit_s) if is_connected else not_in_time(self._broker.host, limit_s)
            raise ProblemError(problem, errno.ETIMEDOUT) from None
        except (ProblemError, asyncio.CancelledError):
            self.close()
            raise
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise ProblemError(tls_problem(error)) from error
        except OSError as error:
            raise ProblemError(not_connected(error), error.errno) from error

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe to topics with QoS 0: a message that is late is of no use.

        Raises:
            OSError: the broker refuses one of them, or does not respond.

        """
        for topic, code in (await self.subscribe_each(topics)).items():
            self.close()
            raise ProblemError(topic_refused(topic, code))

    async def subscribe_each(self, topics: Sequence[str]) -> dict[str, Any]:
        """Subscribe to topics as `subscribe` does, and return those that the broker refuses, with its reason codes.

        Raises:
            OSError: the broker does not respond.

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
        if codes is None:
            raise ProblemError(ended(connection.closed.result()))
        return {topic: code for topic, code in zip(topics, codes, strict=False) if code.is_failure}

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """End the subscriptions to topics, without waiting for the broker."""
        if self._paho and topics:
            self._paho.unsubscribe([*topics])

    @property
    def has_room(self) -> bool:
        """Return whether a message can be published now: the broker is there, and takes more."""
        connection = self._connection
        is_open = connection is not None and not connection.closed.done() and connection.has_room
        return is_open and len(self._unacknowledged) < self._window

    @property
    def ping_moment(self) -> float:
        """Return the moment at which the newest ping with a response was sent; messages since then are no older."""
        return self._connection.ping_moment if self._connection else float("-inf")

    def publish(self, message: Message, on_done: OnDone | None = None) -> bool:
        """Publish a message; False if there is no connection, or the broker takes no more now.

        One that is longer than the broker allows is not sent: it would end the connection. It counts as refused.

        Args:
            message: the message.
            on_done: called once if True is returned. The message is sent with QoS 1 then, with QoS 0 if it is None.

        """
        connection, number = self._connection, None
        if not (connection and self.has_room):
            return False
        if on_done:
            number = next(each for each in self._numbers if each not in self._unacknowledged)
        is_stored = message.is_retained and self._limits.can_store
        packet = encode(message, number, is_new=connection.is_new, is_stored=is_stored)
        if len(packet) > self._limits.packet_bytes:
            if on_done:
                asyncio.get_running_loop().call_soon(on_done, _TOO_LONG)
            return on_done is not None
        if on_done and number is not None:
            self._unacknowledged[number] = on_done
        connection.send(packet)
        return True

    def close(self, *, with_will: bool = False) -> None:
        """Close the connection at once; the broker publishes the will only if `with_will`."""
        if self._connection:
            self._connection.finish(with_will=with_will)

    def _read_files(self) -> tuple[ssl.SSLContext | None, str | None]:
        broker = self._broker
        tls = trust(broker.ca, broker.certificate) if broker.is_tls else None
        try:
            password = read_login(broker.password_file) if broker.password_file else None
        except OSError as error:
            raise ProblemError(file_problem(error, Place(str(broker.password_file))), error.errno) from error
        return tls, None if password is None else password.decode("utf-8", "replace")

    async def _log_in(self, tls: ssl.SSLContext | None, password: str | None) -> asyncio.Future[Exception | None]:
        self._can_store_will = True  # the broker may have other settings since the last time
        connection, code = await self._attempt(self._versions[0], tls, password)
        is_old = code is not None and code.value == _OLD_PROTOCOL
        if len(self._versions) > 1 and (code is None or is_old):
            connection, code = await self._attempt(self._versions[1], tls, password)
            if code is not None and not code.is_failure:
                del self._versions[0]
        elif code is not None and code.value == _NO_RETAIN:
            self._can_store_will = False
            connection, code = await self._attempt(self._versions[0], tls, password)
        if code is None:
            raise ProblemError(ended(connection.closed.result()))
        if code.is_failure:
            raise ProblemError(too_old() if is_old and self._options.needs_new else login_refused(code))
        if self._options.will and not self._limits.has_qos_1:
            raise ProblemError(no_qos_1())
        connection.begin_pings()
        connection.closed.add_done_callback(self._forget)
        return connection.closed

    async def _attempt(
        self, version: MQTTProtocolVersion, tls: ssl.SSLContext | None, password: str | None
    ) -> tuple[Connection, Any]:
        """Connect, log in with a version of the protocol, and return the broker's reason code; None if it closes."""
        self.close()
        host, port, options = self._broker.host, self._broker.port, self._options
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._takers, self.max_per_s),
            sock=await connect_socket(host, port),
            ssl=tls,
            server_hostname=host if tls else None,
        )
        self._connection = connection
        name = options.client_id or f"dsmr-gateway-{secrets.token_hex(4)}"
        self._paho = paho = PahoClient(CallbackAPIVersion.VERSION2, name, protocol=version, reconnect_on_failure=False)
        if self._broker.user is not None:
            paho.username_pw_set(self._broker.user, password)
        if will := options.will:
            paho.will_set(will.topic, will.payload, 1, retain=self._can_store_will)
        paho.on_connect = lambda _client, _data, _flags, *found: self._note_login(connection, *found)
        paho.on_subscribe = lambda _client, _data, _mid, codes, _properties: _settle(connection.subscription, codes)
        paho.on_disconnect = lambda _client, _data, flags, code, _properties: (
            connection.finish(disconnected(code)) if flags.is_disconnect_packet_from_server else None
        )
        connection.begin(paho, host, port)
        return connection, await self._response(connection, connection.login)

    def _note_login(self, connection: Connection, code: Any, properties: Any) -> None:
        self._limits = limits_of(properties)
        self._window = min(self._limits.window, len(NUMBERS))
        _settle(connection.login, code)

    def _note_done(self, number: int, code: int) -> None:
        if on_done := self._unacknowledged.pop(number, None):
            on_done(code)

    def _forget(self, _closed: asyncio.Future[Exception | None]) -> None:
        """Report all messages that will get no acknowledgement any more."""
        unacknowledged, self._unacknowledged = self._unacknowledged, {}
        for on_done in unacknowledged.values():
            on_done(None)

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

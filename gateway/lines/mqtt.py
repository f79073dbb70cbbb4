"""Telegrams that another program publishes on an MQTT topic, one a message.

A message says nothing about when it was sent. So a message that the broker had stored (its retain flag) is never used:
it may be of any age. Others are judged by the telegram's own clock, like telegrams of every other line.
"""

from __future__ import annotations

import asyncio
from binascii import Error, unhexlify

from gateway.lines.line import Line, Receive
from gateway.problems.problem import Problem, problem_of
from gateway.problems.quoting import quoted
from gateway.transport.mqtt import Broker, Message, MqttClient

MAX_PER_S = 50
"""Largest number of messages within a second: the telegrams of a minute that a broker held back come at once."""
MIN_HEX_CHARACTERS = 64
"""Least length of a message that is read as hexadecimal digits: a number on the topic is no frame."""
MAX_SAMPLE_BYTES = 40


class MqttLine(Line):
    """One topic of a broker, to which nothing is ever published."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._topic = topic
        self._client = MqttClient(broker, self._take, self._skip, MAX_PER_S)
        self._receive: Receive = lambda _data: None
        self._has_retained = self._has_long = self._has_other = False
        self._other = b""
        """The beginning of the first message that is no telegram; kept, so that the log has it once."""

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Connect, and subscribe to the topic."""
        self._receive = receive
        self._has_retained = self._has_long = self._has_other = False
        closed = await self._client.connect()
        try:
            await self._client.subscribe([self._topic])
        except BaseException:
            self._client.close()
            raise
        return closed

    def silence(self) -> Problem:
        """Return what came on the topic in place of telegrams."""
        topic = quoted(self._topic)
        if self._has_other:
            begin = quoted(self._other.decode("utf-8", "replace"))
            what = f"the messages on {topic} are not telegrams: they begin with {begin}"
            hint = "Take the topic on which the other program publishes the telegram as text"
            return problem_of("mqtt-not-telegrams", what, hint, short="the messages are not telegrams")
        if self._has_long:
            what = f"the messages on {topic} are too long for a telegram"
            return problem_of("mqtt-too-long", what, short="the messages are too long for telegrams")
        if self._has_retained:
            what = f"{topic} has only a retained message, which may be of any age and is not used"
            hint = "Does the program that publishes the telegrams run?"
            return problem_of("mqtt-only-retained", what, hint, short="only a retained message, of any age")
        hint = "Is the topic right, also in upper and lower case, and does the program that publishes on it run?"
        return problem_of("mqtt-no-message", f"no message on {topic}", hint, short="no message on the topic")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _take(self, message: Message) -> None:
        if message.is_retained:
            self._has_retained = True
            return
        telegram = telegram_of(message.payload)
        if telegram:
            self._other = b""
            self._receive(telegram)
        elif message.payload:
            self._has_other = True
            self._other = self._other or message.payload[:MAX_SAMPLE_BYTES]

    def _skip(self, _size: int) -> None:
        self._has_long = True


def telegram_of(payload: bytes) -> bytes:
    """Return the telegram in a message, with the end of its last line; empty if there is none.

    A long message of hexadecimal digits, as the AMS reader publishes them, is returned as the bytes that they mean,
    also if they are no telegram: the diagnosis of the line names other protocols.
    """
    data = payload.strip()
    if data.startswith(b"/"):
        return data + b"\r\n"
    if len(data) >= MIN_HEX_CHARACTERS:
        try:
            frame = unhexlify(data)
        except Error:
            return b""
        # The last bytes of an encrypted telegram may look like white space.
        return frame.rstrip() + b"\r\n" if frame.startswith(b"/") else frame
    return b""

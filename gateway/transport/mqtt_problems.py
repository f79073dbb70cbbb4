"""Problems with an MQTT broker, from its reason codes (MQTT 5.0, 2.4)."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import replace
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.problems.quoting import cut, printable
from gateway.problems.system import connection_problem
from gateway.transport.client_tls import tls_problem

_REFUSED_LOGINS = (134, 135)
"""Reason codes for a wrong user or password, and for a user without rights (MQTT 5.0, 3.2.2.2)."""
FIRST_FAILURE = 128
"""Least reason code of a failure."""
MAX_TOPIC_CHARACTERS = 100
"""Largest number of characters of a topic that somebody else has chosen and that a problem shows."""
_SESSION_TAKEN_OVER = 142
"""Reason code for a client whose id another one has logged in with."""
_NO_QOS = 155
"""Reason code for a login with a will of QoS 1 at a broker that only allows QoS 0."""
_REMEDIES = {
    135: "Allow this user to write the topic, in the access list of the broker",
    149: "Allow longer messages at the broker, such as max_packet_size 65536 in mosquitto",
    151: "Raise the limit of this user at the broker, or publish less",
    **dict.fromkeys((156, 157), "Ask the administrator of the broker for its new address, and write it in brokers"),
}
"""Reason code of a refusal, or of the end of a connection → what to do (MQTT 5.0, 2.4)."""
_LOOK_IN_LOG = "Look in the log of the broker"


def not_connected(error: OSError) -> Problem:
    """Return why there is no connection to a broker."""
    problem = connection_problem(error)
    if problem.code == "connection-refused":
        return replace(problem, hint="Is the port correct, and is the broker running?")
    return problem


def ended(error: Exception | None) -> Problem:
    """Return why a connection ended while a response was awaited."""
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, ssl.SSLError):  # with TLS 1.3 the broker refuses a certificate after the handshake
        return tls_problem(error)
    what = "the broker closes the connection without a response"
    hint = "Look in its log. Is the port correct? Most brokers have 1883, and 8883 with mqtts://"
    if isinstance(error, ConnectionResetError):  # the reset may come before the reason
        hint += ". With mqtts://, does the broker accept the certificate of this gateway, or want one?"
    return problem_of("mqtt-closed", what, hint, short="the broker closes the connection")


def login_refused(code: Any) -> Problem:
    """Return why a broker refuses a login."""
    reason = cut(str(code))
    if code.value in _REFUSED_LOGINS:
        what = f"the broker refuses the login: {reason}"
        hint = "Check user and password_file, and what the broker allows this user"
        return problem_of("mqtt-login-refused", what, hint, short="the broker refuses the login")
    if code.value == _NO_QOS:
        return no_qos_1()
    what = f"the broker refuses the connection: {reason}"
    hint = _REMEDIES.get(code.value, _LOOK_IN_LOG)
    return problem_of("mqtt-refused", what, hint, short="the broker refuses the connection")


def no_qos_1() -> Problem:
    """Return that a broker only takes messages that it does not acknowledge."""
    what = "the broker only takes messages with QoS 0, and what the gateway publishes needs QoS 1"
    hint = "Allow QoS 1 at the broker (max_qos in mosquitto), or use another broker"
    return problem_of("mqtt-no-qos-1", what, hint, short="the broker does not allow QoS 1")


def no_login(limit_s: float) -> Problem:
    """Return that a broker takes a connection, and does not respond to the login."""
    what = f"the broker does not respond to the login for {limit_s:.0f} s"
    short = f"the broker does not respond for {limit_s:.0f} s"
    hint = "Is the broker busy or stopped? Does it speak MQTT 5?"
    return problem_of("mqtt-no-response", what, hint, short=short, seconds=round(limit_s))


def nothing_acknowledged() -> Problem:
    """Return that a broker takes messages, and does not acknowledge them."""
    what = "the broker acknowledges no messages"
    hint = "Look in its log. Are its disk and its memory full, or does something between here and it hold data back?"
    return problem_of("mqtt-not-acknowledged", what, hint, short=what)


def disconnected(code: Any) -> Problem:
    """Return why a broker ended the connection."""
    if code.value == _SESSION_TAKEN_OVER:
        what = "another client has logged in with the client id of this gateway"
        hint = "Give each gateway an edge of its own, and name each broker once"
        return problem_of("mqtt-taken-over", what, hint, short="another client has the same id")
    what = f"the broker ended the connection: {cut(str(code))}"
    hint = _REMEDIES.get(code.value, _LOOK_IN_LOG)
    return problem_of("mqtt-ended", what, hint, short="the broker ended the connection")


def topic_refused(topic: str, code: Any) -> Problem:
    """Return that a broker refuses the subscription to a topic."""
    what = f"the broker refuses the topic '{topic}': {cut(str(code))}"
    hint = "Allow this user to read the topic, in the access list of the broker"
    return problem_of("mqtt-topic-refused", what, hint, short="the broker refuses the topic")


def message_refused(topic: str, code: int) -> Problem:
    """Return that a broker refuses a message that was published."""
    what = f"the broker refuses the message on '{topic}': {_reason(code)}"
    hint = _REMEDIES.get(code, _LOOK_IN_LOG)
    return problem_of("mqtt-message-refused", what, hint, short="the broker refuses messages")


def _reason(code: int) -> str:
    """Return a reason code in words: that of an acknowledgement, or of the end of a connection."""
    for kind in (PacketTypes.PUBACK, PacketTypes.DISCONNECT):
        with suppress(KeyError, ValueError):  # paho raises both
            return str(ReasonCode(kind, identifier=code))
    return f"reason code {code}"


def topic_flooded(topic: str, counted: str) -> Problem:
    """Return that far too many messages come on a topic, or on all topics that fit a filter."""
    shown = printable(topic[:MAX_TOPIC_CHARACTERS])
    what = f"too many messages on '{shown}', which is not received for a minute"
    if topic != counted:
        what = (
            f"too many messages on '{counted}', such as on '{shown}'; new senders there are not received for a minute"
        )
    hint = "Only one gateway may publish there: see who does. Do bridges send it in a circle? Look at the access list"
    return problem_of("mqtt-topic-flood", what, hint, short="too many messages on a topic")


def too_old() -> Problem:
    """Return that a broker does not speak MQTT 5."""
    what = "the broker only speaks MQTT 3.1.1, and telegrams need MQTT 5"
    hint = "Use a broker with MQTT 5, such as mosquitto 2"
    return problem_of("mqtt-too-old", what, hint, short="the broker has no MQTT 5")

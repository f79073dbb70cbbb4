"""Problems of a meter whose telegrams come over MQTT, each with the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from gateway.problems.listing import listed
from gateway.problems.problem import Problem, problem_of
from gateway.problems.quoting import cut, quoted
from gateway.protocol.fleet.inbox import Outcome


class Unused(NamedTuple):
    """A message that is not used."""

    outcome: Outcome
    moment: float
    edge: str
    topic: str
    reason: str = ""


def no_broker(places: Iterable[str]) -> Problem:
    """Return that no broker of a meter is connected."""
    what = f"no broker of this meter is connected: {listed(list(places))}"
    return problem_of(
        "mqtt-no-broker", what, "The status of each broker says why", short="no broker of this meter is connected"
    )


def quiet_broker(place: str) -> Problem:
    """Return that no telegrams come over a connected broker."""
    what = f"no telegrams come over {place}: their meters are stale if the other broker fails"
    hint = "Do the gateways at the meters reach this broker, and may this user read the telegrams there?"
    return problem_of("mqtt-broker-quiet", what, hint, short=f"no telegrams over {place}", broker=place)


def edge_offline(edge: str) -> Problem:
    """Return that the gateway at the meter is offline."""
    what = f"{cut(edge)} is offline"
    hint = "Does the gateway at the meter run, and does it reach its brokers?"
    return problem_of("mqtt-edge-offline", what, hint, short=what, edge=cut(edge))


def edge_silent(edge: str, seconds: int) -> Problem:
    """Return that no message comes any more."""
    what = f"no message from {cut(edge)} for {seconds} s"
    hint = f"Look at the meter's status at {cut(edge)}: is the meter offline there?"
    return problem_of(
        "mqtt-edge-silent", f"no message from {cut(edge)}", hint, short=what, edge=cut(edge), seconds=seconds
    )


def no_message(topic: str) -> Problem:
    """Return that no message has come."""
    what = f"no message on {quoted(topic)}"
    hint = "Does a gateway publish a meter of this name, with the same prefix? May this user read the topic?"
    return problem_of("mqtt-no-message", what, hint, short="no message on the topic")


def unused(item: Unused) -> Problem:
    """Return why messages are not used."""
    return _UNUSED[item.outcome](item)


def _only_retained(item: Unused) -> Problem:
    what = f"{quoted(item.topic)} has only a retained message, which may be of any age and is not used"
    hint = f"Does {cut(item.edge)} run, and does its meter send?"
    return problem_of("mqtt-only-retained", what, hint, short="only a retained message, of any age")


def _unknown_age(item: Unused) -> Problem:
    what = f"the messages of {cut(item.edge)} have no tick of this gateway, so their age is not known"
    hint = "Let this gateway write its tick and the other one read it: _tick in the access lists of the brokers"
    return problem_of("mqtt-unknown-age", what, hint, short="age not known: no tick of this gateway comes back")


def forged_ticks(edges: str = "the edges") -> Problem:
    """Return that messages have ticks of this gateway that it did not send."""
    what = f"the messages of {edges} have a tick under the name of this gateway that it did not send"
    hint = "Let no other user write _tick of this gateway, in the access lists of the brokers"
    return problem_of("mqtt-forged-tick", what, hint, short="another sender of this gateway's tick")


def _forged_tick(item: Unused) -> Problem:
    return forged_ticks(cut(item.edge))


def _too_old(item: Unused) -> Problem:
    what = f"the messages of {cut(item.edge)} are more than a minute old when they arrive"
    hint = "Is a broker or the network overloaded? Does something send old messages again?"
    return problem_of("mqtt-too-old-messages", what, hint, short="messages are more than a minute old")


def _repeated(item: Unused) -> Problem:
    what = f"{cut(item.edge)} sends nothing new: each message came before, or is older than one that came"
    hint = "Do two gateways have the same edge name? Does something send old messages again?"
    return problem_of("mqtt-nothing-new", what, hint, short="only messages that came before")


def _bad(item: Unused) -> Problem:
    what = f"the messages of {cut(item.edge)} cannot be used: {item.reason}"
    return problem_of("mqtt-bad-message", what, "Does another program publish there?", short="messages cannot be used")


def _without_envelope(item: Unused) -> Problem:
    what = f"the messages of {cut(item.edge)} have no user properties, and a gateway publishes this meter"
    hint = "Does another program publish there, or a bridge between brokers that does not speak MQTT 5?"
    return problem_of("mqtt-bad-message", what, hint, short="messages cannot be used")


def _other_meter(item: Unused) -> Problem:
    what = f"{cut(item.edge)} publishes another meter under this name; its telegrams are not used"
    hint = (
        "Give each edge and each meter a name of its own. If this is the new meter of an edge that keeps its name, it"
        " is used five minutes after the last telegram of the old one; if the edge is new as well, remove the meter"
        " from the configuration of this gateway, reload, add it again, and reload"
    )
    return problem_of("mqtt-other-meter", what, hint, short="another meter under this name")


def _not_telegrams(item: Unused) -> Problem:
    what = f"the messages on {quoted(item.topic)} are not telegrams"
    hint = "Does another program publish there?"
    return problem_of("mqtt-not-telegrams", what, hint, short="the messages are not telegrams")


_UNUSED: dict[Outcome, Callable[[Unused], Problem]] = {
    Outcome.COPY: _repeated,
    Outcome.OLDER: _repeated,
    Outcome.OTHER_METER: _other_meter,
    Outcome.RETAINED: _only_retained,
    Outcome.BAD_ENVELOPE: _bad,
    Outcome.WITHOUT_ENVELOPE: _without_envelope,
    Outcome.UNKNOWN_AGE: _unknown_age,
    Outcome.FORGED_TICK: _forged_tick,
    Outcome.TOO_OLD: _too_old,
    Outcome.NOT_A_TELEGRAM: _not_telegrams,
}

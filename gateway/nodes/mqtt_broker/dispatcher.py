"""The way of a message to the nodes that subscribe to its topic, and the limit of each subscription.

Who publishes far too much on one topic must not end the connection, over which the other meters come too. So messages
are counted for each subscription, or for each topic that fits it where each has a sender of its own. A subscription
with too many is ended for a while, and the others go on. In place of a filter with too many, the topics that came so
far are subscribed to and counted one by one: so one sender with too many does not silence those that share its filter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from paho.mqtt.matcher import MQTTMatcher as Matcher

from gateway.nodes.mqtt_broker.settings import Subscription
from gateway.transport.mqtt import Message

MUTED_S = 60.0
"""Time for which a topic with too many messages is not subscribed to."""
MAX_KNOWN_TOPICS = 20_000
"""Largest number of topics whose subscriptions are remembered; all are forgotten when there are more."""
MAX_KNOWN_TOPIC_CHARACTERS = 300
"""Longest topic that is remembered: 20,000 of the longest that MQTT allows would take a gigabyte."""
MAX_STAND_INS = 1000
"""Largest number of topics that are subscribed to in place of a filter with too many messages."""

Taker = Callable[[Message], None]
Entry = tuple[str, int, list[Taker], bool]
"""A subscribed topic, its limit, who takes its messages, and whether each topic that fits it is counted."""
Way = tuple[str, str, int, list[Taker]]
"""The way of a topic: the topic that is counted, the subscribed topic, its limit, and who takes its messages."""


class Flood(NamedTuple):
    """Too many messages within a second."""

    topic: str
    """The topic or the topic filter that has them."""
    subscribed: str
    """The topic or topic filter that is subscribed to, which may be the same."""


class Dispatcher:
    """The subscriptions of all nodes, by topic."""

    def __init__(self) -> None:
        self._known: tuple[Subscription, ...] = ()
        self._table: Any = _empty_table()
        self._ways: dict[str, tuple[Way, ...]] = {}
        """The subscriptions that a message fits, by its topic: the table is slow, and a meter keeps its topic."""
        self._counts = Counter[str]()
        self._muted: dict[str, float] = {}
        self._stand_ins: dict[str, tuple[str, ...]] = {}
        """The topics in place of each filter that is left out."""

    def wanted(self, subscriptions: Iterable[Subscription], moment: float) -> dict[str, None]:
        """Return the topics to be subscribed to at `moment`, each once; a new second begins for the limits."""
        self._counts.clear()
        self._muted = {topic: until for topic, until in self._muted.items() if until > moment}
        for subscribed in self._stand_ins.keys() - self._muted.keys():
            del self._stand_ins[subscribed]
            self._fitting(subscribed)
        topics = (topic for each in subscriptions for topic in each.topics)
        found = (one for topic in topics for one in self._stand_ins.get(topic, (topic,)))
        return dict.fromkeys(topic for topic in found if topic not in self._muted)

    def mute(self, flood: Flood, moment: float) -> None:
        """Leave out what has too many messages for a while; the other topics of its filter stay."""
        topic, subscribed = flood
        if subscribed not in self._stand_ins:
            self._stand_ins[subscribed] = ()
            # One without wildcards stands for itself, and is left out.
            self._stand_ins[subscribed] = tuple(self._fitting(subscribed)[:MAX_STAND_INS])
        self._muted[topic] = self._muted[subscribed] = moment + MUTED_S

    def dispatch(self, message: Message, subscriptions: tuple[Subscription, ...]) -> Flood | None:
        """Pass a message to all who subscribe to its topic.

        Return what had too many messages since the last `wanted`, if the limit is reached just now; the message is then
        dropped, as later ones are.
        """
        if self._known is not subscriptions:
            self._match(subscriptions)
        flooded = None
        ways = self._ways.get(message.topic)
        if ways is None:
            ways = self._look_up(message.topic)
        for counted, subscribed, limit, takers in ways:
            count = self._counts[counted] = self._counts[counted] + 1
            if count <= limit:
                for take in takers:
                    take(message)
            elif count == limit + 1:
                flooded = Flood(counted, subscribed)
        return flooded

    def _look_up(self, topic: str) -> tuple[Way, ...]:
        """Return the subscriptions that a topic fits, and remember them for a topic of usual length."""
        entries: Iterable[Entry] = self._table.iter_match(topic)
        ways = tuple(
            (topic if is_each or subscribed in self._stand_ins else subscribed, subscribed, limit, takers)
            for subscribed, limit, takers, is_each in entries
        )
        if len(topic) > MAX_KNOWN_TOPIC_CHARACTERS:
            return ways
        if len(self._ways) >= MAX_KNOWN_TOPICS and topic not in self._ways:
            self._ways.clear()
        self._ways[topic] = ways
        return ways

    def _fitting(self, subscribed: str) -> list[str]:
        """Return the known topics of a subscription, the oldest first; how they are counted is found again."""
        fitting = [topic for topic, ways in self._ways.items() if any(way[1] == subscribed for way in ways)]
        for topic in fitting:
            self._look_up(topic)
        return fitting

    def _match(self, subscriptions: tuple[Subscription, ...]) -> None:
        """Build the table again, after nodes were connected."""
        self._known = subscriptions
        found: dict[str, Entry] = {}
        for each in subscriptions:
            for topic in each.topics:
                entry = found.setdefault(topic, (topic, each.limit_per_s, [], each.counts_each))
                entry[2].append(each.take)
        self._table = _empty_table()
        self._ways.clear()
        for topic, entry in found.items():
            self._table[topic] = entry


def _empty_table() -> Any:
    return Matcher()  # type: ignore[no-untyped-call]

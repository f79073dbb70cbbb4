"""A topic with too many messages is left out for a while, and the others go on."""

from __future__ import annotations

import pytest

from gateway.nodes.mqtt_broker import dispatcher as module
from gateway.nodes.mqtt_broker.dispatcher import MUTED_S, Dispatcher, Flood
from gateway.nodes.mqtt_broker.settings import Subscription
from gateway.transport.mqtt import Message


def test_a_message_reaches_all_who_subscribe_to_its_topic() -> None:
    one: list[Message] = []
    two: list[Message] = []
    subscriptions = Subscription(["p/+/a/telegram", "p/+/b/telegram"], one.append), Subscription(["p/#"], two.append)
    dispatcher = Dispatcher()
    assert list(dispatcher.wanted(subscriptions, 0.0)) == ["p/+/a/telegram", "p/+/b/telegram", "p/#"]
    for topic in ("p/x/a/telegram", "p/y/b/telegram", "p/x/c/telegram", "q/x/a/telegram"):
        dispatcher.dispatch(Message(topic, b""), subscriptions)
    assert [len(one), len(two)] == [2, 3]
    # After a reload, nobody gets messages who is not connected any more.
    dispatcher.dispatch(Message("p/x/a/telegram", b""), subscriptions[1:])
    assert [len(one), len(two)] == [2, 4]


def test_a_flooded_topic_is_named_once_and_comes_back_after_a_while() -> None:
    taken: list[Message] = []
    subscriptions = (Subscription(["a", "b"], taken.append, 5),)
    dispatcher = Dispatcher()
    dispatcher.wanted(subscriptions, 0.0)
    found = [dispatcher.dispatch(Message("a", b""), subscriptions) for _ in range(20)]
    assert [each for each in found if each] == [Flood("a", "a")]
    assert len(taken) == 5
    dispatcher.mute(Flood("a", "a"), 0.0)
    assert dispatcher.dispatch(Message("b", b""), subscriptions) is None
    assert len(taken) == 6
    assert list(dispatcher.wanted(subscriptions, MUTED_S / 2)) == ["b"]
    assert list(dispatcher.wanted(subscriptions, MUTED_S)) == ["a", "b"]


def test_a_sender_with_too_many_messages_does_not_silence_those_who_share_its_filter() -> None:
    taken: list[Message] = []
    subscriptions = (Subscription(["p/+/a", "p/+/b"], taken.append, 5),)
    dispatcher = Dispatcher()

    def send(topic: str, count: int) -> list[Flood]:
        return [found for _ in range(count) if (found := dispatcher.dispatch(Message(topic, b""), subscriptions))]

    send("p/true/a", 1)
    dispatcher.wanted(subscriptions, 1.0)
    for second in (1.0, MUTED_S + 2):  # also if the flood goes on after the minute
        (first,) = send("p/flood/a", 100)
        assert first == Flood("p/+/a", "p/+/a")
        dispatcher.mute(first, second)
        (then,) = send("p/flood/a", 100)
        assert then == Flood("p/flood/a", "p/+/a")
        dispatcher.mute(then, second)
        taken.clear()
        assert not send("p/true/a", 5), "it is counted alone"
        assert [message.topic for message in taken] == ["p/true/a"] * 5
        assert list(dispatcher.wanted(subscriptions, second + 1)) == ["p/true/a", "p/+/b"]
        assert list(dispatcher.wanted(subscriptions, second + MUTED_S)) == ["p/+/a", "p/+/b"]


def test_made_up_senders_do_not_silence_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STAND_INS", 3)
    subscriptions = (Subscription(["p/+/a"], lambda _message: None, 5),)
    dispatcher = Dispatcher()
    dispatcher.dispatch(Message("p/true/a", b""), subscriptions)
    found = [dispatcher.dispatch(Message(f"p/{number}/a", b""), subscriptions) for number in range(20)]
    (flood,) = [each for each in found if each]
    dispatcher.mute(flood, 0.0)
    assert list(dispatcher.wanted(subscriptions, 1.0)) == ["p/true/a", "p/0/a", "p/1/a"]


def test_each_sender_of_a_topic_filter_may_have_a_limit_of_its_own() -> None:
    taken: list[Message] = []
    subscriptions = (Subscription(["p/+/status"], taken.append, 5, counts_each=True),)
    dispatcher = Dispatcher()
    assert not any(dispatcher.dispatch(Message(f"p/{each}/status", b""), subscriptions) for each in [*range(1000)] * 5)
    found = [dispatcher.dispatch(Message("p/flood/status", b""), subscriptions) for _ in range(10)]
    (flood,) = [each for each in found if each]
    assert flood == Flood("p/flood/status", "p/+/status")
    assert len(taken) == 5005
    dispatcher.mute(flood, 0.0)
    assert list(dispatcher.wanted(subscriptions, 1.0)) == [f"p/{each}/status" for each in range(1000)]


def test_a_steady_flow_below_the_limit_is_never_a_flood() -> None:
    taken: list[Message] = []
    subscriptions = (Subscription(["a"], taken.append, 5),)
    dispatcher = Dispatcher()
    for second in range(10):
        dispatcher.wanted(subscriptions, float(second))
        assert not any(dispatcher.dispatch(Message("a", b""), subscriptions) for _ in range(5))
    assert len(taken) == 50


def test_the_number_of_topics_that_are_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN_TOPICS", 10)
    taken: list[Message] = []
    subscriptions = (Subscription(["p/+/a"], taken.append, 1000),)
    dispatcher = Dispatcher()
    for number in range(100):
        for topic in (f"p/{number}/a", f"p/{number}/b"):
            dispatcher.dispatch(Message(topic, b""), subscriptions)
        assert len(dispatcher._ways) <= 10
    assert len(taken) == 100


def test_long_topics_are_not_remembered() -> None:
    taken: list[Message] = []
    subscriptions = (Subscription(["p/+/a"], taken.append, 1000),)
    dispatcher = Dispatcher()
    for topic in ("p/site/a", f"p/{1000 * 'x'}/a"):
        dispatcher.dispatch(Message(topic, b""), subscriptions)
    assert len(taken) == 2
    assert list(dispatcher._ways) == ["p/site/a"]

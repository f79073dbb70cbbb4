"""The newest message of each topic waits, and one of each is under way."""

from __future__ import annotations

from gateway.nodes.mqtt_broker.outbox import ACKNOWLEDGED_WITHIN_S, Fate, Make, Outbox
from gateway.transport.mqtt import Message


def message(topic: str, text: str) -> Make:
    return lambda: Message(topic, text.encode())


def sent(outbox: Outbox) -> list[bytes]:
    """Send all that is ready."""
    return [found.payload for found in iter(outbox.next, None)]


def test_only_the_newest_message_of_a_topic_waits() -> None:
    outbox = Outbox()
    for number in range(5):
        outbox.offer("a", message("a", f"a{number}"))
    assert len(outbox) == 1
    assert sent(outbox) == [b"a4"]
    assert outbox.fates == {Fate.REPLACED: 4}


def test_one_message_of_a_topic_is_under_way_and_the_newest_behind_it_follows() -> None:
    outbox = Outbox()
    outbox.offer("a", message("a", "a0"))
    assert sent(outbox) == [b"a0"]
    for number in (1, 2, 3):
        outbox.offer("a", message("a", f"a{number}"))
    outbox.offer("b", message("b", "b0"))
    assert sent(outbox) == [b"b0"], "another topic does not wait for it"
    outbox.settle("a", Fate.PUBLISHED)
    assert sent(outbox) == [b"a3"]
    assert outbox.fates == {Fate.REPLACED: 2, Fate.PUBLISHED: 1}


def test_a_topic_keeps_its_turn_when_its_message_is_replaced() -> None:
    outbox = Outbox()
    for topic in ("a", "b", "a"):
        outbox.offer(topic, message(topic, topic))
    assert sent(outbox) == [b"a", b"b"]


def test_what_waits_survives_a_lost_connection_and_what_was_under_way_does_not() -> None:
    outbox = Outbox()
    for topic in ("a", "b"):
        outbox.offer(topic, message(topic, f"{topic}0"))
    assert sent(outbox) == [b"a0", b"b0"]
    outbox.offer("a", message("a", "a1"))
    for topic in ("a", "b"):
        outbox.settle(topic, Fate.LOST)
    assert sent(outbox) == [b"a1"]
    assert outbox.fates == {Fate.LOST: 2}


def test_a_message_that_is_of_no_use_any_more_is_not_sent() -> None:
    outbox = Outbox()
    outbox.offer("a", lambda: None)
    outbox.offer("b", message("b", "b0"))
    assert sent(outbox) == [b"b0"]
    assert outbox.fates == {Fate.EXPIRED: 1}
    outbox.offer("a", message("a", "a1"))
    assert sent(outbox) == [b"a1"]


def test_a_broker_is_stuck_that_acknowledges_nothing_while_messages_are_under_way() -> None:
    outbox = Outbox()
    assert not outbox.is_stuck(1000.0), "nothing is under way"
    outbox.offer("a", lambda: Message("a", b"1"))
    outbox.offer("b", lambda: Message("b", b"1"))
    outbox.next()
    outbox.next()
    assert not outbox.is_stuck(1000.0 + ACKNOWLEDGED_WITHIN_S)
    assert outbox.is_stuck(1001.0 + ACKNOWLEDGED_WITHIN_S)
    outbox.settle("a", Fate.PUBLISHED)
    assert not outbox.is_stuck(1002.0 + ACKNOWLEDGED_WITHIN_S), "a broker that is slow is not stuck"
    outbox.settle("b", Fate.LOST)
    outbox.is_stuck(1003.0)
    assert not outbox.is_stuck(2000.0), "nothing is under way"


def test_a_broker_has_the_whole_time_from_the_moment_of_its_connection() -> None:
    outbox = Outbox()
    for begun in (1000.0, 5000.0):
        outbox.begin(begun)
        outbox.offer("a", message("a", "birth"))
        outbox.next()
        assert not outbox.is_stuck(begun + ACKNOWLEDGED_WITHIN_S), "the first look may come at any moment"
        assert outbox.is_stuck(begun + ACKNOWLEDGED_WITHIN_S + 1.0)
        outbox.settle("a", Fate.PUBLISHED)
        outbox.is_stuck(begun + 20.0)

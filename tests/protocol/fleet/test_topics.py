"""Names become topics and come back, whatever they hold, and no topic of another kind is taken for one of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.fleet import topics
from gateway.protocol.fleet.topics import StatusTopic, TelegramTopic, TickTopic

PREFIX = "dsmr/v1"
EDGES = st.from_regex(r"[A-Za-z0-9.@:-][A-Za-z0-9._@:-]{0,63}", fullmatch=True)
NAMES = st.text(min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        ("dsmr/v1/site-12/flat1/telegram", TelegramTopic("site-12", "flat1")),
        ("dsmr/v1/site-12/flat%2F1/telegram", TelegramTopic("site-12", "flat/1")),
        ("dsmr/v1/site-12/status", StatusTopic("site-12")),
        ("dsmr/v1/_tick/serving-1", TickTopic("serving-1")),
        ("dsmr/v1/site-12/flat/1/telegram", None),
        ("dsmr/v1/_tick/flat1/telegram", None),
        ("dsmr/v1/_tick/status", TickTopic("status")),
        ("dsmr/v1/site-12//telegram", None),
        ("dsmr/v1/site-12/flat%2f1/telegram", None),
        ("dsmr/v1/site-12/flat%FF/telegram", None),
        ("dsmr/v1/site 12/flat1/telegram", None),
        ("dsmr/v10/site-12/status", None),
        ("dsmr/v1", None),
        ("", None),
    ],
)
def test_a_topic_is_taken_apart(topic: str, parts: object) -> None:
    assert topics.parse(PREFIX, topic) == parts


@pytest.mark.parametrize(
    "name", ["flat 1", "Straße 5", "a_b", "5", "+", "#", "%41", "a/b", "\0", "$SYS", "\udcff", "🏠"]
)
def test_a_meter_may_have_any_name(name: str) -> None:
    topic = topics.telegram_topic(PREFIX, "site-12", name)
    assert topics.parse(PREFIX, topic) == TelegramTopic("site-12", name)
    assert topics.telegram_filter(PREFIX, name) == topic.replace("site-12", "+")
    assert not set("+#\0$") & set(topic)


@given(EDGES, NAMES)
def test_topics_are_read_as_they_were_written(edge: str, name: str) -> None:
    level = topics.level_of(name)
    assert not set("/+#\0") & set(level)
    assert topics.name_of(level) == name
    assert topics.parse(PREFIX, topics.telegram_topic(PREFIX, edge, name)) == TelegramTopic(edge, name)
    assert topics.parse(PREFIX, topics.status_topic(PREFIX, edge)) == StatusTopic(edge)
    assert topics.parse(PREFIX, topics.tick_topic(PREFIX, edge)) == TickTopic(edge)


@given(st.text(max_size=80))
def test_two_levels_never_stand_for_one_name(level: str) -> None:
    name = topics.name_of(level)
    assert name is None or topics.level_of(name) == level


@given(st.lists(st.sampled_from(["dsmr", "v1", "_tick", "telegram", "status", "a", "+", "#", "%", ""]), max_size=7))
def test_any_topic_is_parts_that_make_it_again_or_none(levels: list[str]) -> None:
    topic = "/".join(levels)
    match topics.parse(PREFIX, topic):
        case TelegramTopic(edge, meter):
            assert topics.telegram_topic(PREFIX, edge, meter) == topic
        case StatusTopic(edge):
            assert topics.status_topic(PREFIX, edge) == topic
        case TickTopic(gateway):
            assert topics.tick_topic(PREFIX, gateway) == topic


@pytest.mark.parametrize(
    ("prefix", "is_valid"),
    [
        *(("dsmr/v1", True), ("a", True), ("", False), ("/a", False), ("a//b", False), ("a/+", False)),
        *(("$share/a", False), ("a" * topics.MAX_PREFIX_CHARACTERS, True)),
        ("a" * (topics.MAX_PREFIX_CHARACTERS + 1), False),
    ],
)
def test_a_prefix_has_levels_without_wildcards(prefix: str, is_valid: bool) -> None:
    assert topics.is_valid_prefix(prefix) is is_valid


@pytest.mark.parametrize("name", ["", "_tick", "a/b", "a b", "+", "é", "x" * 65, "a\n"])
def test_a_name_that_is_not_a_user_name_is_not_an_id(name: str) -> None:
    assert not topics.is_valid_id(name)
    assert topics.parse(PREFIX, f"{PREFIX}/{name}/status") in (None, TickTopic("status"))


def test_the_subscriptions_are_those_of_the_topics() -> None:
    assert topics.status_filter(PREFIX) == "dsmr/v1/+/status"
    assert topics.tick_filter(PREFIX) == "dsmr/v1/_tick/+"


def test_the_level_of_a_meter_has_a_longest_length() -> None:
    longest = "m" * topics.MAX_LEVEL_CHARACTERS
    assert topics.parse(PREFIX, f"{PREFIX}/site-12/{longest}/telegram") == TelegramTopic("site-12", longest)
    assert topics.parse(PREFIX, f"{PREFIX}/site-12/{longest}m/telegram") is None

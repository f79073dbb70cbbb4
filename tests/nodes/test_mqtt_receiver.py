"""The receiver passes each message to its meter, publishes its tick, and says why a meter has no telegrams."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest

from gateway.nodes import dsmr_parser
from gateway.nodes.dsmr_parser import DsmrParser
from gateway.nodes.mqtt_receiver import MqttMeter, MqttReceiver, ReceiverSettings, Recipient, problems
from gateway.nodes.mqtt_receiver import node as receiver_node
from gateway.nodes.mqtt_receiver.meter import FIRST_WITHIN_S
from gateway.nodes.mqtt_receiver.node import FORGED_SHOWN_S
from gateway.protocol.fleet.envelope import Envelope, encode
from gateway.protocol.fleet.inbox import Outcome
from gateway.protocol.fleet.presence import EdgeStatus, encode_status
from gateway.protocol.fleet.ticks import Tick, decode_tick
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.flow import Node
from gateway.transport.mqtt import Message
from tests.conftest import own_telegram
from tests.protocol.p1.stream import later, resealed
from tests.waiting import running

FIRST = own_telegram("v50_sagemcom-t210d")
EASTERN = own_telegram("lt_eso")
UNCHECKED = own_telegram("v22_iskra-mt382")
START_S = 1000.0
LIMIT_S = 5.0
PLACES = ("a:1883", "b:1883")


class Link:
    """A broker that keeps what is published."""

    def __init__(self, place: str) -> None:
        self.place, self.is_connected, self.ping_moment = place, True, float("-inf")
        self.published: list[Message] = []

    def publish(self, message: Message) -> bool:
        self.published.append(message)
        return self.is_connected


class Fleet:
    """A receiver with one meter and two brokers, at moments of the test's choice."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moment = START_S
        for module in (receiver_node, dsmr_parser):
            monkeypatch.setattr(module, "now", lambda: self.moment)
        monkeypatch.setattr(DsmrParser, "_serve", lambda _parser: None)
        self.state = MeterState("flat 1/2", None)
        self.meter = MqttMeter("flat 1/2/mqtt", self.state)
        self.parser = DsmrParser("flat 1/2/parser", self.state, 1.0)
        self.meter.line_bytes.connect(self.parser, self.parser)
        self.meter.ends.connect(self.parser, self.parser.end_telegram)
        self.receiver = MqttReceiver(ReceiverSettings("dsmr/v1", "serving"))
        self.receiver.meters.connect(self.meter, Recipient("flat 1/2", self.meter))
        self.links = [Link(place) for place in PLACES]
        self.receiver.use(self.links)
        self.takers = [self.receiver.taker(link) for link in self.links]
        self.seq = 0

    def tick(self) -> Tick:
        """Let the receiver publish a tick, and return it as an edge sees it."""
        self.receiver._tick()
        message = self.links[0].published[-1]
        tick = decode_tick("serving", message.payload)
        assert tick
        return tick

    def message(self, *ticks: Tick, edge: str = "site", payload: bytes | None = None, **more: object) -> Message:
        """Return the next message of an edge."""
        self.seq += 1
        payload = later(FIRST, self.moment - START_S) if payload is None else payload
        envelope = encode(Envelope(edge, 1, self.seq, 0.0, 0.0, True, ticks))
        return Message(f"dsmr/v1/{edge}/flat 1%2F2/telegram", payload, properties=envelope, **more)  # type: ignore[arg-type]

    def look(self, seconds: float = 0.0) -> str:
        """Let time pass, and return the status of the meter."""
        self.moment += seconds
        for _ in range(receiver_node.PARTS):
            self.receiver._look(self.moment)
        return self.meter.status.text


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(monkeypatch)


def test_a_broker_that_a_reload_replaces_or_removes_says_nothing_any_more(fleet: Fleet) -> None:
    def status(*, is_online: bool) -> Message:
        return Message("dsmr/v1/site/status", encode_status(EdgeStatus(is_online, 1)), is_retained=True)

    for replaced in (Link(PLACES[0]), None):
        fleet.takers[0](status(is_online=True))
        fleet.takers[1](status(is_online=False))
        assert not fleet.receiver.presence.is_offline("site")
        fleet.receiver.use([*([replaced] if replaced else []), fleet.links[1]])
        assert fleet.receiver.presence.is_offline("site")


def test_an_edge_whose_telegrams_come_in_is_connected_also_if_its_clock_was_set_back(fleet: Fleet) -> None:
    def status(boot: int, *, is_online: bool) -> Message:
        return Message("dsmr/v1/site/status", encode_status(EdgeStatus(is_online, boot)), is_retained=True)

    def send() -> None:
        fleet.takers[0](fleet.message(fleet.tick()))

    send()
    fleet.takers[0](status(200, is_online=False))
    fleet.look()
    assert not fleet.state.is_connected
    # Without a state_dir the clock numbers the starts.
    fleet.takers[0](status(100, is_online=True))
    fleet.moment += 1.0
    send()
    fleet.look()
    assert fleet.state.is_connected
    assert fleet.look(60.0) == "site is offline"
    assert not fleet.state.is_connected


def test_a_status_below_a_name_that_no_edge_can_have_is_not_kept(fleet: Fleet) -> None:
    fleet.takers[0](Message("dsmr/v1/" + 65 * "x" + "/status", encode_status(EdgeStatus(is_online=False, boot=1))))
    assert not fleet.receiver.presence.is_offline(65 * "x")
    assert fleet.receiver.not_ours == 1


def test_a_meter_has_its_topic_at_its_brokers(fleet: Fleet) -> None:
    assert fleet.meter.topic == "dsmr/v1/+/flat 1%2F2/telegram"
    assert set(fleet.meter.places) == set(PLACES)
    assert fleet.receiver.topics_at("a:1883") == ["dsmr/v1/+/status", fleet.meter.topic]
    assert fleet.receiver.topics_at("c:1883") == ["dsmr/v1/+/status"]


def test_the_first_of_two_copies_is_used_and_its_age_counts_from_the_tick(fleet: Fleet) -> None:
    tick = fleet.tick()
    fleet.moment += 0.6
    message = fleet.message(tick)
    for take in fleet.takers:
        take(message)
    assert fleet.state.accepted == 1
    fleet.moment += 1.0
    fleet.takers[0](fleet.message(tick))
    assert fleet.state.serving.served is not None
    assert fleet.state.serving.served.measured == START_S
    assert fleet.state.serving.served.arrived == START_S + 1.6
    assert fleet.receiver.details() == {
        "meters": 1,
        "meters_online": 0,
        "messages_used": 2,
        "messages_copied": 1,
        "messages_unused": 0,
    }


def test_the_tick_goes_to_all_brokers_each_second_and_at_once_to_one_that_is_connected_again(fleet: Fleet) -> None:
    for turn in range(25):
        fleet.receiver._look(fleet.moment + turn / 10)
    assert [len(link.published) for link in fleet.links] == [3, 3]
    assert fleet.links[0].published[0].topic == "dsmr/v1/_tick/serving"
    assert not fleet.links[0].published[0].is_retained
    fleet.receiver.note_state("a:1883", is_connected=True)
    assert len(fleet.links[0].published) == 4


def test_a_broker_over_which_no_telegrams_come_is_reported_before_the_other_one_fails(fleet: Fleet) -> None:
    def send(*indices: int) -> str:
        message = fleet.message(fleet.tick())
        for index in indices:
            fleet.takers[index](message)
        fleet.look(1.0)
        return fleet.receiver.status.text

    for _ in range(3):
        assert send(0, 1)
    assert send(0, 1) == "1 of 1 meters online"
    texts = [send(0) for _ in range(int(receiver_node.QUIET_S) + 3)]
    assert texts[: int(receiver_node.QUIET_S)] == ["1 of 1 meters online"] * int(receiver_node.QUIET_S)
    assert texts[-1] == "no telegrams over b:1883"
    assert send(0, 1) == "1 of 1 meters online"
    # A meter that pauses is quiet at both, and the first telegram after the pause comes over one of them first.
    fleet.look(2 * receiver_node.QUIET_S)
    assert send(0) == "1 of 1 meters online"
    assert send(0, 1) == "1 of 1 meters online"
    # A broker that is connected again has its time.
    fleet.links[1].is_connected = False
    send(0)
    fleet.links[1].is_connected = True
    assert send(0) == "1 of 1 meters online"


def test_a_telegram_without_checksum_ends_with_its_message(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.moment += 10.0
        fleet.takers[0](fleet.message(fleet.tick(), payload=UNCHECKED))
        assert not fleet.parser._reader.pending
    assert fleet.state.accepted
    fleet.takers[0](fleet.message(fleet.tick(), payload=FIRST[:200]))
    assert fleet.state.refused.total() >= 1
    assert not fleet.parser._reader.pending


class Case(NamedTuple):
    """Messages that are not used, and the status they lead to."""

    messages: Callable[[Fleet], Iterable[Message]]
    status: str
    code: str


CASES = {
    "nothing": Case(lambda _: (), "no message on the topic", "mqtt-no-message"),
    "retained": Case(
        lambda fleet: [fleet.message(fleet.tick(), is_retained=True)],
        "only a retained message, of any age",
        "mqtt-only-retained",
    ),
    "no tick": Case(
        lambda fleet: [fleet.message()], "age not known: no tick of this gateway comes back", "mqtt-unknown-age"
    ),
    "another run": Case(
        lambda fleet: [fleet.message(fleet.tick()._replace(boot=7))],
        "age not known: no tick of this gateway comes back",
        "mqtt-unknown-age",
    ),
    "forged tick": Case(
        lambda fleet: [fleet.message((tick := fleet.tick())._replace(number=tick.number + 1))],
        "another sender of this gateway's tick",
        "mqtt-forged-tick",
    ),
    "another name": Case(
        lambda fleet: [fleet.message(fleet.tick())._replace(topic="dsmr/v1/other/flat 1%2F2/telegram")],
        "messages cannot be used",
        "mqtt-bad-message",
    ),
    "garbage": Case(
        lambda fleet: [fleet.message(fleet.tick(), payload=b"\x00\xff" * 999)],
        "the messages are not telegrams",
        "mqtt-not-telegrams",
    ),
    "before a ping": Case(
        lambda fleet: [fleet.message()._replace(properties=())],
        "age not known: no tick of this gateway comes back",
        "mqtt-unknown-age",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_meter_without_telegrams_says_why(fleet: Fleet, name: str) -> None:
    case = CASES[name]
    for message in case.messages(fleet):
        fleet.takers[0](message)
    assert fleet.state.newest is None
    assert fleet.look(FIRST_WITHIN_S) != case.status
    assert fleet.look(1.0) == case.status
    assert fleet.meter.status.label.code == case.code
    assert fleet.meter.status.is_failure


def test_a_forged_tick_beside_a_true_one_is_reported_and_the_readings_stay_fresh(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    true = fleet.tick()
    fleet.takers[0](fleet.message(true, true._replace(number=true.number + 2**50)))
    assert fleet.state.newest is not None
    fleet.look()
    assert fleet.receiver.status.text == "another sender of this gateway's tick"
    assert "have a tick under the name of this gateway that it did not send" in caplog.text
    fleet.look(FORGED_SHOWN_S + 1)
    assert fleet.receiver.status.text == "0 of 1 meters online"


def test_telegrams_of_another_meter_than_the_configured_one_are_not_called_copies(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.state.identifiers = frozenset({"E0047000073608137"})
    for _ in range(15):
        fleet.moment += 1.0
        message = fleet.message(fleet.tick())
        for take in fleet.takers:
            take(message)
    assert fleet.state.newest is None
    assert fleet.look() == "telegrams refused"
    assert "they are from another meter than the configured one. Check the address of the source" in caplog.text
    assert "sends nothing new" not in caplog.text
    fleet.state.identifiers = frozenset()
    for _ in range(3):
        fleet.moment += 1.0
        fleet.takers[0](fleet.message(fleet.tick()))
    assert "refused" not in fleet.look()


def test_old_messages_say_that_nothing_new_comes_and_a_minute_old_ones_that_they_are_old(fleet: Fleet) -> None:
    tick = fleet.tick()
    message = fleet.message(tick)
    fleet.takers[0](message)
    fleet.moment += LIMIT_S + 1
    fleet.takers[0](message)
    assert fleet.look() == "only messages that came before"
    for _ in range(70):
        fleet.moment += 1.0
        fleet.tick()
    fleet.takers[0](fleet.message(tick))
    assert fleet.look() == "messages are more than a minute old"


def test_the_copy_of_a_second_broker_is_no_reason_for_missing_telegrams(fleet: Fleet) -> None:
    message = fleet.message(fleet.tick())
    for take in fleet.takers:
        take(message)
        fleet.moment += 1.0
    assert fleet.look(LIMIT_S) == "no message from site for 7 s"
    assert fleet.meter.details()["last_trouble"] == str(problems.edge_silent("site", 7))


def test_a_meter_counts_as_online_from_its_first_telegram(fleet: Fleet) -> None:
    fleet.look()
    assert fleet.receiver.details()["meters_online"] == 0
    assert fleet.receiver.status.text == "0 of 1 meters online"
    fleet.takers[0](fleet.message(fleet.tick()))
    fleet.look()
    assert fleet.receiver.details()["meters_online"] == 1


def test_an_edge_is_offline_when_both_brokers_say_so(fleet: Fleet) -> None:
    fleet.takers[0](fleet.message(fleet.tick()))
    online, offline = (encode_status(EdgeStatus(is_online, 1)) for is_online in (True, False))
    fleet.takers[0](Message("dsmr/v1/site/status", online))
    fleet.takers[1](Message("dsmr/v1/site/status", offline, is_retained=True))
    assert fleet.look(LIMIT_S + 1) == "no message from site for 6 s"
    assert fleet.state.is_connected
    fleet.takers[0](Message("dsmr/v1/site/status", offline))
    assert fleet.look() == "site is offline"
    assert not fleet.state.is_connected
    fleet.receiver.note_state("a:1883", is_connected=False)
    assert fleet.look() == "site is offline"
    for link in fleet.links:
        link.is_connected = False
    assert fleet.look() == "no broker of this meter is connected"
    assert fleet.receiver.status.text == "no broker is connected"


def test_another_meter_under_this_name_is_never_used_and_is_reported(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.takers[0](fleet.message(fleet.tick()))
    fleet.moment += 1.0
    other = resealed(later(FIRST, 5.0).replace(b"/Ene5", b"/XXX5"))
    assert other != later(FIRST, 5.0)
    with caplog.at_level(logging.WARNING):
        fleet.takers[0](fleet.message(fleet.tick(), edge="intruder", payload=other))
    assert fleet.state.accepted == 1
    assert "intruder publishes another meter under this name" in caplog.text
    fleet.takers[0](fleet.message(fleet.tick()))
    assert fleet.look() == "another meter under this name"


def test_a_second_edge_of_the_same_meter_goes_on_where_the_first_one_stops(fleet: Fleet) -> None:
    for edge in ("site", "site2", "site", "site2", "site2", "site2"):
        fleet.moment += 1.0
        fleet.takers[0](fleet.message(fleet.tick(), edge=edge))
    assert fleet.state.accepted == 6
    fleet.moment += 0.5
    message = fleet.message(fleet.tick(), edge="site", payload=later(FIRST, fleet.moment - START_S - 3.0))
    fleet.takers[1](message)
    assert fleet.state.accepted == 7, "it was written later, whatever its clock says"
    assert fleet.meter.details()["edge"] == "site"


def test_a_late_telegram_of_a_second_edge_is_older_also_where_meters_keep_the_time_of_eastern_europe(
    fleet: Fleet,
) -> None:
    fleet.takers[0](fleet.message(fleet.tick(), payload=EASTERN))
    tick = fleet.tick()
    fleet.moment += 10.0
    fleet.takers[0](fleet.message(tick, payload=later(EASTERN, 10.0)))
    fleet.takers[0](fleet.message(tick, edge="site2", payload=later(EASTERN, 5.0)))
    assert fleet.meter.inbox.outcomes == {Outcome.USED: 2, Outcome.OLDER: 1}
    fleet.takers[0](fleet.message(tick, edge="site2", payload=later(EASTERN, 11.0)))
    assert fleet.meter.inbox.outcomes[Outcome.USED] == 3


def test_messages_of_other_topics_are_counted_and_dropped(fleet: Fleet) -> None:
    for topic in ("dsmr/v1/site/flat9/telegram", "dsmr/v1/site/status", "dsmr/v1", "x"):
        fleet.takers[0](Message(topic, b"x"))
    assert fleet.receiver.details()["messages_unused"] == 4


async def test_a_meter_that_ends_is_not_connected(fleet: Fleet) -> None:
    nodes: list[Node] = [fleet.receiver, fleet.meter]
    async with running(*nodes):
        assert fleet.look() == "no telegram yet"
        assert fleet.state.is_connected
    assert not fleet.state.is_connected

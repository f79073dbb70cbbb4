"""An edge is offline if all brokers that know it say so, and not because of one of its earlier starts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.fleet.presence import EdgeStatus, Presence, decode_status, encode_status


@given(st.booleans(), st.integers(0, 2**63 - 1))
def test_a_status_is_read_as_it_was_written(is_online: bool, boot: int) -> None:
    status = EdgeStatus(is_online, boot)
    assert decode_status(encode_status(status)) == status


def test_a_status_is_written_as_documented() -> None:
    assert encode_status(EdgeStatus(False, 17)) == b'{"state": "offline", "boot": 17}'


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"online", b"[]", b"{}", b'{"state": "online"}', b'{"state": "on", "boot": 1}', b"[" * 150),
        *(
            b'{"state": "online", "boot": true}',
            b'{"state": "online", "boot": -1}',
            b'{"state": "online", "boot": 1.5}',
        ),
        *(b"\xff\xfe", b'{"state": "online", "boot": 1}' + b" " * 300),
    ],
)
def test_another_message_is_not_a_status(payload: bytes) -> None:
    assert decode_status(payload) is None


@given(st.binary(max_size=250))
def test_any_bytes_are_a_status_or_none(payload: bytes) -> None:
    status = decode_status(payload)
    assert status is None or decode_status(encode_status(status)) == status


def test_an_edge_is_offline_when_all_brokers_that_know_it_say_so() -> None:
    presence = Presence()
    assert not presence.is_offline("e")
    presence.note("a", "e", EdgeStatus(is_online=False, boot=3))
    assert presence.is_offline("e")
    presence.note("b", "e", EdgeStatus(is_online=True, boot=3))
    assert not presence.is_offline("e")
    assert presence.is_online("e")
    presence.note("b", "e", EdgeStatus(is_online=False, boot=3))
    assert presence.is_offline("e")
    assert not presence.is_offline("other")
    assert not presence.is_online("other")


def test_the_end_of_an_earlier_start_is_not_accepted() -> None:
    presence = Presence()
    presence.note("a", "e", EdgeStatus(is_online=True, boot=4))
    presence.note("a", "e", EdgeStatus(is_online=False, boot=3))
    assert not presence.is_offline("e")
    presence.note("b", "e", EdgeStatus(is_online=False, boot=3))
    assert not presence.is_offline("e")


def test_a_broker_that_is_gone_says_nothing() -> None:
    presence = Presence()
    presence.note("a", "e", EdgeStatus(is_online=True, boot=4))
    presence.note("b", "e", EdgeStatus(is_online=False, boot=4))
    presence.forget("a")
    assert presence.is_offline("e")
    presence.forget("b")
    assert not presence.is_offline("e")


def test_the_number_of_edges_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.protocol.fleet.presence.MAX_EDGES", 3)
    presence = Presence()
    for number in range(10):
        presence.note("a", f"e{number}", EdgeStatus(is_online=False, boot=1))
    assert [presence.is_offline(f"e{number}") for number in (2, 3)] == [True, False]
    presence.note("a", "e2", EdgeStatus(is_online=True, boot=1))
    assert not presence.is_offline("e2")

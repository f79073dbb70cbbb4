"""A port over telnet, both ends: each setting is confirmed or refused, and nothing that is sent confuses an end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.com_port import COM_PORT, CONTROL, ComPortReader, ComPortServer
from gateway.protocol.p1.variants import FAST_LINE, SLOW_LINE, SerialSettings
from gateway.protocol.telnet import DO, DONT, WILL, WONT, Negotiation, Subnegotiation, TelnetStream

BREAK = 5


def commands(stream: bytes) -> list[Negotiation | Subnegotiation]:
    found = TelnetStream().feed(stream) if stream else []
    assert all(not isinstance(item, bytes) for item in found)
    return [item for item in found if not isinstance(item, bytes)]


def sub(*content: int) -> Subnegotiation:
    return Subnegotiation(COM_PORT, bytes(content))


def talk(reader: ComPortReader, server: ComPortServer) -> int:
    """Let the two ends talk until both are silent; return the number of commands."""
    count, to_server, to_reader = 0, commands(reader.begin()), commands(server.begin())
    while to_server or to_reader:
        count += len(to_server) + len(to_reader)
        assert count < 200, "the ends repeat themselves to each other"
        sent_by_server = [each for item in to_server for each in commands(server.take(item))]
        sent_by_reader = [each for item in to_reader for each in commands(reader.take(item))]
        to_server, to_reader = sent_by_reader, sent_by_server
    return count


def server(port: SerialSettings = FAST_LINE) -> ComPortServer:
    return ComPortServer(lambda: port, "gateway")


def agreed() -> ComPortServer:
    """Return a port whose reader has accepted the option."""
    port = server()
    port.take(Negotiation(WILL, COM_PORT))
    return port


@pytest.mark.parametrize("port", [FAST_LINE, SLOW_LINE, SerialSettings(300, 7, "O", 2)])
def test_a_port_with_the_settings_that_the_reader_wants_confirms_them(port: SerialSettings) -> None:
    reader = ComPortReader(port)
    talk(reader, server(port))
    assert reader.is_accepted
    assert reader.is_done
    assert (reader.refused, reader.unconfirmed) == ({}, [])


def test_settings_that_are_not_those_of_the_port_are_refused_with_those_in_force() -> None:
    reader = ComPortReader(SLOW_LINE)
    talk(reader, server(SerialSettings(115200, 8, "O", 2)))
    assert reader.is_done
    assert reader.refused == {"baudrate": "115200", "bytesize": "8", "parity": "O", "stopbits": "2"}


def test_a_reader_sets_a_port_only_when_it_may_and_only_once() -> None:
    reader = ComPortReader(FAST_LINE)
    assert Negotiation(WILL, COM_PORT) in commands(reader.begin())
    assert not any(isinstance(each, Subnegotiation) for each in commands(reader.take(Negotiation(DO, 0))))
    sent = commands(reader.take(Negotiation(DO, COM_PORT)))
    assert sent[:4] == [sub(1, 0, 1, 194, 0), sub(2, 8), sub(3, 1), sub(4, 1)]
    assert [each.content for each in sent[4:] if isinstance(each, Subnegotiation)] == [
        bytes([CONTROL, 1]),
        bytes([CONTROL, 8]),
        bytes([CONTROL, 11]),
        b"\x0a\0",
        b"\x0b\0",
        b"\x0c\1",
    ]
    assert reader.take(Negotiation(DO, COM_PORT)) == b""
    assert not reader.is_done
    assert reader.unconfirmed == ["baudrate", "bytesize", "parity", "stopbits"]


def test_a_reader_that_is_refused_is_done() -> None:
    reader = ComPortReader(FAST_LINE)
    reader.begin()
    assert reader.is_accepted is None
    reader.take(Negotiation(DONT, COM_PORT))
    assert reader.is_accepted is False
    assert reader.is_done


def test_a_reader_takes_the_last_confirmation_and_no_incomplete_one() -> None:
    reader = ComPortReader(FAST_LINE)
    reader.begin()
    reader.take(Negotiation(DO, COM_PORT))
    for content in ((101, 0, 1, 194), (101,), (), (200, 1), (1, 0, 1, 194, 0), (107, 0xFF), (103, 99), (0,)):
        assert reader.take(sub(*content)) == b""
    assert reader.refused == {"parity": "?"}
    assert reader.unconfirmed == ["baudrate", "bytesize", "stopbits"]
    reader.take(sub(103, 1))
    assert reader.refused == {}
    assert reader.take(Subnegotiation(24, b"\1")) == b""


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ((0,), (100, *b"gateway")),
        ((0, *b"pyserial"), None),
        ((1, 0, 0, 0, 0), (101, 0, 1, 194, 0)),
        ((1, 0, 0, 37, 128), (101, 0, 1, 194, 0)),
        ((1, 0), None),
        ((2, 0), (102, 8)),
        ((2, 7), (102, 8)),
        ((3, 3), (103, 1)),
        ((4, 2), (104, 1)),
        ((5, 0), (105, 1)),
        ((5, 2), (105, 2)),
        ((5, 4), (105, 6)),
        ((5, 7), (105, 8)),
        ((5, 9), (105, 9)),
        ((5, 12), (105, 12)),
        ((5, 13), (105, 14)),
        ((5, 99), None),
        ((5,), None),
        ((6,), (106, 0)),
        ((7,), (107, 0xB0)),
        ((8,), None),
        ((9,), None),
        ((10, 255), (110, 255)),
        ((11, 255), (111, 255)),
        ((12, 3), (112, 3)),
        ((12, 9), None),
        ((77, 1), None),
        ((), None),
    ],
)
def test_a_port_responds_to_each_command(content: tuple[int, ...], response: tuple[int, ...] | None) -> None:
    assert commands(agreed().take(sub(*content))) == ([sub(*response)] if response else [])


def test_a_state_that_a_reader_sets_is_reported_to_it_and_no_other() -> None:
    first, second = agreed(), agreed()
    first.take(sub(CONTROL, 2))
    first.take(sub(CONTROL, BREAK))
    assert commands(first.take(sub(CONTROL, 0))) == [sub(105, 2)]
    assert commands(first.take(sub(CONTROL, 4))) == [sub(105, BREAK)]
    assert commands(second.take(sub(CONTROL, 0))) == [sub(105, 1)]


@pytest.mark.parametrize("first", [Negotiation(WILL, COM_PORT), Negotiation(DO, COM_PORT), sub(8)])
def test_control_lines_are_reported_once_to_a_reader_that_uses_the_option(
    first: Negotiation | Subnegotiation,
) -> None:
    port = server()
    port.begin()
    assert commands(port.take(first)) == [sub(107, 0xB0)]
    assert port.take(first) == b""
    assert port.take(Subnegotiation(24, b"\1")) == b""


def test_only_those_control_lines_are_reported_that_the_reader_asks_for() -> None:
    assert commands(server().take(sub(11, 0x20))) == [sub(111, 0x20), sub(107, 0x20)]


def test_a_reader_that_refuses_the_option_is_not_told_of_control_lines() -> None:
    port = server()
    port.begin()
    assert port.take(Negotiation(DONT, COM_PORT)) == b""
    assert port.take(Negotiation(WONT, COM_PORT)) == b""


@settings(max_examples=200)
@given(st.binary(max_size=400))
def test_both_ends_stay_silent_or_answer_shortly_whatever_comes(stream: bytes) -> None:
    for end in (ComPortReader(FAST_LINE), server()):
        end.begin()
        for item in TelnetStream().feed(stream):
            if not isinstance(item, bytes):
                assert len(end.take(item)) < 200

"""A meter that encrypts its telegrams is read with its keys; the status names whatever prevents it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from gateway.lines.tcp import TcpLine
from gateway.nodes import decryption
from gateway.nodes.decryption import LOG_TEXTS, Decryption, read_counters
from gateway.nodes.dsmr_parser import DsmrParser
from gateway.nodes.p1_port import Lines, P1Port
from gateway.problems.problem import ProblemError
from gateway.protocol.p1.decryption import Fault
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import now
from gateway.runtime.status import Colour
from tests.ciphering import AUTHENTICATION_KEY, KEY, LUXEMBOURG, OTHER_KEY, TITLE, encrypted, telegram_at
from tests.nodes.p1_bench import Ser2net, ser2net
from tests.waiting import running, until


class Bench:
    """A decryption with the parser behind it."""

    def __init__(self, folder: Path, key: bytes = KEY, authentication_key: bytes | None = None) -> None:
        self.key_file = folder / "key"
        self.key_file.write_text(key.hex())
        authentication_key_file = None
        if authentication_key:
            authentication_key_file = folder / "authentication-key"
            authentication_key_file.write_text(authentication_key.hex(" ").upper() + "\n")
        self.meter = MeterState("meter", None)
        self.parser = DsmrParser("parser", self.meter, gap_s=1.0)
        self.counters = folder / "state" / "counters"
        self.node = Decryption("decryption", self.key_file, authentication_key_file, self.counters)
        self.node.line_bytes.connect(self.parser, self.parser)

    def feed(self, *frames: bytes) -> str:
        """Feed frames; return the status after them."""
        for frame in frames:
            self.node.receive(frame, now())
        return self.node.status.label.code


async def test_telegrams_are_decrypted_and_reach_the_parser(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with running(bench.node):
        assert bench.node.status.label.code == "no-telegram-yet"
        assert bench.feed(encrypted(LUXEMBOURG)) == "telegrams-decrypted"
    assert bench.meter.newest is not None
    assert bench.meter.newest.telegram.raw == LUXEMBOURG


async def test_with_an_authentication_key_tags_are_verified(tmp_path: Path) -> None:
    bench = Bench(tmp_path, authentication_key=AUTHENTICATION_KEY)
    async with running(bench.node):
        assert bench.feed(encrypted(telegram_at(1), 1)) == "telegrams-verified"
        assert bench.feed(encrypted(telegram_at(2), 2, authentication_key=OTHER_KEY)) == Fault.DAMAGED
        assert bench.feed(encrypted(telegram_at(2), 2)) == "telegrams-verified"
    assert bench.meter.accepted == 2


async def test_each_fault_has_a_status_and_a_line_in_the_log_and_the_next_telegram_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    damaged = bytearray(encrypted(telegram_at(3), 3))
    damaged[100] ^= 1
    faulty = {
        Fault.REPEATED: encrypted(telegram_at(5), 5),
        Fault.COUNTER_FELL: encrypted(telegram_at(4), 4),
        Fault.DAMAGED: bytes(damaged),
        Fault.NOT_ENCRYPTED: LUXEMBOURG,
    }
    async with running(bench.node):
        bench.feed(encrypted(telegram_at(5), 5))
        for number, (fault, data) in enumerate(faulty.items()):
            with caplog.at_level(logging.WARNING):
                assert bench.feed(data) == fault
            assert LOG_TEXTS[fault] in caplog.text
            assert bench.feed(encrypted(telegram_at(10 + number), 10 + number)) == "telegrams-decrypted"
        assert bench.meter.accepted == 1 + len(faulty)
    for fault in faulty:
        assert bench.node.details()[f"telegrams_not_decrypted ({fault})"] == 1


async def test_a_wrong_key_is_red_until_a_reload_brings_the_right_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, OTHER_KEY)
    async with running(bench.node):
        assert bench.feed(encrypted(telegram_at(1), 1)) == Fault.WRONG_KEY
        assert bench.node.status.colour is Colour.RED
        bench.node.renew_keys({tmp_path / "of-another-meter": 16 * b"\1"})
        assert bench.feed(encrypted(telegram_at(2), 2)) == Fault.WRONG_KEY
        bench.node.renew_keys({bench.key_file: KEY})
        assert bench.feed(encrypted(telegram_at(2), 2)) == "telegrams-decrypted"
    assert bench.meter.accepted == 1


async def test_half_a_telegram_is_not_completed_over_the_next_connection(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    frame = encrypted(LUXEMBOURG)
    async with running(bench.node):
        bench.feed(frame[:200])
        bench.node.line_lost()
        bench.feed(frame[200:])
        assert bench.meter.newest is None
        bench.feed(frame)
    assert bench.meter.accepted == 1


SECRET = KEY.hex()


@pytest.mark.parametrize(
    "content", [SECRET[:-1], SECRET + "0", "0x" + SECRET[2:], SECRET[:-1] + "g", "", "\xff\xfe" + SECRET, SECRET + "#"]
)
async def test_a_file_that_is_no_key_is_refused_without_quoting_it(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    bench.key_file.write_text(content)
    with pytest.raises(ProblemError) as caught:
        await bench.node.run()
    assert caught.value.problem.code == "not-a-key"
    assert bench.node.status.is_failure
    shown = f"{caught.value!r} {caught.value.problem!r} {bench.node.status} {caplog.text}".lower()
    assert SECRET[8:24] not in shown


async def test_a_missing_key_is_a_failure_and_bytes_meanwhile_go_nowhere(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.key_file.unlink()
    with pytest.raises(ProblemError):
        await bench.node.run()
    assert bench.feed(encrypted(LUXEMBOURG)) == "key-file-unusable"
    assert bench.meter.newest is None


def test_every_fault_has_a_text_for_the_log() -> None:
    assert LOG_TEXTS.keys() == set(Fault)


async def test_nothing_shows_the_keys(tmp_path: Path) -> None:
    bench = Bench(tmp_path, authentication_key=AUTHENTICATION_KEY)
    async with running(bench.node):
        bench.feed(encrypted(LUXEMBOURG))
        shown = f"{bench.node!r} {bench.node.details()} {vars(bench.node)['_reader']!r} {bench.node._reader._cipher!r}"  # type: ignore[union-attr]
    assert SECRET not in shown.lower()
    assert AUTHENTICATION_KEY.hex() not in shown.lower()


def counters_in(folder: Path) -> dict[bytes, int]:
    return read_counters(folder / "state" / "counters", [KEY])


async def test_the_counters_survive_a_restart_and_belong_to_their_key(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    for counter, status in ((5, "telegrams-decrypted"), (5, Fault.REPEATED), (6, "telegrams-decrypted")):
        bench = Bench(tmp_path)
        async with running(bench.node):
            assert bench.feed(encrypted(telegram_at(counter), counter)) == status
    assert counters_in(tmp_path) == {TITLE: 6}
    bench = Bench(tmp_path, OTHER_KEY)
    async with running(bench.node):
        assert bench.feed(encrypted(telegram_at(1), 1, key=OTHER_KEY)) == "telegrams-decrypted"
    assert counters_in(tmp_path) == {}
    assert KEY.hex() not in bench.counters.read_text()


async def test_the_counters_are_written_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decryption, "SAVE_EVERY_S", 0.01)
    (tmp_path / "state").mkdir()
    bench = Bench(tmp_path)
    async with running(bench.node):
        for counter in (1, 2):
            bench.feed(encrypted(telegram_at(counter), counter))
            await until(lambda n=counter: counters_in(tmp_path) == {TITLE: n}, "the file")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"counters": 1}', b'{"counters": {"x": 1}, "keys": ""}', b"\xff" * 5000]
)
async def test_a_file_of_counters_that_cannot_be_used_is_reported_and_costs_no_telegram(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").mkdir()
    bench = Bench(tmp_path)
    bench.counters.write_bytes(content)
    async with running(bench.node):
        assert bench.feed(encrypted(LUXEMBOURG)) == "telegrams-decrypted"
    assert "the invocation counters of before the start are not known" in caplog.text
    assert counters_in(tmp_path) == {TITLE: 1}


async def test_a_folder_that_is_not_there_is_reported_and_costs_no_telegram(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    async with running(bench.node):
        assert bench.feed(encrypted(LUXEMBOURG)) == "telegrams-decrypted"
    assert "the invocation counters cannot be written" in caplog.text


async def port_of(bench: Bench, served: Ser2net) -> tuple[P1Port, asyncio.Task[None]]:
    """Return a P1 port that is connected and feeds the decryption, and the task that reads it."""
    lines: Lines = [("p1.local:2001", TcpLine("127.0.0.1", served.port))]
    port = P1Port("port", bench.meter, lines, 30, is_decrypted=True)
    port.line_bytes.connect(bench.node, bench.node)
    reading = asyncio.create_task(port.run())
    await until(lambda: served.clients, "the connection")
    return port, reading


async def test_the_port_stays_open_while_nothing_is_decrypted_and_is_green_once_a_telegram_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, OTHER_KEY)
    async with ser2net() as served, running(bench.node):
        port, reading = await port_of(bench, served)
        served.send(encrypted(telegram_at(1), 1))
        await until(lambda: port.status.label.code == "line-encrypted", "the first telegram")
        bench.node.renew_keys({bench.key_file: KEY})
        served.send(encrypted(telegram_at(2), 2))
        await until(lambda: bench.meter.accepted, "a telegram that is decrypted")
        await until(lambda: port.status.colour is Colour.GREEN, "the status of the port")
        assert served.accepted == 1
        reading.cancel()
        await asyncio.wait([reading])


async def test_a_line_that_closes_without_a_decrypted_telegram_points_to_the_decryption(tmp_path: Path) -> None:
    bench = Bench(tmp_path, OTHER_KEY)
    async with ser2net() as served, running(bench.node):
        port, reading = await port_of(bench, served)
        served.send(encrypted(LUXEMBOURG))
        await until(lambda: bench.node.status.label.code == Fault.WRONG_KEY, "the telegram")
        served.refuse()
        await until(lambda: "none can be decrypted" in str(port.details()["last_trouble"]), "the trouble")
        reading.cancel()
        await asyncio.wait([reading])

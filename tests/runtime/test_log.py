"""The log never holds up whoever writes to it, and no text can steer the terminal that shows it."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies

from gateway.runtime.log import MAX_LINE_CHARACTERS, CleanFormatter, JsonFormatter, QueuedHandler, clean


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe that holds 4 KiB."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def record(text: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("gateway", logging.INFO, "", 0, text, arguments, None)


def handler(descriptor: int, capacity: int = 1000) -> QueuedHandler:
    made = QueuedHandler(descriptor, capacity)
    made.setFormatter(CleanFormatter("%(message)s"))
    return made


def test_lines_come_out_in_order(pipe: tuple[int, int]) -> None:
    log = handler(pipe[1])
    for number in range(50):
        log.emit(record("line %d", number))
    log.flush()
    assert os.read(pipe[0], 4096).decode().splitlines() == [f"line {number}" for number in range(50)]


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_loses_counted_lines(pipe: tuple[int, int]) -> None:
    log = handler(pipe[1], capacity=10)
    for number in range(1000):
        log.emit(record("line %d %s", number, "x" * 100))
    assert log.dropped_total >= 900
    # Then somebody reads: what waited comes, then how many lines are missing, then what is logged from now on.
    text = bytearray()
    ended = threading.Event()

    def read() -> None:
        while b"the last" not in text:
            text.extend(os.read(pipe[0], 4096))
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    log.flush()
    log.emit(record("the last"))
    assert ended.wait(5)
    lines = text.decode().splitlines()
    reports = [int(line.split()[0]) for line in lines if line.endswith("dropped because nobody read the log")]
    assert reports, lines[-3:]
    assert sum(reports) == log.dropped_total
    assert sum(line.startswith("line ") for line in lines) == 1000 - log.dropped_total


def test_a_descriptor_that_is_closed_ends_nothing(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    os.close(descriptor)
    log = handler(descriptor)
    log.emit(record("gone"))
    log.flush()


def test_a_line_that_cannot_be_shown_is_escaped(pipe: tuple[int, int]) -> None:
    log = handler(pipe[1])
    log.emit(record("meter %s", "A\x1b[2J\r\n2026-01-01 error forged\x00\u202e"))
    log.flush()
    assert os.read(pipe[0], 4096) == b"meter A\\x1b[2J\\r\\n2026-01-01 error forged\\x00\\u202e\n"


def test_a_traceback_keeps_its_lines(pipe: tuple[int, int]) -> None:
    log = handler(pipe[1])
    try:
        raise ValueError("a\x1bb\nc")
    except ValueError as error:
        trace = (ValueError, error, error.__traceback__)
        entry = logging.LogRecord("gateway", logging.ERROR, "", 0, "failed", (), trace)
    log.emit(entry)
    log.flush()
    lines = os.read(pipe[0], 4096).decode().splitlines()
    assert lines[0] == "failed"
    assert lines[-2:] == ["ValueError: a\\x1bb", "c"]


def test_a_long_line_is_cut(pipe: tuple[int, int]) -> None:
    log = handler(pipe[1])
    log.emit(record("x" * 10_000))
    log.flush()
    assert len(os.read(pipe[0], 4096).decode()) == MAX_LINE_CHARACTERS + 1


@given(strategies.text())
def test_a_clean_text_is_one_line_of_characters_that_show(text: str) -> None:
    assert all(character.isprintable() or not character.isascii() for character in clean(text))
    assert len(clean(text).splitlines()) <= 1
    assert clean(clean(text)) == clean(text)


def test_a_line_of_json_has_its_node_and_one_object_whatever_it_holds() -> None:
    logging.addLevelName(logging.INFO, "info")
    entry = logging.LogRecord("gateway", logging.INFO, "", 0, "node=%s: %s", ("house/port", "a"), None)
    entry.node, entry.text = "house/port", 'a\x1b["\n4530303034303031393837363534333231'
    line = JsonFormatter().format(entry)
    assert line.isascii()
    assert "\n" not in line
    data = json.loads(line)
    assert (data["level"], data["node"]) == ("info", "house/port")
    assert data["message"].startswith('a\\x1b["\\n')
    assert "4530303034303031393837363534333231" not in line


def test_a_line_of_json_has_the_traceback_as_a_list() -> None:
    try:
        raise ValueError("a\x1bb")
    except ValueError as error:
        trace = (ValueError, error, error.__traceback__)
        entry = logging.LogRecord("gateway", logging.ERROR, "", 0, "failed %d", (3,), trace)
    data = json.loads(JsonFormatter().format(entry))
    assert data["message"] == "failed 3"
    assert data["exception"][-1] == "ValueError: a\\x1bb"
    assert "node" not in data

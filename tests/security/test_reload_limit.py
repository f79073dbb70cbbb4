"""A file that never arrives is named in a problem, and keeps neither a start nor a later reload waiting."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import gateway.runtime.threads
import gateway.service.reload
import gateway.service.run
import gateway.transport.timed_reading
from gateway.config import Config, Maps, check_config
from gateway.files.document import FileError
from gateway.files.regular_file import read_regular_file
from gateway.problems.problem import Problem, ProblemError
from gateway.runtime.audit import ACCEPTED, Event, record
from gateway.service.audit_log import AuditLog
from gateway.service.run import EXIT_TEMPORARY, ConfigSource, run_gateway
from gateway.service.timed_load import is_temporary, load_in_time
from gateway.transport.timed_reading import read_in_time
from tests.certificates import make_certificates
from tests.security.rotation_bench import HOUSE, gateway_in
from tests.waiting import until

LIMIT_S = 0.5
MAP = "title: one\nextends: dsmr\n"


@contextmanager
def dead_drive(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[threading.Event]:
    """Let each access to a file of this name wait until the event is set."""
    arrives = threading.Event()
    stat, opened = Path.stat, os.open

    def slow_stat(path: Path, **options: Any) -> os.stat_result:
        if path.name == name:
            arrives.wait()
        return stat(path, **options)

    def slow_open(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name == name:
            arrives.wait()
        return opened(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", slow_stat)
        patch.setattr(os, "open", slow_open)
        try:
            yield arrives
        finally:
            arrives.set()
            wait_for_threads()


def wait_for_threads() -> None:
    """Wait for the threads that were left behind."""
    for thread in gateway.transport.timed_reading._left_behind:
        thread.over.wait()


async def problem_of(read: Callable[..., object], *arguments: object) -> Problem:
    with pytest.raises(ProblemError) as error:
        await read_in_time(read, *arguments, limit_s=LIMIT_S)
    return error.value.problem


async def test_a_file_that_does_not_respond_is_named_and_refused_at_once_until_it_responds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, other = tmp_path / "key", tmp_path / "other"
    file.write_bytes(b"x")
    other.write_bytes(b"y")
    with dead_drive(monkeypatch, "key"):
        problem = await problem_of(read_regular_file, file, 10)
        assert str(problem).startswith(f"{file}: the file does not respond: it was not read within {LIMIT_S} s. Is it")
        with pytest.raises(ProblemError, match="an attempt to read it before this one still waits"):
            read_regular_file(file, 10)
        assert await read_in_time(read_regular_file, other, 10) == b"y"
    assert await read_in_time(read_regular_file, file, 10) == b"x"


async def test_work_that_does_not_wait_for_a_file_has_a_limit_too() -> None:
    over = threading.Event()
    assert (await problem_of(over.wait)).code == "reading-takes-too-long"
    over.set()


async def test_threads_that_wait_are_bounded_and_reading_works_when_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.transport.timed_reading, "MAX_LEFT_BEHIND", 2)
    over = threading.Event()
    for code in ("reading-takes-too-long", "reading-takes-too-long", "reading-still-waits"):
        assert (await problem_of(over.wait)).code == code
    over.set()
    wait_for_threads()
    assert await read_in_time(over.wait)


def refuse_threads(*_: object) -> int:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("start", [refuse_threads, lambda *_: 1], ids=["refused", "ends before its first step"])
async def test_reading_without_memory_for_a_thread_is_refused_and_the_event_loop_goes_on(
    start: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.runtime.threads, "start_new_thread", start)
    monkeypatch.setattr(gateway.transport.timed_reading, "BEGIN_LIMIT_S", 0.01)
    with pytest.raises(FileError) as error:
        await load_in_time(list)
    assert [problem.code for problem in error.value.problems] == ["no-thread"]
    assert is_temporary(error.value)
    monkeypatch.undo()
    assert await load_in_time(list) == []


@pytest.mark.parametrize("raised", [FileError([]), SystemExit(78), ValueError("x")])
def test_what_reading_raises_is_raised(raised: BaseException) -> None:
    def load() -> None:
        raise raised

    async def scenario() -> None:
        with pytest.raises(type(raised)):
            await load_in_time(load)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "name", ["gateway.yaml", "own.yaml", "server.key", "server.pem", "ca.pem", "password", "audit.log"]
)
async def test_a_reload_whose_file_does_not_respond_changes_nothing_and_the_next_one_works(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificates(tmp_path)
    (tmp_path / "password").write_text("correct horse")
    (tmp_path / "own.yaml").write_text(MAP)
    text = HOUSE.replace("ca.pem}}", "ca.pem}, units: {1: {map: own.yaml}}}", 1) + "audit: audit.log\n"
    async with gateway_in(tmp_path, text) as bench:
        log = bench.wiring.audit = AuditLog(bench.path)
        log.take(log.open(bench.load()[0]))
        with dead_drive(monkeypatch, name), monkeypatch.context() as patch:
            patch.setattr(gateway.service.reload, "load_in_time", functools.partial(load_in_time, limit_s=2 * LIMIT_S))
            codes: list[str] = []
            while "file-does-not-respond" not in codes:  # a busy machine may reach the file only later
                assert not await bench.reload()
                codes = [problem.code for problem in bench.wiring.problems]
            assert name in str(bench.wiring.problems[0])
            if name != "gateway.yaml":  # a configuration that does not name the file is read as usual
                bench.path.write_text('meter: {simulate: true}\nmodbus: [{listen: "127.0.0.1:0"}]\n')
                patch.undo()
                assert await bench.reload()
        bench.path.write_text(text)
        assert await bench.reload()
        log.close()


@pytest.mark.parametrize("page", ["", 'status_page: {listen: "127.0.0.1:0"}\n'])
def test_a_start_whose_file_does_not_respond_ends_with_its_name_and_is_repeated(
    tmp_path: Path, page: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"meter: {{simulate: true}}\n{page}")
    monkeypatch.setattr(gateway.service.run, "load_in_time", functools.partial(load_in_time, limit_s=LIMIT_S))

    def load() -> tuple[Config, Maps]:
        return check_config(path, {}).valid()

    with dead_drive(monkeypatch, "gateway.yaml"):
        assert run_gateway(ConfigSource(path, load), path, asyncio.new_event_loop) == EXIT_TEMPORARY
    assert f"configuration: {path}: the file does not respond" in caplog.text


async def test_the_audit_log_goes_on_in_a_file_that_replaces_one_on_a_dead_drive(tmp_path: Path) -> None:
    """The thread of the log changes the file, so that closing the old one keeps nobody waiting."""
    path = tmp_path / "gateway.yaml"
    path.write_text("meter: {simulate: true}\naudit: audit.log\n")
    config, log = check_config(path, {}).config, AuditLog(path)
    log.take(log.open(config))
    (tmp_path / "audit.log").rename(tmp_path / "audit.log.1")
    log.take(log.open(config))
    record(Event.START, ACCEPTED)
    await until(lambda: "event=start" in (tmp_path / "audit.log").read_text(), "the line")
    assert (tmp_path / "audit.log.1").read_text() == ""
    log.close()

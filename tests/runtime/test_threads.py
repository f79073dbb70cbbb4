"""Threads begin before a gateway serves; none keeps anyone waiting that has no memory for its first step."""

from __future__ import annotations

import threading

import pytest

import gateway.runtime.threads
from gateway.runtime.threads import Thread, ready_executor


def test_a_thread_runs_once_and_reports_its_end() -> None:
    seen: list[int] = []
    thread = Thread(lambda: seen.append(threading.get_ident()))
    assert thread.over.wait(60)
    assert thread.begun.is_set()
    assert seen == [thread.ident]


def test_nobody_waits_for_a_thread_that_ends_before_its_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.runtime.threads, "start_new_thread", lambda *_: 1)
    monkeypatch.setattr(gateway.runtime.threads, "BEGIN_LIMIT_S", 0.01)
    with pytest.raises(RuntimeError, match="no thread can be started"):
        Thread(list).wait_until_begun()
    with pytest.raises(RuntimeError):
        ready_executor(1)


def test_an_executor_whose_threads_run_starts_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = ready_executor(2)
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))
    over, results = threading.Event(), []
    waiting = [executor.submit(over.wait) for _ in range(3)]
    over.set()
    results = [each.result(60) for each in waiting]
    executor.shutdown()
    assert results == [True] * 3

"""A reload that does not end is reported, and the next one works."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.config import Config, Maps
from gateway.files.yaml_file import FileError
from gateway.service.timed_load import MAX_LEFT_BEHIND, TimedLoad


class Files:
    """Files that are read at once, or only when `arrived` is set."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.hangs = True

    def load(self) -> tuple[Config, Maps]:
        if self.hangs:
            self.arrived.wait()
        return Config(), {}


def code_of(error: pytest.ExceptionInfo[FileError]) -> str:
    return error.value.problems[0].code


def test_reading_that_does_not_end_is_a_problem_and_the_next_reading_works() -> None:
    files = Files()

    async def scenario() -> None:
        read = TimedLoad(files.load, limit_s=0.05)
        with pytest.raises(FileError) as error:
            await read()
        assert code_of(error) == "reading-takes-too-long"
        files.hangs = False
        patient = TimedLoad(files.load)
        assert await patient() == (Config(), {})
        files.arrived.set()

    asyncio.run(scenario())


def test_threads_that_wait_for_a_file_are_bounded_and_reading_works_when_they_end() -> None:
    files = Files()

    async def scenario() -> None:
        read = TimedLoad(files.load, limit_s=0.02)
        for _ in range(MAX_LEFT_BEHIND):
            with pytest.raises(FileError):
                await read()
        with pytest.raises(FileError) as error:
            await read()
        assert code_of(error) == "reading-still-waits"
        files.arrived.set()
        for thread in [each for each in threading.enumerate() if each.name == "load"]:
            await asyncio.to_thread(thread.join)
        files.arrived.clear()
        with pytest.raises(FileError) as error:
            await read()
        assert code_of(error) == "reading-takes-too-long"
        files.arrived.set()

    asyncio.run(scenario())


@pytest.mark.parametrize("raised", [FileError([]), SystemExit(78), ValueError("x")])
def test_what_reading_raises_is_raised(raised: BaseException) -> None:
    def load() -> tuple[Config, Maps]:
        raise raised

    async def scenario() -> None:
        with pytest.raises(type(raised)):
            await TimedLoad(load)()

    asyncio.run(scenario())

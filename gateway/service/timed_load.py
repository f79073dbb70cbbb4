"""Read the configuration, and all files that it names, within a time limit (`gateway/transport/timed_reading.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gateway.files.document import FileError
from gateway.problems.problem import ProblemError
from gateway.transport.timed_reading import TEMPORARY, read_in_time

LOAD_LIMIT_S = 30.0
"""Longest time in which the configuration and its maps are read; the largest ones take some seconds."""

T = TypeVar("T")


async def load_in_time(read: Callable[..., T], *arguments: Any, limit_s: float = LOAD_LIMIT_S) -> T:
    """Return what a function that reads files returns, and raise what it raises.

    Raises:
        FileError: also where the function takes longer than `limit_s` seconds.

    """
    try:
        return await read_in_time(read, *arguments, limit_s=limit_s)
    except ProblemError as error:
        raise FileError([error.problem]) from None


def is_temporary(error: FileError) -> bool:
    """Return whether all problems may be over when the files are read again, without a change to any of them."""
    return all(problem.code in TEMPORARY for problem in error.problems)

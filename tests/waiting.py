"""Waiting in tests: for a condition, and for nodes that run meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.runtime.flow import Node

LIMIT_S = 60.0
"""Longest time that a test waits for anything in this process."""
LOOK_EVERY_S = 0.002


async def until(condition: Callable[[], object], what: str = "", limit_s: float = LIMIT_S) -> None:
    """Wait until `condition` holds.

    Raises:
        AssertionError: it does not within `limit_s`; the text names `what` was waited for.

    """
    try:
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110 - any condition, not one that has an event
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise AssertionError(f"waited {limit_s:g} s in vain for: {what or 'the condition'}") from None


@asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    """Run nodes, once each of them is ready; an error that ends one before is raised."""
    tasks = [asyncio.create_task(node.run()) for node in nodes]
    try:
        for node, task in zip(nodes, tasks, strict=True):
            await until(lambda n=node, t=task: n.ready.is_set() or t.done(), f"{node.name} to be ready")
            if task.done():
                task.result()
        yield
    finally:
        for task in tasks:
            task.cancel()
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*tasks, return_exceptions=True)

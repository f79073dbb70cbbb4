"""Finds the meters of this machine and of its network: looks, tries what may be tried, and says why not for the rest.

A source that may serve one reader only is never taken from another one: a serial port that a program has open and a TCP
port are left alone until the user asks for them. What the running gateway reads is not read twice: the gateway says
itself what it reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface

from gateway.config.address import split_address
from gateway.config.source import split_source
from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.tools.announcements import Announcements, search
from gateway.tools.candidates import PASSTHROUGH, SERVICES, Candidate, candidates, is_wanted
from gateway.tools.probing import ProbeResult
from gateway.tools.running_gateway import OwnMeter, RunningGateway, ask_running_gateway

MAX_SHOWN = 32
"""Largest number of candidates that are shown and tried."""
TRIES_AT_ONCE = 8
"""Largest number of candidates that are tried at the same time."""

Try = Callable[[str], Awaitable[list[ProbeResult]]]
"""A function that reads a place, as `probe` with its name does."""


@dataclass(frozen=True, slots=True)
class Network:
    """The network to search."""

    interfaces: Callable[[], Sequence[IPv4Interface]]
    """A function that returns the addresses of this machine in the networks to search."""
    search_s: float
    """Time to search in seconds; 0 to leave the network out."""
    has_token: bool = False
    """True where there is a token for a device that needs one."""


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate, with the result of trying it or what the running gateway says about it."""

    candidate: Candidate
    results: Sequence[ProbeResult] = ()
    own: OwnMeter | None = None
    """The meter of the running gateway, for a place that it reads."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search."""

    found: Sequence[Found] = ()
    left_out: int = 0
    """Number of candidates and announcements beyond the limits."""
    network_problem: Problem | None = None
    """Reason why the network was not searched."""


async def find(ports: Sequence[str], network: Network, attempt: Try, limit_s: float) -> SearchResult:
    """Look at serial ports and at the network, and try what was found.

    Args:
        ports: the serial ports to look at.
        network: the network to search.
        attempt: reads a place.
        limit_s: longest time in seconds until a candidate has been tried, with its wait for a turn.

    """
    running = await ask_running_gateway()
    gate, tries = asyncio.Semaphore(TRIES_AT_ONCE), list[asyncio.Task[Found]]()

    def start(chosen: list[Candidate]) -> int:
        """Try candidates; return the number of those that are left out."""
        room = MAX_SHOWN - len(tries)
        tries.extend(
            asyncio.create_task(_try(each, gate, attempt, limit_s), name=f"try {each}") for each in chosen[:room]
        )
        return len(chosen) - len(chosen[:room])

    try:
        # Silent serial ports take longest, so they are tried while the network is searched.
        left_out = start([Candidate("serial port", port) for port in ports if not running.reads_device(port)])
        announced, here, problem = await _search(network)
        known = candidates(announced.devices, here, has_token=network.has_token)
        left_out += announced.left_out + start(list(_not_read(running, known, here)))
        found = await asyncio.gather(*tries)
    finally:
        for each in tries:
            each.cancel()
    return SearchResult([*map(_own, running.meters), *found], left_out, problem)


async def _search(network: Network) -> tuple[Announcements, Sequence[IPv4Interface], Problem | None]:
    """Return what is announced, the networks that were searched, and why the network could not be searched."""
    if not network.search_s:
        return Announcements(), [], None
    try:
        here = network.interfaces()
        return await search(SERVICES, network.search_s, here, is_wanted), here, None
    except ProblemError as error:
        return Announcements(), [], error.problem


async def _try(candidate: Candidate, gate: asyncio.Semaphore, attempt: Try, limit_s: float) -> Found:
    if not candidate.is_tried:
        return Found(candidate)
    try:
        async with asyncio.timeout(limit_s), gate:
            return Found(candidate, await attempt(candidate.place))
    except TimeoutError:
        problem = problem_of("no-result-in-time", f"no result within {limit_s:.0f} s", "Try it alone")
        return Found(candidate, [ProbeResult(candidate.place, problem=problem)])


def _not_read(
    running: RunningGateway, found: Sequence[Candidate], networks: Sequence[IPv4Interface]
) -> Iterator[Candidate]:
    """Yield the candidates that the running gateway does not read; its own passthrough cannot be a source."""
    own = {str(each.ip) for each in networks}
    for candidate in found:
        host, port = _address_of(candidate.place)
        if running.reads(host, port):
            continue
        if candidate.kind.startswith(PASSTHROUGH) and host in own and port in running.passthroughs:
            yield replace(candidate, remark="it belongs to the gateway that is running", is_usable=False)
        else:
            yield candidate


def _address_of(place: str) -> tuple[str, int]:
    """Return host and port of a place on the network; an empty host where it is not known."""
    if "://" in place:
        source = split_source(place)
        return source.host, source.port
    return split_address(place) or ("", 0)


def _own(meter: OwnMeter) -> Found:
    remark = "the gateway that is running reads it"
    return Found(Candidate("running gateway", meter.place, meter.name, remark, is_usable=False), own=meter)

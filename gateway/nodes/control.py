"""Control: reports the running gateway to the command line, over a socket that only its own user can open."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from heapq import merge
from math import inf
from pathlib import Path
from typing import Protocol

from gateway.protocol.modbus.monitor import Exchange, Monitor
from gateway.runtime.clock import now, unix_time
from gateway.runtime.flow import Details, Node
from gateway.runtime.health import Health
from gateway.runtime.status import Colour, Mark
from gateway.transport.control_socket import (
    ANOTHER,
    FOLLOW,
    HEALTH,
    HEALTH_WITH_METERS,
    MAX_RESPONSE_LINE_BYTES,
    ONCE,
    RELOAD,
    REPORT,
    SOURCES,
)
from gateway.transport.listening import lengthen_queue
from gateway.transport.peer import ROOT, peer_of
from gateway.transport.shares import TurnedAway, room_for, turned_away_details
from gateway.transport.turns import Turns

POLL_S = 0.25
MAX_CONNECTIONS = 32
"""Largest number of connections; the process with the most gives one up for another process."""
MAX_VIEWERS = 8
"""Largest number of clients that follow the requests at the same time."""
PAUSE_S = 0.004
"""Pause after each question, in which Modbus clients are served."""
LINES_AT_ONCE = 8
"""Number of lines that are sent without a pause."""
MAX_QUESTION_BYTES = 100
QUESTION_TIMEOUT_S = 5.0
LOOK_AGAIN_S = 5.0
"""Pause before the next look whether another program still listens on the socket."""
ANOTHER_LASTS_S = 3 * LOOK_AGAIN_S
"""Time after its last look after which another gateway has ended."""
OTHER_TIMEOUT_S = 2.0
"""Longest time for the response of a program that listens on the socket already."""
FULL = "too many programs are connected to the socket of the gateway: new connections are refused"
_TWO = (
    "Two gateways of this user run here: process {own} with {configuration}, and process {other}. `kill -HUP` and the "
    "number reloads one of them. To ask each of them, set RUNTIME_DIRECTORY to another folder for one and its commands"
)


class Assess(Protocol):
    """A function that assesses the health of the gateway."""

    def __call__(self, *, counts_meters: bool) -> Health:
        """Return the health, including that of the meters if `counts_meters`."""


class Control(Node):
    """The socket for the command line."""

    kind = "control"

    def __init__(
        self,
        path: Path,
        monitors: Mapping[str, Monitor],
        assess: Assess,
        describe: Callable[[], Mapping[str, object]] = dict,
        advise: Callable[[str, Exchange], str] = lambda _server, _exchange: "",
        problems: Callable[[], Sequence[str]] = tuple,
        sources: Callable[[], Mapping[str, object]] = dict,
        reload: Callable[[], Awaitable[Mapping[str, object]]] | None = None,
    ) -> None:
        """Prepare the socket `path`.

        Args:
            path: the socket.
            monitors: the newest requests, by the name of their server.
            assess: returns the health of the gateway.
            describe: returns the data of a report, without personal data.
            advise: returns the likely mistake in a request to a server; empty if there is none.
            problems: returns the problems of the configuration that keep the gateway from serving.
            sources: returns the places that the gateway reads, so that `probe` leaves them alone.
            reload: reloads the configuration, and returns the result; None where nothing is served.

        """
        super().__init__("control")
        self.configuration = ""
        """File of the configuration; empty without one."""
        self._another = 0, -inf
        """The process of another gateway that wants the socket, and when it asked for it."""
        self._describe, self._advise, self._problems = describe, advise, problems
        self._sources, self._reload = sources, reload
        self._path = path
        self._monitors = monitors
        self._assess = assess
        self._viewers = 0
        self._connected: dict[asyncio.StreamWriter, int] = {}
        """Each connection with the process at its other end."""
        self._turns = Turns(PAUSE_S)
        self.turned_away = Counter[TurnedAway]()
        """Number of connections that were refused, or closed for others, by reason."""

    def details(self) -> Details:
        """Return the connections that were refused or closed."""
        return turned_away_details("connections", self.turned_away)

    async def run(self) -> None:
        """Listen until cancelled."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._wait_for_others()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise OSError(
                f"{self._path} cannot be removed ({error.strerror}): another user or program has made it. Remove it"
            ) from error
        server = await asyncio.start_unix_server(self._serve, self._path, limit=MAX_QUESTION_BYTES, backlog=1)
        lengthen_queue(server.sockets)
        self._path.chmod(0o600)
        self.ready.set()
        self.show(Colour.GREEN, Mark.DOT, "ready")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            self._path.unlink(missing_ok=True)

    async def _wait_for_others(self) -> None:
        """Wait until no other program listens on the socket."""
        while other := await self._other():
            self.show(Colour.YELLOW, Mark.RING, "socket-in-use")
            self.log_seldom(logging.WARNING, f"{other}. This gateway works, but its commands do not reach it")
            self.ready.set()
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _other(self) -> str:
        """Return a text about the program that listens on the socket; empty if there is none."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=MAX_RESPONSE_LINE_BYTES)
        except OSError:
            return ""
        process = peer_of(writer.get_extra_info("socket")).process
        by = f" (process {process})" if process else ""
        try:
            async with asyncio.timeout(OTHER_TIMEOUT_S):
                writer.write(ANOTHER)
                is_gateway = "is_healthy" in json.loads(await reader.readline())
        except (OSError, ValueError, TypeError, TimeoutError):
            is_gateway = False
        finally:
            writer.transport.abort()
        if is_gateway:
            hint = "To run both, set RUNTIME_DIRECTORY to another folder for this one and for its commands"
            return f"another gateway{by} uses {self._path}. {hint}"
        return f"a program{by}, perhaps another gateway that does not respond, listens on {self._path}. Stop it"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = peer_of(writer.get_extra_info("socket"))
        if peer.user not in (ROOT, os.geteuid()) or not self._has_room(peer.process):
            writer.close()
            return
        self._connected[writer] = peer.process
        try:
            async with asyncio.timeout(QUESTION_TIMEOUT_S):
                question = await reader.readline()
                await self._turn(writer)
            if question == ANOTHER:
                self._another = peer.process, now()
            await self._respond(question, reader, writer)
        except (OSError, ValueError, TimeoutError):
            pass  # the client is gone, or sent no question
        finally:
            self._connected.pop(writer, None)
            writer.close()

    async def _turn(self, writer: asyncio.StreamWriter) -> None:
        await self._turns.wait(self._connected.get(writer), lambda: not writer.is_closing())

    def _has_room(self, process: int) -> bool:
        """Return whether there is room for a connection of a process, after another was closed if that is fair."""
        if len(self._connected) < MAX_CONNECTIONS:
            return True
        room = room_for(process, self._connected)
        self.turned_away[TurnedAway.UNFAIR if room.is_owed else TurnedAway.FULL] += 1
        if not room.is_owed:
            self.log_seldom(logging.WARNING, FULL)
            return False
        leaving = room.candidates[0]
        del self._connected[leaving]
        leaving.transport.abort()
        return True

    async def _respond(self, question: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if question in (REPORT, SOURCES):
            data = self._describe() if question == REPORT else self._sources()
            writer.write(json.dumps(data).encode() + b"\n")
            await writer.drain()
        elif question in (FOLLOW, ONCE) and (problems := self._problems()):
            writer.write(json.dumps({"problems": list(problems)}).encode() + b"\n")
        elif question in (FOLLOW, ONCE) and self._viewers < MAX_VIEWERS:
            self._viewers += 1
            try:
                await self._send_requests(reader, writer, is_endless=question == FOLLOW)
            finally:
                self._viewers -= 1
        elif question == RELOAD:
            writer.write(json.dumps(await self._reloaded()).encode() + b"\n")
        elif question in (HEALTH, HEALTH_WITH_METERS, ANOTHER):
            health = self._assess(counts_meters=question == HEALTH_WITH_METERS)
            writer.write(_verdict(health, self.configuration, self._two()))

    async def _reloaded(self) -> Mapping[str, object]:
        """Reload and return the result; do not guess which gateway is meant if there are two."""
        configuration = {"configuration": self.configuration}
        if two := self._two():
            return {"is_applied": False, "changes": [], "problems": [], "two": two} | configuration
        if self._reload is None:
            return {"is_applied": False, "changes": [], "problems": list(self._problems())} | configuration
        return {**await self._reload(), **configuration}

    def _two(self) -> str:
        """Return a text about another gateway that wants the socket too; empty if there is none."""
        process, asked = self._another
        if now() - asked > ANOTHER_LASTS_S:
            return ""
        configuration = self.configuration or "no file"
        return _TWO.format(own=os.getpid(), configuration=configuration, other=process)

    async def _send_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_endless: bool
    ) -> None:
        seen: dict[Monitor, int] = {}
        while not writer.is_closing():
            fresh: list[list[tuple[Exchange, str]]] = []
            noted: dict[Monitor, int] = {}
            for name, monitor in list(self._monitors.items()):
                found = [(exchange, name) for exchange in monitor.since(seen.get(monitor, 0))]
                noted[monitor] = monitor.noted
                fresh.append(found)
                if len(found) > LINES_AT_ONCE:
                    await self._turn(writer)
            seen = noted  # servers come and go with a reload
            advices: dict[Hashable, str] = {}
            for number, (exchange, name) in enumerate(merge(*fresh, key=lambda each: each[0].at), start=1):
                # Clients repeat their requests, and the advice for a repeated request is the same.
                key = name, exchange.unit_id, exchange.request, exchange.response and exchange.response[:2]
                if key not in advices:
                    advices[key] = self._advise(name, exchange)
                    await asyncio.sleep(0)  # Modbus clients do not wait until all are found
                if writer.is_closing():
                    return  # asyncio would log each line that it cannot send
                writer.write(_line(name, exchange, advices[key]))
                if number % LINES_AT_ONCE == 0:
                    await writer.drain()
                    await self._turn(writer)
            await writer.drain()
            if not is_endless or reader.at_eof():
                return
            await asyncio.sleep(POLL_S)


def _verdict(health: Health, configuration: str, two: str) -> bytes:
    data = {
        "is_healthy": health.is_good,
        "reason": health.reason,
        "since": round(unix_time(health.since), 3),
        "note": ". ".join(filter(None, (health.note, two))),
        "configuration": configuration,
    }
    return json.dumps(data).encode() + b"\n"


def _line(server: str, exchange: Exchange, advice: str) -> bytes:
    fields = {
        "time": round(unix_time(exchange.at), 3),
        "server": server,
        "client": exchange.client,
        "unit": exchange.unit_id,
        "request": exchange.request.hex(),
        "answer": exchange.response and exchange.response.hex(),
        "text": str(exchange),
        "advice": advice,
    }
    return json.dumps(fields).encode() + b"\n"

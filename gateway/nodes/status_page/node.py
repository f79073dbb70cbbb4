"""Status page: serves the page and the API.

In: each telegram, accepted or refused. Out: nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from gateway.nodes.status_page.access import Access, StatusPageSettings, read_password
from gateway.nodes.status_page.app import make_app
from gateway.nodes.status_page.channels import Channels
from gateway.nodes.status_page.files import page_files
from gateway.nodes.status_page.memory import Memory
from gateway.nodes.status_page.observation import Gateway
from gateway.nodes.status_page.query import Page
from gateway.nodes.status_page.stream import Stream
from gateway.problems.problem import Place, ProblemError
from gateway.problems.system import file_problem, listening_problem
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import RefusedTelegram
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.status import Colour, Mark, label_of
from gateway.transport.addresses import own_address, place_of
from gateway.transport.descriptors import FEW_DESCRIPTORS
from gateway.transport.http_gate import Gate
from gateway.transport.http_server import PageServer
from gateway.transport.listening import listen_on
from gateway.transport.shares import TurnedAway, turned_away_details
from gateway.transport.timed_reading import read_in_time

TICK_S = 1.0
UNPRIVILEGED_PORT = 8080
REFUSALS = (TurnedAway.FEW_DESCRIPTORS, TurnedAway.FULL)
"""The reasons that are counted as refused connections."""
TEXTS = {
    TurnedAway.FEW_DESCRIPTORS: FEW_DESCRIPTORS,
    TurnedAway.FULL: "too many browsers are connected: new connections are refused",
    TurnedAway.EVICTED: "too many browsers are connected: idle connections are closed for new ones",
    TurnedAway.UNFAIR: "one address has most of the connections to the page: they are closed for other addresses",
}
"""The lines of the log, by the reason why a connection is refused or closed."""


class StatusPage(Node):
    """The page of the whole gateway."""

    kind = "status page"

    def __init__(self, name: str, settings: StatusPageSettings, gateway: Gateway, kept_in: Path | None = None) -> None:
        """Make the page of a gateway; it remembers its history in the folder `kept_in`, if there is one."""
        super().__init__(name)
        self.settings = settings
        self.label = f"status page {settings}"
        self.port = settings.port
        self.turned_away = Counter[TurnedAway]()
        """Number of connections that were refused, or closed for others, by reason."""
        self.gate: Gate | None = None
        self._access: Access | None = None
        self._server: PageServer | None = None
        self._page = Page(gateway)
        self._memory = kept_in and Memory(
            kept_in, self._page.histories, lambda text: self.log_seldom(logging.WARNING, text)
        )
        self._stream = Stream(Channels(self._page))

    def watch(self, meter: MeterState) -> Callable[[Received | RefusedTelegram, float], None]:
        """Return the function that takes each telegram of `meter`, accepted or refused, with its arrival."""
        return self._page.history(meter).note

    def details(self) -> Details:
        """Return the address of the page and the number of viewers."""
        return {
            "listens_on": str(self.settings),
            "viewers": len(self._stream),
            "connections_refused": sum(self.turned_away[reason] for reason in REFUSALS),
            **turned_away_details("connections", self.turned_away),
            "wrong_passwords": self._access.guessing.total if self._access else 0,
        }

    async def run(self) -> None:
        """Serve until cancelled."""
        files, password = await asyncio.to_thread(page_files), await self._read_password()
        where = str(self.settings)
        try:
            listener = await listen_on(self.settings.host, self.settings.port)
        except OSError as error:
            problem = listening_problem(error, where, port=self.settings.port, other_port=UNPRIVILEGED_PORT)
            self.show(Colour.RED, Mark.RING, label_of(problem))
            raise ProblemError(problem, error.errno) from error
        self.port = listener.getsockname()[1]
        self._access = access = Access(self.settings, password, lambda text: self.log_seldom(logging.WARNING, text))
        app = make_app(self._page, self._stream, access, files, self.settings.framed_by)
        self.gate = gate = Gate(access.needs_password, self._note_turned_away)
        self._server = server = PageServer(app, access.is_allowed, gate)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="page server")
        streaming = asyncio.create_task(self._stream.run(), name="page events")
        remembering = asyncio.create_task(self._memory.run(), name="page history") if self._memory else None
        self.ready.set()
        self.log(logging.INFO, f"status page: open {_address(self.settings, self.port)}")
        try:
            while not (serving.done() or streaming.done()):
                self._show()
                self._page.journal.look(now())
                await asyncio.wait([serving, streaming], timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
            for task in (serving, streaming):
                if task.done():
                    task.result()
        finally:
            streaming.cancel()
            if remembering:
                remembering.cancel()
            access.guessing.close()
            self._stream.close()
            server.should_exit = True
            server.cut_off()
            await asyncio.wait([serving])
            listener.close()
            if self._memory:
                await self._memory.end()

    def renew_password(self, password: bytes) -> None:
        """Require the password with this digest, also of the browsers that are connected: they have to ask again."""
        if self._access and self._server:
            self._access.renew_password(password)
            self._server.cut_off()

    async def _read_password(self) -> bytes | None:
        if self.settings.password_file is None:
            return None
        try:
            return await read_in_time(read_password, self.settings.password_file)
        except OSError as error:
            self.show(Colour.RED, Mark.RING, "password-file-unusable")
            raise ProblemError(file_problem(error, Place(str(self.settings.password_file))), error.errno) from error

    def _note_turned_away(self, reason: TurnedAway) -> None:
        self.turned_away[reason] += 1
        if text := TEXTS.get(reason):
            self.log_seldom(logging.WARNING, text)

    def _show(self) -> None:
        count = len(self._stream)
        if count:
            self.show(Colour.GREEN, Mark.DOT, "viewer" if count == 1 else "viewers", count=count)
        else:
            self.show(Colour.GREEN, Mark.RING, "no-viewer")


def _address(settings: StatusPageSettings, port: int) -> str:
    """Return the address that browsers open, and from where they can."""
    if settings.is_local:
        return f"http://{place_of(settings.host, port)} on this machine; other machines need listen and password_file"
    return f"http://{place_of(settings.host or own_address() or 'localhost', port)}"

"""The WebSocket of a HomeWizard device, which rings when there is a new telegram.

The device sends a message with each change of its measurements. The message has no telegram, so its content is not
used: it only says that it is time to request one. A line without a bell works too, with telegrams that are a little
older. So whatever is wrong with the WebSocket is shown, and ends nothing.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING

from gateway.lines.homewizard_identity import Pairing
from gateway.problems.problem import ProblemError, problem_of
from gateway.problems.quoting import quoted
from gateway.runtime.clock import now
from gateway.runtime.flow import Backoff

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse

CONNECT_TIMEOUT_S = 10.0
MAX_MESSAGE_BYTES = 16_384
"""Largest message of the device; its measurements have about 2000 bytes."""
SILENT_S = 30.0
"""Time without a message after which the WebSocket is opened again: it can stay open while its messages stop."""
CONNECTED = "connected"
PAUSE_S = 0.05
"""Time from one message to the next one that is read, however fast they come."""
TRUSTED_S = 15.0
"""Time since the last ring in which the next one is expected: longer than the ten seconds between two telegrams."""
STEADY_S = 60.0
"""Time for which a connection has to last, so that the next one is made soon after it."""


class Bell:
    """A WebSocket that is kept open, and rings."""

    def __init__(self, url: str) -> None:
        """Use the WebSocket at `url`, which begins with `wss://`."""
        self._url = url
        self._rings = asyncio.Event()
        self._last = float("-inf")
        self.state = "not connected"
        """State of the WebSocket for the user: `connected`, or what is wrong."""

    @property
    def is_expected(self) -> bool:
        """Return whether it rings for new telegrams, as far as its last message shows."""
        return now() - self._last < TRUSTED_S

    async def wait(self, seconds: float) -> bool:
        """Return whether it has rung since the last call, after at most `seconds`."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._rings.wait()
        except TimeoutError:
            return False
        self._rings.clear()
        return True

    async def keep_open(self, tls: ssl.SSLContext, pairing: Pairing) -> None:
        """Connect, and connect again with growing pauses, until cancelled."""
        from gateway.lines.http_client import client_problem  # noqa: PLC0415 - only where there is such a line

        backoff = Backoff()
        while True:
            begun = now()
            try:
                await self._listen(tls, pairing)
            except Exception as error:  # whatever it is, telegrams come without a bell
                self.state = str(client_problem(error, CONNECT_TIMEOUT_S, self._url).problem)
            finally:
                self.state = "not connected" if self.state == CONNECTED else self.state
            if now() - begun > STEADY_S:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    async def _listen(self, tls: ssl.SSLContext, pairing: Pairing) -> None:
        """Read messages until the WebSocket ends.

        Raises:
            Exception: the reason for its end.

        """
        from gateway.lines.http_client import WAITING, close_websocket, websocket_session  # noqa: PLC0415

        session = websocket_session(tls)
        socket = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await session.ws_connect(
                    self._url,
                    autoclose=False,
                    autoping=False,
                    max_msg_size=MAX_MESSAGE_BYTES,
                    server_hostname=pairing.name,
                    timeout=WAITING,
                )
            while True:
                await self._take_next(socket, pairing)
                await asyncio.sleep(PAUSE_S)
        finally:
            await close_websocket(session, socket)

    async def _take_next(self, socket: ClientWebSocketResponse[bool], pairing: Pairing) -> None:
        from aiohttp import WSMsgType  # noqa: PLC0415 - only where there is such a line

        try:
            message = await socket.receive(SILENT_S)
        except TimeoutError:
            what = f"no message of the WebSocket within {SILENT_S:.0f} s"
            raise ProblemError(problem_of("websocket-silent", what, short=what, seconds=SILENT_S)) from None
        if message.type is WSMsgType.TEXT:
            await self._respond(socket, pairing, message.data)
        elif message.type is WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type is WSMsgType.ERROR:
            raise message.data
        elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
            raise ProblemError(problem_of("websocket-closed", "the device closed the WebSocket"))

    async def _respond(self, socket: ClientWebSocketResponse[bool], pairing: Pairing, text: str) -> None:
        kind, data = _message_of(text)
        if kind == "authorization_requested":
            await socket.send_str(json.dumps({"type": "authorization", "data": pairing.token}))
        elif kind == "authorized":
            await socket.send_str(json.dumps({"type": "subscribe", "data": "measurement"}))
        elif kind == "measurement":
            self.state, self._last = CONNECTED, now()
            self._rings.set()
        elif kind == "error":
            what = f"the device reports an error over the WebSocket: {quoted(data)}"
            raise ProblemError(problem_of("websocket-error", what, short="error over the WebSocket"))


def _message_of(text: str) -> tuple[object, object]:
    """Return the type of a message and its data; None for what it does not have."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(message, dict):
        return None, None
    data = message.get("data")
    return message.get("type"), data.get("message", data) if isinstance(data, dict) else data

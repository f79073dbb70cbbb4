"""TLS of an HTTP listener: the handshakes of the connections that have been admitted, one at a time and in rotation.

Imported only where there is TLS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from gateway.transport.certificates import Expiry
from gateway.transport.clients import HANDSHAKE_PAUSE_S
from gateway.transport.tls import PreTlsBuffer, ServerTls
from gateway.transport.turns import Turns


class HttpsEntrance:
    """The way from an admitted connection to a secured one."""

    def __init__(self, tls: ServerTls, note_failure: Callable[[str], None]) -> None:
        """Do handshakes with the certificate of `tls`; `note_failure` gets the reason of each that fails."""
        self._tls = tls
        self._note_failure = note_failure
        self._turns = Turns(HANDSHAKE_PAUSE_S)
        self._handshakes: set[asyncio.Task[None]] = set()

    @property
    def expiries(self) -> Sequence[Expiry]:
        """Return when the certificate in use expires."""
        return self._tls.expiries

    def renew(self, tls: ServerTls) -> None:
        """Use `tls` from the next handshake on; connections go on."""
        self._tls = tls

    def enter(
        self,
        connection: asyncio.Protocol | asyncio.BufferedProtocol,
        transport: asyncio.Transport,
        source: str,
        begin: Callable[[asyncio.Transport], None],
    ) -> None:
        """Call `begin` with the secured transport after the handshake; or close, and call `connection_lost`."""
        early = self._tls.hold(transport, connection)
        task = asyncio.get_running_loop().create_task(
            self._handshake(connection, transport, source, begin, early), name="handshake"
        )
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _handshake(
        self,
        connection: asyncio.Protocol | asyncio.BufferedProtocol,
        transport: asyncio.Transport,
        source: str,
        begin: Callable[[asyncio.Transport], None],
        early: PreTlsBuffer,
    ) -> None:
        secured: asyncio.Transport | None = None
        try:
            secured = await self._tls.start(transport, connection, early, partial(self._turns.wait, source))
        except OSError as error:
            self._note_failure(getattr(error, "reason", None) or error.strerror or "the client went away")
            # Its traceback holds asyncio's frames with the buffers of the handshake, 256 KiB, in a reference cycle.
            error.__traceback__ = None
        finally:
            if secured is None:
                transport.abort()
                # asyncio does not report a connection that is lost during its handshake.
                connection.connection_lost(None)
        if secured is not None:
            begin(secured)

    def close(self) -> None:
        """Give up all handshakes."""
        self._turns.close()
        for task in self._handshakes:
            task.cancel()

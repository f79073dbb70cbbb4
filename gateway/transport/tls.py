"""TLS for listeners: the gateway's certificate, and the authority that must have signed a client's certificate.

Imported only where there is TLS.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.files.regular_file import accessing
from gateway.transport.certificates import expiries_of, is_signed_by
from gateway.transport.secret_file import read_secret
from gateway.transport.timed_reading import read_in_time

HANDSHAKE_TIMEOUT_S = 10.0
MEANWHILE = "the connection ended meanwhile"
TOO_SLOW = f"the client took longer than {HANDSHAKE_TIMEOUT_S:g} s"
RECORD_HEADER_BYTES = 5
"""Size of the header of a TLS record: its type, two bytes of version, and two of length (RFC 8446, 5.1)."""
HANDSHAKE_RECORD = 22
MAX_RECORD_BYTES = 16_384
MAX_SESSIONS = 100
"""Number of sessions that are kept for clients to resume. Each takes up to 11 kB."""

Turn = Callable[[Callable[[], bool]], Awaitable[None]]
"""A function that waits for the turn of a client, and skips it if its argument returns False then."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The PEM files of a listener."""

    certificate: Path
    key: Path
    client_ca: Path | None
    """The authority that signs the clients' certificates; without it any client may connect."""


class _Handshake(ssl.SSLObject):
    """A handshake that sends the alert with the reason of a refusal (R-44), which asyncio drops when it closes."""

    outgoing: ssl.MemoryBIO
    transport: asyncio.Transport

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError:
            self.transport.write(self.outgoing.read())
            raise


def _no_password() -> bytes:
    """Return an empty password instead of a question at the terminal, which would block the whole gateway."""
    return b""


class PreTlsBuffer(asyncio.Protocol):
    """A buffer for the bytes that come before the handshake begins: at least the first record, the client's hello.

    What costs time is the response to it. So the hello waits here, whole, for the turn of its client.
    """

    def __init__(self, client: asyncio.BaseProtocol, transport: asyncio.Transport) -> None:
        self._client = client
        self._transport = transport
        self.data = b""
        self.is_ready = asyncio.Event()
        """Set once the hello has come, or the connection is lost."""

    def data_received(self, data: bytes) -> None:
        """Keep the bytes, and read no more once the hello has come."""
        self.data += data
        if self._has_hello():
            self._transport.pause_reading()
            self.is_ready.set()

    def _has_hello(self) -> bool:
        """Return whether the first record is complete, or cannot be one."""
        if self.data[0] != HANDSHAKE_RECORD:
            return True
        length = int.from_bytes(self.data[3:RECORD_HEADER_BYTES], "big")
        is_known = len(self.data) >= RECORD_HEADER_BYTES
        return is_known and (length > MAX_RECORD_BYTES or len(self.data) >= RECORD_HEADER_BYTES + length)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the client that its connection is lost."""
        self.is_ready.set()
        self._client.connection_lost(exc)


class _OneHandshake(ssl.SSLContext):
    """A stand-in for the server's context at the beginning of a handshake, which knows the connection that it is for.

    Making one costs as much as the handshake, so it goes back to `free` for the next handshake once it has been used.
    """

    shared: ssl.SSLContext
    free: list[_OneHandshake]
    transport: asyncio.Transport | None
    early: PreTlsBuffer | None

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *arguments: Any, **options: Any) -> Any:
        handshake: Any = self.shared.wrap_bio(incoming, outgoing, *arguments, **options)
        transport, self.transport = self.transport, None
        early, self.early = self.early, None
        assert transport
        assert early
        handshake.outgoing, handshake.transport = outgoing, transport
        incoming.write(early.data)
        self.free.append(self)
        return handshake


class ServerTls:
    """The TLS side of a listener, 1.2 or newer (Modbus/TCP Security, R-01)."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files; clients must show a certificate where there is a `client_ca` (R-08).

        Raises:
            OSError: a file cannot be read or does not fit (ssl.SSLError is one).

        """
        own = [read_secret(path) for path in (files.certificate, files.key)]  # ssl itself would wait for a pipe
        self.files = files
        self.authorities = read_secret(files.client_ca) if files.client_ca else b""
        """The content of the file of authorities; empty where clients need no certificate."""
        self.digest = sha256(b"\0".join((*own, self.authorities))).digest()
        """The hash of the content of all files."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.sslobject_class = _Handshake
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        with accessing(files.key):  # another file may have taken its place since
            self.context.load_cert_chain(files.certificate, files.key, _no_password)
        if files.client_ca:
            with accessing(files.client_ca):
                self.context.load_verify_locations(files.client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self._free: list[_OneHandshake] = []
        self._max_sessions = MAX_SESSIONS
        self.expiries = expiries_of(files)
        """The end of validity of each file."""

    @property
    def sessions(self) -> int:
        """Return the number of sessions that are kept: those of clients with TLS 1.2 that know no session tickets."""
        return self.context.session_stats()["number"]

    def trusts(self, certificate: bytes) -> bool:
        """Return whether a client with this certificate (DER) may stay; its handshake was with other authorities."""
        return not self.authorities or is_signed_by(certificate, self.authorities)

    def subject_of(self, transport: asyncio.Transport) -> str:
        """Return the subject in the certificate of a client, such as `commonName=plc`."""
        certificate = transport.get_extra_info("ssl_object").getpeercert() or {}
        return ", ".join(f"{name}={value}" for part in certificate.get("subject", ()) for name, value in part)

    def hold(self, transport: asyncio.Transport, client: asyncio.BaseProtocol) -> PreTlsBuffer:
        """Let a new connection wait for `start`."""
        early = PreTlsBuffer(client, transport)
        transport.set_protocol(early)
        return early

    async def start(
        self, transport: asyncio.Transport, client: asyncio.BaseProtocol, early: PreTlsBuffer, turn: Turn
    ) -> asyncio.Transport:
        """Do the handshake with a client whose connection is on hold, in its turn.

        Raises:
            OSError: the handshake fails or takes too long.

        """
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await early.is_ready.wait()
        except TimeoutError:
            raise ConnectionAbortedError(errno.ECONNABORTED, TOO_SLOW) from None
        await turn(lambda: not transport.is_closing())
        if transport.is_closing():  # the handshake would not notice that the connection is closed
            raise ConnectionAbortedError(errno.ECONNABORTED, MEANWHILE)
        if self.sessions >= self._max_sessions:
            await self._drop_sessions()
        context = self._free.pop() if self._free else _OneHandshake(ssl.PROTOCOL_TLS_SERVER)
        context.shared, context.free, context.transport, context.early = self.context, self._free, transport, early
        secured = await asyncio.get_running_loop().start_tls(
            transport, client, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S
        )
        if secured is None or transport.is_closing():
            raise ConnectionAbortedError(errno.ECONNABORTED, MEANWHILE)
        return secured

    async def _drop_sessions(self) -> None:
        """Go on with another context; Python has no other way to empty the cache of one, which OpenSSL fills for hours.

        If the files cannot be used now, or are others than before, the next attempt is after as many sessions again.
        """
        self._max_sessions *= 2
        with suppress(OSError):
            another = await read_in_time(ServerTls, self.files)
            if another.digest == self.digest:  # others are used after a reload
                self.context, self._max_sessions = another.context, MAX_SESSIONS

"""Push listener: takes telegrams that other programs post, as dsmr-reader's remote datalogger does.

Out: the telegram of each post, to the line of the meter whose token it has. The line gives it the moment of its
arrival, as to the bytes of a serial port; whether it is new is decided where all telegrams are.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from gateway.problems.problem import Place, ProblemError, problem_of
from gateway.problems.system import file_problem, listening_problem
from gateway.protocol.p1.telegram import MAX_TELEGRAM_BYTES, RefusedTelegram, TelegramReader
from gateway.runtime.audit import ACCEPTED, REFUSED, Event, strangers
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.log import LineBudget
from gateway.runtime.output import Output
from gateway.runtime.status import Colour, Mark, label_of
from gateway.transport.addresses import Address, Network, name_peer, place_of, source_of
from gateway.transport.guessing import Guessing
from gateway.transport.http_gate import Gate
from gateway.transport.http_server import PageServer, make_entrance, read_body
from gateway.transport.listening import listen_on
from gateway.transport.secret_file import read_token
from gateway.transport.shares import TurnedAway, turned_away_details
from gateway.transport.timed_reading import read_in_time

if TYPE_CHECKING:
    from gateway.transport.certificates import Expiry
    from gateway.transport.https import HttpsEntrance
    from gateway.transport.tls import ServerTls, TlsFiles

PATH = "/api/v1/datalogger/dsmrreading"
MAX_BODY_BYTES = 3 * MAX_TELEGRAM_BYTES + 1024
"""Largest body: the longest telegram, each byte written as `%0D`, and the names of fields."""
MAX_DROPPED_BYTES = 131_072
"""Largest body that is read and dropped, so that its sender gets the response 413."""
MAX_FIELDS = 20
BODY_TIMEOUT_S = 5.0
BURST_POSTS = 30
"""Largest number of posts with one token at once.

Posts are not counted by address: many dataloggers may share one. Whoever has no token has its shares of the connections
and of the turns by address (`http_gate`), and waits for the responses to wrong tokens (`guessing`).
"""
SECONDS_PER_POST = 0.2
"""Seconds for each post after that: a meter sends once a second."""
OTHER_PORT = 8082
FORM = "application/x-www-form-urlencoded"
NAMES = (b"token", b"bearer")
"""Schemes of the `Authorization` header that a token follows."""


class Recipient(NamedTuple):
    """A meter whose telegrams are posted."""

    meter: str
    token_file: Path
    post: Callable[[bytes], bool]
    """A function that takes a telegram; it returns False if the meter's line takes none now."""


@dataclass(frozen=True, slots=True)
class PushSettings:
    """The address to listen on, and who may post."""

    host: str
    """Address to listen on, empty for all."""
    port: int
    allow: tuple[Network, ...] = ()
    """Networks that may post; empty for all."""
    tls: TlsFiles | None = None

    def __str__(self) -> str:
        return place_of(self.host, self.port)


class _Response(NamedTuple):
    status: int
    text: str
    retry_after_s: float = 0.0
    delayed_for: str = ""
    """The source of wrong tokens whose responses are delayed; empty for a response without delay."""


class PushListener(Node):
    """A port that telegrams are posted to."""

    kind = "push listener"

    def __init__(self, name: str, settings: PushSettings) -> None:
        super().__init__(name)
        self.settings = settings
        self.label = f"push {settings}"
        self.port = settings.port
        self.posts: Output[Recipient] = Output(self)
        self.responses = Counter[int]()
        """Number of responses by status code."""
        self.turned_away = Counter[TurnedAway]()
        self._entrance: HttpsEntrance | None = None
        self._tokens: dict[Path, bytes] = {}
        self._budgets: dict[Path, LineBudget] = {}
        self._guessing = Guessing(lambda text: self.log_seldom(logging.WARNING, text.replace("passwords", "tokens")))

    def details(self) -> Details:
        """Return the address, and how posts were answered."""
        return {
            "listens_on": str(self.settings),
            "posts_accepted": self.responses[201],
            "posts_refused": self.responses.total() - self.responses[201],
            "wrong_tokens": self._guessing.total,
            **turned_away_details("connections", self.turned_away),
            **{f"{each.key}_valid_until": f"{each.at:%Y-%m-%d}" for each in self.expiries},
        }

    @property
    def expiries(self) -> Sequence[Expiry]:
        """Return when the certificate in use expires; empty without TLS."""
        return self._entrance.expiries if self._entrance else ()

    def renew_tls(self, renewed: Mapping[TlsFiles, ServerTls]) -> None:
        """Use the new content of the certificate and key from the next handshake on."""
        if self._entrance and self.settings.tls and (tls := renewed.get(self.settings.tls)):
            self._entrance.renew(tls)

    def renew_tokens(self, tokens: Mapping[Path, bytes]) -> None:
        """Take the digests of new tokens, by file; the old ones are refused from the next post on."""
        self._tokens.update(tokens)

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._read_tokens()
        self._entrance = entrance = await make_entrance(self.settings.tls, self._note_failure)
        try:
            listener = await listen_on(self.settings.host, self.settings.port)
        except OSError as error:
            problem = listening_problem(error, str(self.settings), port=self.settings.port, other_port=OTHER_PORT)
            self.show(Colour.RED, Mark.RING, label_of(problem))
            raise ProblemError(problem, error.errno) from error
        self.port = listener.getsockname()[1]

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:  # uvicorn takes no method
            await self._respond(scope, receive, send)

        gate = Gate(lambda _address: True, self._note_turned_away, MAX_BODY_BYTES + MAX_TELEGRAM_BYTES)
        server = PageServer(respond, self._is_allowed, gate, entrance)
        serving = asyncio.create_task(server.serve([listener]), name="push server")
        self.show(Colour.GREEN, Mark.DOT, "ready")
        self.ready.set()
        self.log(
            logging.INFO,
            f"telegrams are posted to http{'s' if entrance else ''}://{place_of(self.settings.host, self.port)}{PATH}",
        )
        try:
            await asyncio.wait([serving])
            serving.result()
        finally:
            self._guessing.close()
            server.should_exit = True
            server.cut_off()
            await asyncio.wait([serving])
            listener.close()

    async def _read_tokens(self) -> None:
        tokens: dict[Path, bytes] = {}
        for recipient in self.posts.receivers:
            path = recipient.token_file
            try:
                token = await read_in_time(read_token, path)
                if token in tokens.values():
                    what = "this is the token of another meter too"
                    raise ProblemError(problem_of("token-twice", what, "Give each meter a token of its own"))
            except OSError as error:
                problem = file_problem(error, Place(str(path)))
                self.show(Colour.RED, Mark.RING, "token-file-unusable", meter=recipient.meter)
                raise ProblemError(problem, error.errno) from error
            tokens[path] = token
        self._tokens = tokens

    def _note_failure(self, reason: str) -> None:
        self._note_turned_away(TurnedAway.HANDSHAKE)
        self.log_seldom(logging.WARNING, f"TLS handshake failed: {reason}")

    def _note_turned_away(self, reason: TurnedAway) -> None:
        self.turned_away[reason] += 1

    def _is_allowed(self, address: Address) -> bool:
        allow = self.settings.allow
        if not allow or any(address in network for network in allow):
            return True
        strangers.record(Event.CONNECTION, REFUSED, address=str(address), node=self.name, detail="not in allow")
        return False

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        address, _ = name_peer(*(scope["client"] or ("0.0.0.0", 0)))  # noqa: S104 - for a client without an address
        headers = dict(scope["headers"])
        # Before anything is awaited: the connection then no longer counts as that of a stranger.
        found = self._find(scope, headers, address)
        if isinstance(found, Recipient):
            scope.get("state", {}).get("recognise", bool)()
        limit = MAX_DROPPED_BYTES if isinstance(found, Recipient) else MAX_BODY_BYTES
        body = await read_body(receive, limit, MAX_BODY_BYTES + 1, BODY_TIMEOUT_S)
        response = found if isinstance(found, _Response) else self._take(found, headers, body)
        self.responses[response.status] += 1
        if response.delayed_for:
            await self._guessing.delay(response.delayed_for)
        sent = {} if response.status == 201 else {"Connection": "close"}
        if response.status == 401:
            sent["WWW-Authenticate"] = "Token"
        if response.retry_after_s:
            sent["Retry-After"] = str(math.ceil(response.retry_after_s))
        await PlainTextResponse(response.text, response.status, sent)(scope, receive, send)

    def _find(self, scope: Scope, headers: Mapping[bytes, bytes], address: Address) -> Recipient | _Response:
        """Return the meter that a request is for, or the response to one that is refused before its body is read."""
        if scope["path"].rstrip("/") != PATH:
            return _Response(404, f"Telegrams are posted to {PATH}.")
        if scope["method"] != "POST":
            return _Response(405, "Telegrams are posted.")
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() not in NAMES:
            return _Response(401, "A token is required.")
        digest, found = hashlib.sha256(token.strip()).digest(), None
        for recipient in self.posts.receivers:
            if hmac.compare_digest(digest, self._tokens.get(recipient.token_file, b"")):
                found = recipient
        outcome = REFUSED if found is None else ACCEPTED
        strangers.record(Event.LOGIN, outcome, address=str(address), node=self.name)
        if found:
            return found
        source = source_of(address)
        wait_s = self._guessing.note(source, now())
        if wait_s is None:
            return _Response(401, "The token is wrong.")
        return _Response(429, "Too many wrong tokens.", wait_s, source)

    def _take(self, recipient: Recipient, headers: Mapping[bytes, bytes], body: bytes | None) -> _Response:
        """Pass the telegram of a body on; return the response."""
        if not self._has_budget(recipient):
            return _Response(429, "Too many telegrams.", 1.0)
        if body is None or len(body) > MAX_BODY_BYTES:
            return _Response(413, f"More than {MAX_BODY_BYTES} bytes, or too slow.")
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        telegram = _telegram_in(body) if media_type == FORM else b""
        if not telegram:
            return _Response(400, "A form field named telegram with one telegram is expected.")
        refused = [each for each in TelegramReader().feed(telegram) if isinstance(each, RefusedTelegram)]
        # Also one that is refused, so that the meter's counters and its status show it.
        if not recipient.post(telegram):
            return _Response(503, "The meter takes no telegrams now.", 1.0)
        if refused:
            return _Response(400, f"The telegram is refused: {refused[0].reason}.")
        return _Response(201, "")

    def _has_budget(self, recipient: Recipient) -> bool:
        """Return whether a telegram of this meter may be posted now, and count the post."""
        moment = now()
        budget = self._budgets.setdefault(recipient.token_file, LineBudget(moment, BURST_POSTS, SECONDS_PER_POST))
        return budget.allows(moment)


def _telegram_in(body: bytes) -> bytes:
    """Return the telegram in a form, with a line end; nothing for another body."""
    try:
        fields = parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=MAX_FIELDS)
        (text,) = [value for name, value in fields if name == "telegram"]
        # A datalogger decodes the bytes of the meter as Latin-1, and a form encodes them as UTF-8.
        telegram = text.strip("\r\n ").encode("latin-1")
    except ValueError:
        return b""
    is_one = telegram.startswith(b"/") and b"\n!" in telegram and len(telegram) <= MAX_TELEGRAM_BYTES
    return telegram + b"\r\n" if is_one else b""

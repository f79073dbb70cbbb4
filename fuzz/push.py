"""Fuzzes the posts of telegrams: `python -m fuzz.push [OPTION...] fuzz/corpus/push`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlencode

from fuzz.browsing import exchange
from fuzz.framing import sealed
from fuzz.harness import Source, fuzz
from gateway.nodes.push_listener import MAX_BODY_BYTES, PATH, PushListener, PushSettings, Recipient
from gateway.protocol.p1.telegram import MAX_TELEGRAM_BYTES, Telegram, TelegramReader

TOKEN = b"0123456789ABCDEF-farm"
FILE = Path("farm.token")
STATUSES = {201, 400, 401, 404, 405, 413, 429}


def check(data: bytes) -> None:
    """Check that a telegram is passed on only if its post has the token, and that 201 means a whole, valid one.

    A telegram in a form arrives as it was posted, with one line end.
    """
    source = Source(data)
    kind = source.number(255)
    posted: list[bytes] = []
    if kind & 1:
        check_form(source, posted)
        return
    done = exchange(make_app(posted), source.segments())
    assert not done.errors
    has_token = [b"authorization" in dict(scope["headers"]) for scope in done.requests]
    assert len(posted) <= sum(has_token)
    assert len(done.responses) <= len(done.requests) + 1
    assert all(response.status in STATUSES for response in done.responses)
    assert sum(response.status == 201 for response in done.responses) <= len(posted)
    for telegram in posted:
        check_posted(telegram)


def check_form(source: Source, posted: list[bytes]) -> None:
    """Check a form with a telegram of these bytes."""
    telegram = sealed(source.rest())
    body = urlencode({"telegram": telegram.decode("latin-1")}).encode()
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Token %s\r\nContent-Length: %d\r\n" % (
        PATH.encode(),
        TOKEN,
        len(body),
    )
    form = b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    done = exchange(make_app(posted), [head + form + body])
    (response,) = done.responses
    assert not done.errors
    content = telegram.strip(b"\r\n ")
    is_telegram = content.startswith(b"/") and b"\n!" in content and len(content) <= MAX_TELEGRAM_BYTES
    if len(body) > MAX_BODY_BYTES:
        assert response.status == 413
    else:
        assert posted == ([content + b"\r\n"] if is_telegram else [])
    if response.status == 201:
        check_accepted(posted[0])


def check_posted(telegram: bytes) -> None:
    """Check what the meter's line gets."""
    assert telegram.startswith(b"/")
    assert telegram.endswith(b"\r\n")
    assert b"\n!" in telegram
    assert len(telegram) <= MAX_TELEGRAM_BYTES + 2


def check_accepted(telegram: bytes) -> None:
    """Check a telegram that was accepted as valid."""
    items = TelegramReader().feed(telegram)
    assert items
    assert all(isinstance(item, Telegram) for item in items)


def make_app(posted: list[bytes]) -> object:
    """Return a push listener with one meter, whose telegrams are added to `posted`."""
    listener = PushListener("push", PushSettings("", 0))

    def post(telegram: bytes) -> bool:
        posted.append(telegram)
        return True

    listener.posts.connect(listener, Recipient("farm", FILE, post))
    listener.renew_tokens({FILE: hashlib.sha256(TOKEN).digest()})
    return listener._respond  # noqa: SLF001 - what it gives to its server


if __name__ == "__main__":
    fuzz(__file__)

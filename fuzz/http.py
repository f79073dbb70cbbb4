"""Fuzzes the requests to the status page: `python -m fuzz.http [OPTION...] fuzz/corpus/http`."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from base64 import b64decode
from functools import cache
from pathlib import Path

from starlette.types import ASGIApp

from fuzz.browsing import ENDLESS, Response, exchange
from fuzz.harness import Source, fuzz
from gateway.config import load_config, load_maps
from gateway.nodes.status_page.access import Access, StatusPageSettings
from gateway.nodes.status_page.app import OPEN_TO_ALL, make_app
from gateway.nodes.status_page.files import page_files
from gateway.nodes.status_page.node import StatusPage
from gateway.protocol.p1.telegram import TelegramReader
from gateway.service.wiring import Wiring
from tests.conftest import own_telegram
from tests.nodes.status_page.bench import HOUSE, PAGE

PASSWORD = b"correct horse"
SETTINGS = StatusPageSettings("127.0.0.1", 0)
FILES = page_files()
NOT_HTTP = ((400, b"Invalid HTTP request received."), (400, b""))
"""Responses of uvicorn to what h11 cannot read, the second one after a HEAD; it closes the connection."""
STATUSES = {200, 206, 304, 307, 400, 401, 403, 404, 405, 413, 416, 429}
HEADERS = {"content-security-policy", "x-content-type-options", "referrer-policy"}


def check(data: bytes) -> None:
    """Check that any bytes get valid responses of the page, one for each request, and never an error of the server.

    Without the password nothing but the health is served. Each response has the security headers.
    """
    source = Source(data)
    has_password = source.number(255) & 1
    app = make_page(PASSWORD if has_password else None)
    done = exchange(app, source.segments())
    assert not done.errors
    if done.responses and (done.responses[-1].status, done.responses[-1].body) in NOT_HTTP:
        done.responses.pop()
    assert len(done.responses) <= len(done.requests)
    for scope, response in zip(done.requests, done.responses, strict=False):
        check_response(scope["path"], response)
        if has_password and scope["path"] not in OPEN_TO_ALL and response.status not in (405, 413, 429):
            assert (response.status == 401) is not knows_password(dict(scope["headers"]).get(b"authorization", b""))


def knows_password(authorization: bytes) -> bool:
    """Return whether a header has the password, as Basic (RFC 7617) or as a bearer token (RFC 6750)."""
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return credentials.strip() == PASSWORD
    # Python's decoder ignores padding beyond what is needed. Whoever sends it has the password all the same.
    basic = re.fullmatch(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?=*", credentials)
    is_basic = scheme.lower() == b"basic" and basic is not None
    return is_basic and b64decode(credentials).partition(b":")[2] == PASSWORD


def check_response(path: str, response: Response) -> None:
    """Check a response of the page."""
    assert response.status in STATUSES or (response.status == 503 and path in OPEN_TO_ALL), response
    assert response.headers.keys() >= HEADERS
    assert response.is_whole or path in ENDLESS
    if response.body and response.headers.get("content-type", "").startswith("application/json"):
        json.loads(response.body)


@cache
def page() -> StatusPage:
    """Return the page of a gateway that has a telegram, and does not run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.yaml"
        path.write_text(HOUSE + PAGE)
        config = load_config(path, {})
        wiring = Wiring(config, load_maps(config, Path(folder)), Path(folder))
    (meter,) = wiring.meters.values()
    for item in TelegramReader().feed(own_telegram("v50_sagemcom-t210d")):
        meter.take(item, 0.0, 0.0)
    return next(node for node in wiring.flow.nodes if isinstance(node, StatusPage))


def make_page(password: bytes | None) -> ASGIApp:
    """Return the application of the page, with a password or without."""
    digest = None if password is None else hashlib.sha256(password).digest()
    return make_app(page()._page, page()._stream, Access(SETTINGS, digest), FILES, ())  # noqa: SLF001


if __name__ == "__main__":
    fuzz(__file__)

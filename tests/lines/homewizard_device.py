"""A HomeWizard P1 Meter in this process: both APIs, the button, the WebSocket, and a certificate of its kind."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from gateway.runtime.clock import unix_now
from tests.conftest import own_telegram
from tests.lines.http_device import Respond, serving
from tests.protocol.p1.stream import stamped

TELEGRAM = own_telegram("v50_sagemcom-t210d")
SERIAL = "5c2fafaabbcc"
TOKEN = "0123456789ABCDEF" * 2
_VERSION_3 = bytes.fromhex("a003020102")
_SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")

Session = Callable[[web.WebSocketResponse], Awaitable[None]]


class Maker:
    """An authority without extensions, as the maker's own is (X.509 version 1), and the certificates that it signs."""

    def __init__(self, folder: Path, name: str = "maker") -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._folder = folder
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(self._sign(self._name, self._key))

    def tls(self, name: str) -> ssl.SSLContext:
        """Return the TLS context of a device whose certificate has this common name, and no other name."""
        key = _device_key()
        pem = self._folder / "device.pem"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own_key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem.write_bytes(self._sign(subject, key) + own_key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _sign(self, subject: x509.Name, key: rsa.RSAPrivateKey) -> bytes:
        today = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=1))
            .not_valid_after(today + dt.timedelta(days=1))
            .sign(self._key, hashes.SHA256())
        )
        # No library makes certificates of version 1: they are those of version 3 without the field of the version.
        content = certificate.tbs_certificate_bytes
        body = _der(0x30, content[content.index(_VERSION_3) + len(_VERSION_3) :])
        signature = self._key.sign(body, padding.PKCS1v15(), hashes.SHA256())
        whole = _der(0x30, body + _SHA256_WITH_RSA + _der(0x03, b"\0" + signature))
        return x509.load_der_x509_certificate(whole).public_bytes(serialization.Encoding.PEM)


@cache
def _device_key() -> rsa.RSAPrivateKey:
    """Return a key that all devices share, since making one takes long."""
    return rsa.generate_private_key(65537, 2048)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82, *size.to_bytes(2, "big")])
    return bytes([tag]) + length + content


class HomeWizard:
    """The state of a device."""

    def __init__(self) -> None:
        self.body = TELEGRAM
        self.status = self.telegram_status = 200
        self.error = ""
        self.api_v1_is_on = False
        self.tokens = {"local/test": TOKEN}
        self.asked_for_token: list[str] = []
        self.pressed_at_request = 0
        """Number of the request for a token after which the button was pressed."""
        self.requests: list[web.Request] = []
        self.sockets: set[web.WebSocketResponse] = set()
        self.sockets_opened = 0
        self.serve_socket: Session = self._serve_socket
        self.respond_to_socket: Respond = self._open_socket
        self.rings = True
        self.follows = False
        """True for a meter whose telegrams always bear the time of the request."""
        self.port = self.v1_port = 0

    @property
    def place(self) -> str:
        return f"localhost:{self.port}"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api", self._device),
            web.get("/api/telegram", self._telegram),
            web.get("/api/ws", self._socket),
            web.post("/api/user", self._user),
        ]

    async def set_telegram(self, telegram: bytes) -> None:
        """Get a new telegram, and ring if the WebSocket does."""
        self.body = telegram
        if self.rings:
            await self.ring()

    async def ring(self) -> None:
        for socket in list(self.sockets):
            with suppress(ConnectionError):
                await socket.send_json({"type": "measurement", "data": {"power_w": 1}})

    async def follow_a_meter(self, every_s: float = 1.0) -> None:
        """Get a new telegram again and again."""
        start = unix_now()
        for number in count():
            await self.set_telegram(stamped(TELEGRAM, start + number))
            await asyncio.sleep(every_s)

    async def hang_up(self) -> None:
        for socket in list(self.sockets):
            await socket.close()

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.requests.append(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens.values():
            return _error(401, "user:unauthorized")
        if self.status != 200:
            return _error(self.status, self.error)
        return None

    async def _device(self, request: web.Request) -> web.Response:
        device = {
            "product_name": "P1 Meter",
            "product_type": "HWE-P1",
            "serial": SERIAL,
            "firmware_version": "6.00",
            "api_version": "2.0.0",
        }
        return self._refusal(request) or web.json_response(device)

    async def _telegram(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if self.telegram_status != 200:
            return _error(self.telegram_status, self.error)
        return self._newest()

    def _newest(self) -> web.Response:
        if self.follows:
            self.body = stamped(TELEGRAM, int(unix_now()))
        return web.Response(body=self.body, content_type="text/plain")

    async def v1_telegram(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if not self.api_v1_is_on:
            return web.json_response({"error": {"id": 202, "description": "API not enabled"}}, status=403)
        return self._newest()

    async def _user(self, request: web.Request) -> web.Response:
        name = (await request.json())["name"]
        self.asked_for_token.append(name)
        if self.status != 200:
            return _error(self.status, self.error)
        if len(self.asked_for_token) <= self.pressed_at_request:
            return _error(403, "user:creation-not-enabled")
        self.tokens[name] = f"{len(self.tokens):032X}"
        return web.json_response({"token": self.tokens[name], "name": name})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self.sockets_opened += 1
        return await self.respond_to_socket(request)

    async def _open_socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        try:
            await self.serve_socket(socket)
        finally:
            self.sockets.discard(socket)
        return socket

    async def _serve_socket(self, socket: web.WebSocketResponse) -> None:
        """Ask for the token, and send the measurements once they are subscribed to."""
        await socket.send_json({"type": "authorization_requested", "data": {"api_version": "2.0.0"}})
        async for message in socket:
            received = json.loads(message.data)
            match received["type"]:
                case "authorization" if received["data"] in self.tokens.values():
                    await socket.send_json({"type": "authorized"})
                case "authorization":
                    await socket.send_json({"type": "error", "data": {"message": "user:unauthorized"}})
                case "subscribe":
                    assert received["data"] == "measurement"
                    self.sockets.add(socket)
                    await self.ring()


def _error(status: int, code: str) -> web.Response:
    if code.startswith("telegram:"):
        return web.Response(status=status, text=code)
    return web.json_response({"error": code}, status=status)


@asynccontextmanager
async def homewizard(maker: Maker, name: str = f"appliance/p1dongle/{SERIAL}") -> AsyncIterator[HomeWizard]:
    """Serve a device whose certificate has this common name; API v1 is on another port."""
    device = HomeWizard()
    async with (
        serving(*device.routes(), tls=maker.tls(name)) as device.port,
        serving(web.get("/api/v1/telegram", device.v1_telegram)) as device.v1_port,
    ):
        yield device

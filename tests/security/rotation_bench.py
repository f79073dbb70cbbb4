"""A gateway in this process that is reloaded as at SIGHUP, with TLS listeners and a page with a password."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway.config import Config, Maps, check_config
from gateway.nodes.modbus_server import ModbusServer
from gateway.nodes.passthrough import Passthrough
from gateway.nodes.status_page.node import StatusPage
from gateway.service.file_look import look_at_files
from gateway.service.reload import reload_when_asked
from gateway.service.secret_files import SecretFiles
from gateway.service.systemd import ServiceManager
from gateway.service.wiring import Wiring
from tests.waiting import until

LIMIT_S = 10.0
TLS = "tls: {certificate: server.pem, key: server.key, client_ca: ca.pem}"
SERVER = f'  - {{listen: "127.0.0.1:0", {TLS}}}\n'
HOUSE = f"""\
meter: {{simulate: true}}
modbus:
{SERVER}passthrough:
  - {{listen: "127.0.0.1:0", {TLS}}}
status_page: {{listen: "127.0.0.1:0", password_file: password}}
"""
READ = bytes.fromhex("000100000006010300000001")


class Bench:
    """A running gateway with its files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "gateway.yaml"
        self.asked = asyncio.Event()
        self.wiring = Wiring(*self.load(), folder)
        self.secrets = self.wiring.secrets = SecretFiles(self.path)
        self.secrets.take(look_at_files(self.load()[0], self.path))

    def load(self) -> tuple[Config, Maps]:
        """Read the configuration."""
        return check_config(self.path, {}).valid()

    async def reload(self) -> bool:
        """Reload as at SIGHUP; return whether the reload was accepted."""
        before = self.wiring.reloaded
        self.asked.set()
        await until(lambda: self.wiring.reloaded is not before, "the reload")
        assert self.wiring.reloaded is not None
        return self.wiring.reloaded.is_applied

    @property
    def changes(self) -> Sequence[str]:
        """Return what the last reload changed."""
        return self.wiring.reloaded.changes if self.wiring.reloaded else ()

    @property
    def ports(self) -> list[int]:
        """Return the ports of the TLS listeners."""
        return [node.port for node in self.wiring.flow.nodes if isinstance(node, ModbusServer | Passthrough)]

    def get(self, path: str, password: str) -> tuple[int, bytes]:
        """Ask the page."""
        page = next(node for node in self.wiring.flow.nodes if isinstance(node, StatusPage))
        connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=LIMIT_S)
        connection.request("GET", path, headers={"Authorization": f"Bearer {password}"})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, body


@asynccontextmanager
async def gateway_in(folder: Path, text: str = HOUSE) -> AsyncIterator[Bench]:
    """Run a configuration."""
    (folder / "gateway.yaml").write_text(text)
    bench = Bench(folder)
    stop = asyncio.Event()
    running = asyncio.create_task(bench.wiring.flow.run(stop))
    reloading = asyncio.create_task(reload_when_asked(bench.wiring, bench.load, bench.asked, ServiceManager({})))
    try:
        await until(lambda: all(node.ready.is_set() for node in bench.wiring.flow.nodes), "all nodes")
        yield bench
    finally:
        reloading.cancel()
        stop.set()
        await asyncio.wait_for(running, LIMIT_S)


class TlsClient:
    """A client over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @property
    def serial_number(self) -> int:
        """Return the serial number of the certificate that the gateway has shown."""
        ssl_object: Any = self.writer.get_extra_info("ssl_object")
        return x509.load_der_x509_certificate(ssl_object.getpeercert(binary_form=True)).serial_number

    async def is_served(self) -> bool:
        """Return whether a Modbus request gets a response; False when the connection is closed."""
        with suppress(OSError, asyncio.IncompleteReadError):
            self.writer.write(READ)
            async with asyncio.timeout(LIMIT_S):
                header = await self.reader.readexactly(6)
                await self.reader.readexactly(header[5])
            return True
        return False

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()


async def connect(port: int, context: ssl.SSLContext) -> TlsClient:
    """Connect to a TLS listener."""
    async with asyncio.timeout(LIMIT_S):
        return TlsClient(*await asyncio.open_connection("127.0.0.1", port, ssl=context))


def serial_number(path: Path) -> int:
    """Return the serial number of a certificate."""
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number

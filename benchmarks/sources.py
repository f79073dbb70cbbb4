"""Each kind of source beside the direct TCP line: time from the last byte at the source to the register, and CPU.

    python -m benchmarks.sources [--seconds N]

One gateway runs for each kind of source, all of them on one core; the sources and the Modbus client are on another.
Each source gets a telegram per second, as its clock says, in pieces as a serial line delivers it where the kind has a
line. The time starts just before the last piece is handed over: to the system, to the broker, or to the request that
posts it. For a device that is asked, it starts when the device has the telegram. From then on a client reads the import
power without a pause until it is the new one. The sources take turns within each second.

The CPU time is counted in a second part of the run, in which nobody reads.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import random
import socket
import subprocess
import sys
import threading
import time
import tty
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlencode

import yaml
from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from paho.mqtt.client import Client as MqttClient
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.client import Client, connect
from benchmarks.feed import Feed, telegrams, with_power
from benchmarks.freshness import CADENCE_S, GATEWAY_ADDRESS, LAST_BYTES, PIECE_BYTES, PIECE_EVERY_S, WARM_UP
from benchmarks.measure import MS, machine, show
from benchmarks.p1_line import cpu_s
from benchmarks.running import LOAD_CORE, Program, free_port, missing, on_core
from gateway.lines.homewizard_identity import Pairing
from gateway.nodes.push_listener import PATH
from gateway.protocol.com_port import ComPortServer
from gateway.protocol.p1.variants import FAST_LINE
from gateway.protocol.telnet import TelnetStream, escape
from tests.lines.homewizard_device import SERIAL, HomeWizard, Maker, homewizard
from tests.lines.homewizard_device import TOKEN as HOME_WIZARD_TOKEN

TURN_S = 0.06
"""Time of a source in each second; a device that is asked has the rest of the second."""
LOST_AFTER_S, SLOW_LOST_AFTER_S = 0.2, 0.5
SETTLE_SECONDS = 5
"""Number of seconds in which the gateways do whatever a start leaves to do, before their CPU time is counted."""
KEY = bytes(range(16))
TITLE = b"SAGgp\x00\x00\x01"
TOKEN = "0123456789ABCDEF"
TOPIC = "dsmr/raw"


class Source(NamedTuple):
    """A source of telegrams."""

    settings: Mapping[str, object]
    """Its `meter:` in the configuration."""
    send: Callable[[bytes], float]
    """A function that sends a telegram, and returns the time just before its last byte."""
    is_slow: bool = False
    more: Mapping[str, object] = {}
    """Other parts of the configuration."""


Folder = Path
Kind = Callable[[ExitStack, Folder], Source]


def in_pieces(write: Callable[[bytes], object]) -> Callable[[bytes], float]:
    """Return a function that writes a telegram in pieces, and returns the time just before the last one."""

    def send(telegram: bytes) -> float:
        body, last = telegram[:-LAST_BYTES], telegram[-LAST_BYTES:]
        for at in range(0, len(body), PIECE_BYTES):
            write(body[at : at + PIECE_BYTES])
            time.sleep(PIECE_EVERY_S)
        begun = time.perf_counter()
        write(last)
        return begun

    return send


def at_once(write: Callable[[bytes], object]) -> Callable[[bytes], float]:
    """Return a function that hands a telegram over, and returns the time just before that."""

    def send(telegram: bytes) -> float:
        begun = time.perf_counter()
        write(telegram)
        return begun

    return send


class LazyFeed(Feed):
    """A feed whose readers come when they want."""

    def __init__(self, greet: Callable[[socket.socket], None] = lambda _reader: None) -> None:
        super().__init__()
        self._greet = greet
        self._listener.settimeout(None)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                reader, _ = self._listener.accept()
                reader.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._readers.append(reader)
                threading.Thread(target=self._greet, args=[reader], daemon=True).start()


def tcp(stack: ExitStack, _folder: Folder) -> Source:
    feed = stack.enter_context(LazyFeed())
    return Source({"host": "127.0.0.1", "port": feed.port}, in_pieces(feed.send))


def serial(stack: ExitStack, _folder: Folder) -> Source:
    meter, port = os.openpty()
    stack.callback(os.close, meter)
    stack.callback(os.close, port)
    tty.setraw(port)
    return Source({"port": os.ttyname(port)}, in_pieces(lambda data: os.write(meter, data)))


def rfc2217(stack: ExitStack, _folder: Folder) -> Source:
    def negotiate(reader: socket.socket) -> None:
        server, stream = ComPortServer(lambda: FAST_LINE, "benchmark"), TelnetStream()
        with suppress(OSError):
            reader.sendall(server.begin())
            while received := reader.recv(4096):
                for item in stream.feed(received):
                    if not isinstance(item, bytes):
                        reader.sendall(server.take(item))

    feed = stack.enter_context(LazyFeed(negotiate))
    return Source({"source": f"rfc2217://127.0.0.1:{feed.port}"}, in_pieces(lambda data: feed.send(escape(data))))


def encrypted(stack: ExitStack, folder: Folder) -> Source:
    feed = stack.enter_context(LazyFeed())
    (folder / "key").write_text(KEY.hex())
    counters = iter(range(1, 1_000_000))
    send = in_pieces(feed.send)
    settings = {"host": "127.0.0.1", "port": feed.port, "decryption": {"key_file": "key"}}
    return Source(settings, lambda telegram: send(encrypt(telegram, next(counters))))


def encrypt(telegram: bytes, counter: int) -> bytes:
    """Return the frame of a telegram, as meters in Luxembourg send it (DLMS general-glo-ciphering)."""
    number = counter.to_bytes(4, "big")
    encryptor = Cipher(algorithms.AES128(KEY), modes.GCM(TITLE + number)).encryptor()
    encryptor.authenticate_additional_data(b"\x30" + KEY)
    content = b"\x30" + number + encryptor.update(telegram) + encryptor.finalize() + encryptor.tag[:12]
    return b"\xdb\x08" + TITLE + b"\x82" + len(content).to_bytes(2, "big") + content


class Device:
    """A device on the network, with an event loop in a thread: /telegram is its newest telegram, /ws sends each."""

    def __init__(self) -> None:
        self.newest = b""
        self._sockets: list[web.WebSocketResponse] = []
        self._loop = asyncio.new_event_loop()
        self.port = free_port()
        self._is_ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        self._is_ready.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.add_routes([web.get("/telegram", self._respond), web.get("/ws", self._serve)])
        runner = web.AppRunner(app, access_log=None)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", self.port).start())
        self._is_ready.set()
        self._loop.run_forever()

    def close(self) -> None:
        """End the event loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def set(self, telegram: bytes) -> None:
        """Take a telegram as the newest one."""
        self.newest = telegram

    def push(self, telegram: bytes) -> None:
        """Send a telegram over all WebSockets."""
        asyncio.run_coroutine_threadsafe(self._push(telegram), self._loop)

    async def _push(self, telegram: bytes) -> None:
        for each in self._sockets:
            with suppress(ConnectionError):
                await each.send_bytes(telegram)

    async def _respond(self, _request: web.Request) -> web.Response:
        return web.Response(body=self.newest, content_type="text/plain")

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        self._sockets.append(websocket)
        async for _ in websocket:
            pass
        return websocket


def http_device(stack: ExitStack, _folder: Folder) -> Source:
    device = Device()
    stack.callback(device.close)
    return Source({"source": f"http://127.0.0.1:{device.port}/telegram"}, at_once(device.set), is_slow=True)


def homewizard_meter(stack: ExitStack, folder: Folder) -> Source:
    maker, devices, loop = Maker(folder), list[HomeWizard](), asyncio.new_event_loop()
    is_ready, is_over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with homewizard(maker) as device:
            devices.append(device)
            is_ready.set()
            await is_over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    stack.callback(thread.join)
    stack.callback(lambda: loop.call_soon_threadsafe(is_over.set))
    is_ready.wait()
    (folder / "homewizard.token").write_bytes(Pairing(SERIAL, HOME_WIZARD_TOKEN).content)
    place = f"homewizard://localhost:{devices[0].port}"
    settings = {"source": place, "token_file": "homewizard.token", "ca": maker.ca.name}
    ring = at_once(lambda telegram: asyncio.run_coroutine_threadsafe(devices[0].set_telegram(telegram), loop))
    return Source(settings, ring, is_slow=True)


def websocket(stack: ExitStack, _folder: Folder) -> Source:
    device = Device()
    stack.callback(device.close)
    return Source({"source": f"ws://127.0.0.1:{device.port}/ws"}, at_once(device.push))


def mqtt(stack: ExitStack, folder: Folder) -> Source:
    port = free_port()
    (folder / "mosquitto.conf").write_text(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n")
    command = ["mosquitto", "-c", folder / "mosquitto.conf"]
    with on_core(LOAD_CORE):
        broker = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(broker.wait)
    stack.callback(broker.terminate)
    client = MqttClient(CallbackAPIVersion.VERSION2)
    for _ in range(500):
        with suppress(ConnectionRefusedError):
            client.connect("127.0.0.1", port)
            break
        time.sleep(0.01)
    client.loop_start()
    stack.callback(client.loop_stop)
    settings = {"source": f"mqtt://127.0.0.1:{port}/{TOPIC}"}
    return Source(settings, at_once(lambda telegram: client.publish(TOPIC, telegram)))


def push(_stack: ExitStack, folder: Folder) -> Source:
    port = free_port()
    (folder / "token").write_text(TOKEN)
    headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/x-www-form-urlencoded"}

    def post(telegram: bytes) -> None:
        # A connection for each telegram, as dsmr-reader's remote datalogger makes it.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with suppress(OSError):
            connection.request("POST", PATH, urlencode({"telegram": telegram.decode("latin-1")}), headers)
            connection.getresponse().read()
        connection.close()

    more = {"push": {"listen": f"127.0.0.1:{port}"}}
    return Source({"source": "push", "token_file": "token"}, at_once(post), more=more)


KINDS: Mapping[str, Kind] = {
    "TCP": tcp,
    "serial port (pty)": serial,
    "TCP, encrypted": encrypted,
    "RFC 2217": rfc2217,
    "WebSocket": websocket,
    "MQTT (mosquitto)": mqtt,
    "push": push,
    "HTTP, polled": http_device,
    "HomeWizard, API v2": homewizard_meter,
}
"""Row of the table → the function that makes the source; the first one is what the others are compared with."""


class Subject(NamedTuple):
    """A source with the gateway that reads it."""

    source: Source
    gateway: Program
    client: Client


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=60, help="length of each of the two parts")
    given = options.parse_args()
    print(machine())
    kinds = {name: kind for name, kind in KINDS.items() if not (kind is mqtt and missing("mosquitto"))}
    if len(kinds) < len(KINDS):
        print("MQTT is left out: mosquitto is not installed. Try: apt install mosquitto")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dsmr-gateway-")))
        subjects = {name: start(stack, kind, folder / str(number)) for number, (name, kind) in enumerate(kinds.items())}
        stack.enter_context(on_core(LOAD_CORE))
        numbers = random.Random(1)
        plain = telegrams(2 * (given.seconds + WARM_UP))
        latencies, lost = measure_latency(subjects, plain[: given.seconds + WARM_UP], numbers, given.seconds)
        # The second part goes on where the clock of the first one would be now.
        shares = measure_cpu(subjects, plain[given.seconds + WARM_UP :], numbers, given.seconds)
    show("last byte to register", latencies, MS, "ms", against=next(iter(latencies)))
    for name, count in lost.items():
        print(f"{name}: the values of {count} telegrams did not appear in time")
    print("\nCPU of the gateway with a telegram per second, in % of a core")
    for name, share in shares.items():
        print(f"{name:<24}{100 * share:>8.2f}")


def start(stack: ExitStack, kind: Kind, folder: Path) -> Subject:
    folder.mkdir()
    with on_core(LOAD_CORE):
        source = kind(stack, folder)
    port = free_port()
    configuration = {
        "meter": {"dsmr_version": "5", **source.settings},
        "modbus": [{"listen": f"127.0.0.1:{port}", "units": {1: {"map": "dsmr"}}}],
        **source.more,
    }
    (folder / "gateway.yaml").write_text(yaml.safe_dump(configuration))
    command = [Path(sys.executable).with_name("dsmr-gateway"), "run", folder / "gateway.yaml"]
    gateway = stack.enter_context(Program(command, folder, port))
    gateway.wait_for_port()
    return Subject(source, gateway, stack.enter_context(connect(port)))


def each_second(subjects: Mapping[str, Subject], seconds: int) -> Iterator[tuple[int, str, Subject]]:
    """Yield each subject in its turn of each second, with the number of the second.

    A second that is over before its first turn is left out, so that telegrams never fall behind their clock.
    """
    begun = time.perf_counter()
    in_order = sorted(subjects.items(), key=lambda item: item[1].source.is_slow)
    second = 0
    while second < seconds:
        for turn, (name, subject) in enumerate(in_order):
            time.sleep(max(0.0, begun + second * CADENCE_S + turn * TURN_S - time.perf_counter()))
            yield second, name, subject
        second = max(second + 1, int((time.perf_counter() - begun) / CADENCE_S))


def measure_latency(
    subjects: Mapping[str, Subject], plain: Sequence[bytes], numbers: random.Random, seconds: int
) -> tuple[dict[str, list[float]], Counter[str]]:
    """Return the seconds from last byte to new value, and the number of telegrams whose value did not appear."""
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    lost = Counter[str]()
    for second, name, subject in each_second(subjects, seconds + WARM_UP):
        watts = numbers.randrange(2, 99_999)
        sent = subject.source.send(with_power(plain[second], watts))
        if second < WARM_UP:
            continue  # waiting for values that are not served yet would make telegrams late
        deadline = sent + (SLOW_LOST_AFTER_S if subject.source.is_slow else LOST_AFTER_S)
        while (is_old := subject.client.uint32(GATEWAY_ADDRESS) != watts) and time.perf_counter() < deadline:
            pass
        if is_old:
            lost[name] += 1
        else:
            samples[name].append(time.perf_counter() - sent)
    return samples, lost


def measure_cpu(
    subjects: Mapping[str, Subject], plain: Sequence[bytes], numbers: random.Random, seconds: int
) -> dict[str, float]:
    """Return the share of a core that each gateway uses."""
    begun: dict[str, tuple[float, float]] = {}
    for second, name, subject in each_second(subjects, seconds + SETTLE_SECONDS):
        if second >= SETTLE_SECONDS and name not in begun:
            begun[name] = cpu_s(subject.gateway.pid), time.perf_counter()
        subject.source.send(with_power(plain[second], numbers.randrange(2, 99_999)))
    ended = {name: (cpu_s(subject.gateway.pid), time.perf_counter()) for name, subject in subjects.items()}
    return {name: (ended[name][0] - before) / (ended[name][1] - moment) for name, (before, moment) in begun.items()}


if __name__ == "__main__":
    main()

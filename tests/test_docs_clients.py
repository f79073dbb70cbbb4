"""The page of each client: its configuration runs, its commands work, and its requests get the responses shown."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gateway.maps.clients import load_clients
from tests.conftest import ROOT, own_telegram
from tests.documentation import DOCS, Request, blocks, files, page_id, requests
from tests.peers.harness import TARGET_FAILED, ModbusClient, wait_until
from tests.peers.machine import Machine, checkout
from tests.peers.terminal import Terminal
from tests.protocol.p1.stream import only, stamped

PAGES = sorted(path for path in (DOCS / "clients").glob("*.md") if path.name != "README.md")
TELEGRAM = "v50_iskra-am550-solar"
HEADING = re.compile(
    r"# .+\n\n\| \| \|\n\| --- \| --- \|\n"
    r"\| address base \| .+ \|\n\| word order \| .+ \|\n\| data type \| .+ \|\n"
    r"(?:\| framing \| (?P<framing>.+) \|\n)?\n(?P<checked>[^\n]+)",
)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """Give the terminal of a user on a machine with a meter, in a clone of the checkout."""
    with Machine(tmp_path_factory.mktemp("clients") / "machine") as machine:
        checkout(machine.home, ROOT)
        terminal = Terminal(machine)
        with machine.metering(own_telegram(TELEGRAM)):
            yield terminal
            terminal.stop()


def configuration(page: Path) -> str:
    """Return the first configuration on a page."""
    return next(block.text for block in blocks(page) if block.kind == "yaml" and not block.is_map)


def passthrough_ports(page: Path) -> list[int]:
    """Return the ports of the passthroughs in the configuration on a page."""
    return [
        int(entry["listen"].rpartition(":")[2]) for entry in yaml.safe_load(configuration(page)).get("passthrough", [])
    ]


def response_to(client: ModbusClient, request: Request) -> str:
    """Send a request and return the response in the notation of the pages."""
    got = client.read(request.address, request.quantity, request.unit, request.function)
    return f"exception {got:02X}" if isinstance(got, int) else got.hex(" ", 2).upper()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_client_is_served_as_its_page_says(page: Path, terminal: Terminal) -> None:
    for name, text in files(page).items():
        path = terminal.machine.home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    terminal.write(configuration(page))
    terminal.reload()
    asked = requests(page)
    assert asked
    stale = f"exception {TARGET_FAILED:02X}"
    with terminal.machine.client(terminal.port) as client:
        wait_until(lambda: response_to(client, asked[0]) != stale, f"a telegram for {page_id(page)}")
        assert {request.line: response_to(client, request) for request in asked} == {
            request.line: request.response for request in asked
        }
    for port in passthrough_ports(page):
        address = ("127.0.0.1", port)
        with terminal.machine.inside(lambda address=address: socket.create_connection(address)) as reader:
            sent = only(reader.makefile("rb").read(len(own_telegram(TELEGRAM))))
            assert sent.checked
            # The meter has its own clock.
            assert stamped(sent.raw, 0) == stamped(own_telegram(TELEGRAM), 0)
    for block in blocks(page):
        for command in block.commands if block.kind == "commands" else ():
            terminal.type(command)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_page_opens_with_what_every_client_asks(page: Path) -> None:
    heading = HEADING.match(page.read_text())
    assert heading
    # What was tried, or what it could only be checked against.
    assert re.search(r"[Cc]hecked against|Not tried|not tried|Tried", page.read_text()[: heading.end() + 400])
    assert f"/{TELEGRAM}.txt)" in page.read_text()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_page_names_the_framing_of_its_clients_and_the_settings_of_their_line(page: Path) -> None:
    ways = [way for client in load_clients() if client.page == page.name for way in client.ways]
    heading = HEADING.match(page.read_text())
    assert heading
    framing = heading["framing"] or ""
    assert ("RTU over TCP" in framing) is any(way.transport == "rtu_over_tcp" for way in ways)
    for way in ways:
        if way.serial:
            bits = "1 stop bit" if way.serial.stopbits == 1 else "2 stop bits"
            assert f"RTU: {way.serial} (no parity, {bits}), unit id {way.unit}" in framing


def test_every_client_is_in_the_index() -> None:
    index = (DOCS / "clients" / "README.md").read_text()
    assert [page.name for page in PAGES if f"]({page.name})" not in index] == []

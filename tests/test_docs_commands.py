"""Commands and configurations of the pages that are not about one client, run on a machine of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import ROOT, own_telegram, program
from tests.documentation import DOCS, Block, Request, blocks, files, page_id, pages, requests
from tests.peers.harness import ModbusClient, read_request, running, wait_until
from tests.peers.machine import Machine, checkout
from tests.peers.terminal import Terminal
from tests.test_docs_clients import response_to

CLIENTS = DOCS / "clients"
PAGES = [
    page
    for page in pages()[1:]
    if (page.parent != CLIENTS or page.name == "README.md") and any(b.kind == "commands" for b in blocks(page))
]
OF_SER2NET = [block for block in blocks(DOCS / "meters.md") if "ser2net" in block.kind]
FAIL_SAFE = DOCS / "fail-safe.md"
TELEGRAM = own_telegram("v50_iskra-am550-solar")
DEFAULT = 'meter:\n  port: /dev/ttyUSB0\nmodbus:\n  - listen: ":502"\n'
SER2NET_CONF = "2001:raw:600:/dev/ttyUSB0:115200 NONE 1STOPBIT 8DATABITS XONXOFF LOCAL -RTSCTS\n"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a machine with a clone of the checkout and the files that the pages expect."""
    with Machine(tmp_path / "machine") as machine:
        checkout(machine.home, ROOT)
        (machine.home / "telegram.txt").write_bytes(TELEGRAM)
        (machine.etc / "ser2net.conf").write_text(SER2NET_CONF)
        yield machine


def configuration(page: Path) -> str:
    """Return the first configuration on a page with meters that are there, or else that of the quick start."""
    table = files(page).get("meters.csv", "")
    found = [
        block.text for block in blocks(page) if block.kind == "yaml" and re.search(r"^meters?(_file)?:", block.text)
    ]
    return next((text for text in found if "/dev/" in text or ("meters_file" in text and ",true," in table)), DEFAULT)


def write_files(page: Path, folder: Path) -> None:
    (folder / "my_maps").mkdir(exist_ok=True)
    for name, text in files(page).items():
        (folder / name).write_text(text)
    for block in blocks(page):
        if block.kind == "python":
            name = block.text.splitlines()[0].removeprefix("# ")
            (folder / name).write_text(block.text)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_of_a_page_works(page: Path, machine: Machine) -> None:
    write_files(page, machine.home)
    terminal = Terminal(machine)
    with machine.metering(TELEGRAM):
        terminal.write(configuration(page))
        try:
            for block in blocks(page):
                for command in block.commands if block.kind == "commands" else ():
                    terminal.type(command)
        finally:
            terminal.stop()


@pytest.mark.parametrize("block", OF_SER2NET, ids=lambda block: block.kind.replace(" ", "-"))
def test_the_ser2net_of_the_page_brings_the_telegrams(block: Block, machine: Machine) -> None:
    path = machine.home / f"ser2net.{'yaml' if block.kind.startswith('yaml') else 'conf'}"
    path.write_text(block.text)
    terminal = Terminal(machine)
    terminal.write(next(b.text for b in blocks(block.page) if b.kind == "yaml" and "host:" in b.text))
    with ExitStack() as stack:
        stack.enter_context(machine.metering(TELEGRAM))
        ser2net = machine.start(f"{program('ser2net')} -n -u -c {path}", "ser2net")
        stack.enter_context(running(ser2net))
        wait_until(lambda: machine.listens(2001), lambda: f"the ser2net to listen; its log: {ser2net.log}")
        stack.callback(terminal.stop)
        assert "telegrams come in over 192.168.1.13:2001" in terminal.run()


def response_or_nothing(client: ModbusClient, request: Request) -> str:
    """Return the response as `response_to` does, or `nothing` where the next response is that to the next request."""
    if request.response != "nothing":
        return response_to(client, request)
    client.send(read_request(request.address, request.quantity, request.function), unit=request.unit)
    (after,) = client.send(read_request(1, 1), unit=1)
    return "nothing" if client.receive().transaction == after else "a response"


def test_a_pulled_cable_has_the_responses_of_the_page(machine: Machine) -> None:
    terminal = Terminal(machine)
    terminal.write(configuration(FAIL_SAFE))
    asked = requests(FAIL_SAFE)
    try:
        with machine.metering(TELEGRAM):
            terminal.run()
        with machine.client(terminal.port) as client:
            wait_until(lambda: response_to(client, asked[0]) == "exception 0B", "stale readings")
            assert [response_or_nothing(client, request) for request in asked] == [
                request.response for request in asked
            ]
    finally:
        terminal.stop()

"""`dsmr-gateway probe` without a place: the table of what is found, the choice, and its configuration."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
from click.testing import Result

from gateway.config import load_config
from gateway.tools import probing
from tests.announcing import Neighbourhood, network, until
from tests.cli.calling import invoke
from tests.cli.p1_lines import fed_port, fed_pty
from tests.conftest import own_telegram
from tests.peers.harness import Gateway, running
from tests.protocol.p1.stream import stamped

__all__ = ["network"]

TELEGRAM = own_telegram("v50_sagemcom-t210d")
P1 = {"api_enabled": "1", "product_type": "HWE-P1"}
SECONDS = ["--seconds", "20"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a working directory on a machine without serial ports and without a running gateway."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(probing, "serial_ports", list)
    return tmp_path


@contextmanager
def dongle(body: bytes | None = None, requests: list[str] | None = None) -> Iterator[int]:
    """Give the port of a device that responds with its newest telegram, or always with `body`.

    The headers of each request are added to `requests`.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if requests is not None:
                requests.append(str(self.headers))
            # A telegram each half second, by the clock of the meter one each second.
            text = stamped(TELEGRAM, int(2 * time.time())) if body is None else body
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def probe(*arguments: str) -> Result:
    return invoke("probe", *SECONDS, "--search", "1", *arguments)


def probe_until(words: str, *arguments: str) -> Result:
    """Probe again until the output has these words, which the search has to find."""
    results: list[Result] = []

    def is_there() -> bool:
        results.append(probe(*arguments))
        return words in results[-1].output

    until(is_there)
    return results[-1]


def test_a_dongle_is_found_and_its_configuration_can_be_saved(network: Neighbourhood, here: Path) -> None:
    with dongle() as port:
        network.announce("_hwenergy._tcp", "p1meter", port, P1)
        place = f"http://127.0.0.1:{port}/api/v1/telegram"
        result = probe_until("gateway.yaml is written", "--save", "gateway.yaml")
    assert result.exit_code == 0, result.output
    assert re.search(
        rf"^1 +HomeWizard P1 Meter +{re.escape(place)} +DSMR 5 +P1-[0-9]{{6}} +[0-9.]+ s$", result.stdout, re.MULTILINE
    )
    assert load_config(here / "gateway.yaml", {}).all_meters()["meter"].source == place


def test_a_token_is_not_sent_to_whoever_announces_a_device(network: Neighbourhood, here: Path) -> None:
    (here / "homewizard.token").write_text("0123456789ABCDEF0123456789ABCDEF\n")
    requests: list[str] = []
    with dongle(requests=requests) as port:
        network.announce("_p1dongle._tcp", "dongle", port)
        result = probe_until("P1 Dongle", "--token-file", "homewizard.token")
    assert result.exit_code == 0, result.output
    assert "token_file" not in result.stdout
    assert requests
    assert not any("authorization" in each.lower() for each in requests)


def test_two_meters_are_shown_and_one_is_chosen_by_its_number(
    network: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dongle() as port, fed_pty(own_telegram("v40_landisgyr-e350")) as device:
        monkeypatch.setattr(probing, "serial_ports", lambda: [device])
        network.announce("_hwenergy._tcp", "p1meter", port, P1)
        both = probe_until("HomeWizard P1 Meter")
        assert both.exit_code == 0
        assert re.search(rf"^1 +serial port +{device} +DSMR 4 ", both.stdout, re.MULTILINE)
        assert re.search(r"^2 +HomeWizard P1 Meter .* DSMR 5 ", both.stdout, re.MULTILINE)
        assert "write into gateway.yaml" not in both.stdout
        assert "dsmr-gateway probe --choose NUMBER" in both.stderr
        second = probe_until(f":{port}/", "--choose", "2")
        first = json.loads(probe("--choose", "1", "--json").stdout)
        assert probe("--choose", "9").exit_code == 2
    assert f'source: "http://127.0.0.1:{port}/api/v1/telegram"' in second.stdout
    assert [each["place"] for each in first] == [device]


def test_on_a_terminal_the_user_is_asked_which_one(network: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    answers = [1, 0]

    def prompt(text: str, **options: object) -> int:
        asked.append((text, options["default"]))
        return answers.pop(0)

    monkeypatch.setattr("gateway.cli.searching.is_terminal", lambda: True)
    monkeypatch.setattr(click, "prompt", prompt)
    with fed_pty(own_telegram("v40_landisgyr-e350")) as device, fed_pty(TELEGRAM) as other:
        monkeypatch.setattr(probing, "serial_ports", lambda: [device, other])
        result = invoke("probe", *SECONDS, "--search", "0")
        none = invoke("probe", *SECONDS, "--search", "0", "--save", "gateway.yaml")
    assert asked == 2 * [("Which one is yours? (0 for none)", 1)]
    assert f"port: {device}" in result.stdout
    assert none.exit_code == 1
    assert "No source is chosen." in none.stderr
    assert not Path("gateway.yaml").exists()


def test_a_port_with_one_reader_is_tried_once_it_is_chosen(network: Neighbourhood) -> None:
    with fed_port(2 * TELEGRAM) as address:
        network.announce("_iostream._tcp", "p1", int(address.partition(":")[2]), {"gensiostack": "tcp"})
        result = probe_until("ser2net")
        # The port serves one connection: it was not tried.
        assert result.exit_code == 1
        assert "not tried, because it may serve one reader only" in result.stdout
        assert "dsmr-gateway probe --choose NUMBER" in result.stderr
        chosen = probe_until("ser2net", "--choose", "1")
    assert chosen.exit_code == 0, chosen.output
    assert "host: 127.0.0.1" in chosen.stdout


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (TELEGRAM, "the source repeats its last telegram"),
        (b"<html>", "the response is a web page"),
        (b"x" * 1_000_000, "the response has more than 8192 bytes"),
    ],
)
def test_a_device_without_a_meter_is_shown_with_the_reason(network: Neighbourhood, body: bytes, note: str) -> None:
    with dongle(body) as port:
        network.announce("_p1dongle._tcp", "dongle", port)
        result = probe_until("P1 Dongle", "--seconds", "1")
    assert result.exit_code == 1
    assert note in result.stdout


def test_forty_hostile_devices_are_bounded_and_cannot_steer_the_terminal(network: Neighbourhood) -> None:
    texts = {"p": "/ws\x1b[2J", "product_type": "HWE-P1\n99  serial port"}
    network.announce_many(
        lambda number: network.announce("_energydongle._tcp", f"\u202eevil{number}", 80, texts, ["8.8.8.8"]), 40
    )
    result = probe_until("8 more devices announce themselves, and are not shown")
    assert len(re.findall(r"^-", result.stdout, re.MULTILINE)) == 32
    assert "it announces no address of a local network" in result.stdout
    assert result.output.isprintable() or set(filter(lambda c: not c.isprintable(), result.output)) == {"\n"}
    assert result.exit_code == 1


def test_where_there_is_nothing_the_user_learns_what_to_try(network: Neighbourhood) -> None:
    result = probe()
    assert result.exit_code == 1
    assert "There is no serial port" in result.stderr
    assert "No device on the network announces itself" in result.stderr
    data = probe("--json")
    assert (data.exit_code, json.loads(data.stdout)) == (1, [])


def test_what_the_running_gateway_reads_is_left_to_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fed_pty(TELEGRAM) as device:
        gateway = Gateway(here, {"port": device}, environment={"XDG_RUNTIME_DIR": str(here)})
        with running(gateway):
            gateway.wait_for_telegrams(2)
            monkeypatch.setattr(probing, "serial_ports", lambda: [device])
            result = invoke("probe", *SECONDS, "--search", "0")
    assert re.search(rf"^- +running gateway +{device} +DSMR 5 +P1-[0-9]{{6}} +[0-9.]+ s$", result.stdout, re.MULTILINE)
    assert "the gateway that is running reads it" in result.stdout


def test_a_place_and_a_number_exclude_each_other() -> None:
    result = invoke("probe", "/dev/null", "--choose", "1")
    assert result.exit_code == 2
    assert "--choose is for a search" in result.stderr

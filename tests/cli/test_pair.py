"""`dsmr-gateway pair` with a HomeWizard device, from the button to the configuration."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from gateway.config import load_config
from gateway.lines.homewizard_identity import Pairing, read_pairing
from gateway.service import source_lines
from gateway.tools import pairing
from gateway.tools.pairing import user_of
from gateway.transport.secret_file import write_secret
from tests.cli.calling import invoke
from tests.lines.homewizard_device import SERIAL, TOKEN, HomeWizard, Maker, homewizard

LIMIT_S = 60.0


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture(autouse=True)
def _asks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "ASK_EVERY_S", 0.05)


@contextmanager
def served(maker: Maker, name: str = f"appliance/p1dongle/{SERIAL}") -> Iterator[HomeWizard]:
    """Serve a device in a thread of its own, because a command has its own event loop."""
    ready, end = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    devices: list[HomeWizard] = []

    async def serve() -> None:
        async with homewizard(maker, name) as device:
            devices.append(device)
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(LIMIT_S)
        yield devices[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(LIMIT_S)
        loop.close()


def pair(device: HomeWizard, maker: Maker, token_file: Path, *more: str) -> Result:
    return invoke("pair", device.place, "--token-file", str(token_file), "--ca", str(maker.ca), *more)


def test_the_token_is_written_once_the_button_is_pressed(maker: Maker, tmp_path: Path) -> None:
    token_file = tmp_path / "homewizard.token"
    with served(maker) as device:
        device.pressed_at_request = 3
        result = pair(device, maker, token_file, "--name", "my gateway")
        assert result.exit_code == 0, result.stderr
        assert device.asked_for_token == ["local/my gateway"] * 4
        token = device.tokens["local/my gateway"]
        assert result.stdout.count("Press the button") == 1
        assert f"P1 Meter {SERIAL}; its certificate is valid" in result.stdout
        assert "newest telegram of the meter can be read" in result.stdout
        assert token not in result.stdout + result.stderr
        assert read_pairing(token_file) == Pairing(SERIAL, token)
        assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
        text = result.stdout.partition("write into gateway.yaml:")[2]
        (tmp_path / "gateway.yaml").write_text(text)
        meter = load_config(tmp_path / "gateway.yaml", {}).all_meters()["meter"]
        assert (meter.source, meter.token_file) == (f"homewizard://{device.place}", token_file)
        again = pair(device, maker, token_file, "--name", "my gateway")
        assert again.exit_code == 0, again.stderr
        assert read_pairing(token_file).token == device.tokens["local/my gateway"]


def test_a_button_that_is_not_pressed_in_time_leaves_no_file(maker: Maker, tmp_path: Path) -> None:
    with served(maker) as device:
        device.pressed_at_request = 1_000_000
        result = pair(device, maker, tmp_path / "token", "--seconds", "0.3")
    assert result.exit_code == 1
    assert "the button of the device was not pressed" in result.stderr
    assert len(device.asked_for_token) >= 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        (400, "user:name-invalid", "refuses to pair: 'user:name-invalid'"),
        (507, "user:no-storage", "cannot store another token"),
        (404, "", "no API v2"),
        (403, "", "refuses to pair: ''"),
        (302, "", "refuses to pair"),
    ],
)
def test_a_refusal_is_reported(maker: Maker, tmp_path: Path, status: int, error: str, text: str) -> None:
    with served(maker) as device:
        device.status, device.error = status, error
        result = pair(device, maker, tmp_path / "token")
    assert result.exit_code == 1
    assert text in result.stderr
    assert not (tmp_path / "token").exists()


def test_a_device_without_a_telegram_is_paired_all_the_same(maker: Maker, tmp_path: Path) -> None:
    with served(maker) as device:
        device.telegram_status, device.error = 503, "telegram:no-telegram-received"
        result = pair(device, maker, tmp_path / "token")
    assert result.exit_code == 0
    assert "no telegram: the source has not received a telegram since it started" in result.stderr
    assert read_pairing(tmp_path / "token").serial == SERIAL


@pytest.mark.parametrize("name", ["appliance/energymeter/5c2fafaabbcc", "localhost", "appliance/p1dongle/5C2"])
def test_only_a_p1_meter_of_the_maker_is_asked_for_a_token(maker: Maker, tmp_path: Path, name: str) -> None:
    with served(maker, name) as device:
        result = pair(device, maker, tmp_path / "token")
        assert result.exit_code == 1
        assert "this is not a" in result.stderr
        of_the_maker = invoke("pair", device.place, "--token-file", str(tmp_path / "token"))
        assert of_the_maker.exit_code == 1
        assert "the certificate of the host is refused" in of_the_maker.stderr
    assert device.asked_for_token == []


def test_a_host_without_api_v2_is_reported(tmp_path: Path) -> None:
    result = invoke("pair", "localhost:1", "--token-file", str(tmp_path / "token"))
    assert result.exit_code == 1
    assert "no API v2. Is it a HomeWizard P1 Meter with firmware 6.00" in result.stderr


@pytest.mark.parametrize("where", ["", "a/b", "a:0", "a:70000", "http://a"])
def test_a_host_that_is_none_is_an_error_of_usage(tmp_path: Path, where: str) -> None:
    assert invoke("pair", where, "--token-file", str(tmp_path / "token")).exit_code == 2


def test_only_a_token_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("meter: {}\n")
    for file in (tmp_path / "gateway.yaml", tmp_path, tmp_path / "missing" / "token", Path("/dev/null")):
        result = invoke("pair", "localhost:1", "--token-file", str(file))
        assert result.exit_code == 2, result.stderr
    (tmp_path / "empty").touch()
    assert invoke("pair", "localhost:1", "--token-file", str(tmp_path / "empty")).exit_code == 1
    assert (tmp_path / "gateway.yaml").read_text() == "meter: {}\n"


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"old")
    file.chmod(0o640)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_secret(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
    monkeypatch.undo()
    write_secret(file, b"new")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_name_has_only_characters_that_the_device_allows() -> None:
    assert user_of("p1") == "dsmr-gateway-p1"
    assert user_of("naïve.host") == "dsmr-gateway-na-ve-host"
    assert len(user_of("x" * 99)) == 40
    assert user_of("") == "dsmr-gateway"


def test_the_device_is_probed_with_its_token(maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token_file = tmp_path / "homewizard.token"
    write_secret(token_file, Pairing(SERIAL, TOKEN).content)
    with served(maker) as device:
        monkeypatch.setattr(source_lines, "HOMEWIZARD_V1_PORT", device.v1_port)
        device.follows = True
        files = ("--token-file", str(token_file), "--ca", str(maker.ca))
        result = invoke("probe", f"homewizard://{device.place}", *files)
        assert result.exit_code == 0, result.stderr
        assert "(API v2): DSMR 5" in result.stdout
        meter = yaml.safe_load(result.stdout.partition("write into gateway.yaml:")[2])["meter"]
        assert meter["token_file"] == str(token_file)
        device.api_v1_is_on = True
        without = invoke("probe", f"homewizard://{device.place}")
        assert without.exit_code == 0, without.stderr
        assert "(API v1): DSMR 5" in without.stdout

"""`dsmr-gateway setup`: from a meter to a configuration with a page, and to a service."""

from __future__ import annotations

import re
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from gateway.cli import setup
from gateway.cli.probe_output import Files
from gateway.config import check_config
from gateway.tools import new_configuration, probing, service_unit
from tests.cli.calling import invoke
from tests.cli.p1_lines import fed_pty
from tests.conftest import own_telegram

QUICKLY = ("--seconds", "20", "--search", "0")
NEW_PASSWORD = r"(?:[a-z2-9]{4}-){2}[a-z2-9]{4}"


@pytest.fixture(autouse=True)
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the serial port of a meter on a machine with nothing else, in a clean working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with fed_pty(own_telegram("v50_sagemcom-t210d")) as port:
        monkeypatch.setattr(probing, "serial_ports", lambda: [port])
        yield port


def set_up(*arguments: str) -> Result:
    return invoke("setup", *QUICKLY, *arguments)


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_one_command_finds_the_meter_and_writes_a_configuration_with_a_page_for_other_machines(device: str) -> None:
    result = set_up()
    assert result.exit_code == 0, result.output
    config, _ = check_config(Path("gateway.yaml"), {}).valid()
    meter = config.all_meters()["meter"]
    assert (meter.device, meter.dsmr_version) == (device, "5")
    assert str(config.modbus[0]) == ":5020"
    assert config.status_page is not None
    assert (str(config.status_page), config.status_page.password_file) == (":8080", Path("page-password"))
    password = Path("page-password").read_text().strip()
    assert re.fullmatch(NEW_PASSWORD, password)
    assert password in result.stdout
    assert mode("page-password") == 0o600
    assert password not in Path("gateway.yaml").read_text()
    assert "run gateway.yaml" in result.stdout
    assert re.search(r"Open the page: +http://\S+:8080 from any computer in this network", result.stdout)
    assert "# Clients connect to this port" in Path("gateway.yaml").read_text()
    # Another time nothing is replaced without being asked for, and what is replaced stays.
    before = Path("gateway.yaml").read_text()
    refused = set_up()
    assert refused.exit_code == 2
    assert "gateway.yaml exists already. Add --replace" in refused.stderr
    again = set_up("--replace", "--port", "1502", "--page", "here", "--page-port", "8090")
    assert "The former gateway.yaml is now gateway.yaml.old." in again.stdout
    assert Path("gateway.yaml.old").read_text() == before
    config, _ = check_config(Path("gateway.yaml"), {}).valid()
    assert (str(config.modbus[0]), str(config.status_page)) == (":1502", "127.0.0.1:8090")
    assert "http://localhost:8090 on this machine only" in again.stdout


def test_without_a_telegram_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "serial_ports", list)
    for arguments in ([], ["/dev/null"]):
        result = set_up(*arguments)
        assert result.exit_code == 1
        assert not list(Path().iterdir())
    assert "No meter was read, so nothing is written." in result.stderr


def test_a_password_of_the_user_stays_in_its_file(device: str) -> None:
    Path("secret").write_text("short\n")
    assert "no password of 8 characters or more" in set_up("--password-file", "secret").stderr
    Path("secret").write_text("correct horse\n")
    result = set_up(device, "--password-file", "secret", "--config", "gateway.yaml")
    assert result.exit_code == 0, result.output
    config, _ = check_config(Path("gateway.yaml"), {}).valid()
    assert config.status_page is not None
    assert config.status_page.password_file == Path("secret")
    assert "correct horse" not in result.output
    assert not Path("page-password").exists()
    without = set_up(device, "--page", "none", "--replace")
    assert "page:" not in without.stdout
    assert check_config(Path("gateway.yaml"), {}).valid()[0].status_page is None


def test_on_a_terminal_the_user_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("gateway.yaml").write_text("old\n")
    answers: dict[str, list[Any]] = {"Port": [1502], "Password": ["short", "correct horse"], "gateway.yaml": [True]}

    def answer(text: str, **_: object) -> object:
        return answers[text.split(maxsplit=1)[0]].pop(0)

    for module in ("searching", "setup"):
        monkeypatch.setattr(f"gateway.cli.{module}.is_terminal", lambda: True)
    monkeypatch.setattr(click, "prompt", answer)
    monkeypatch.setattr(click, "confirm", answer)
    result = set_up("--no-service")
    assert result.exit_code == 0, result.output
    assert not any(answers.values())
    assert "The password is too short." in result.stderr
    assert Path("page-password").read_text() == "correct horse\n"
    assert Path("gateway.yaml.old").read_text() == "old\n"
    assert "correct horse" not in result.output
    assert str(check_config(Path("gateway.yaml"), {}).valid()[0].modbus[0]) == ":1502"


def no_problem(_program: Path) -> None:
    return None


def test_a_service_gets_its_secrets_from_systemd(tmp_path: Path, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    installed: list[service_unit.Installation] = []

    def run(command: Sequence[str]) -> str:
        asked.append(command)
        return ""

    def install(installation: service_unit.Installation) -> list[Path]:
        installed.append(installation)
        return [tmp_path / "unit"]

    stop, start = service_unit.stop_running, service_unit.start
    monkeypatch.setattr("gateway.cli.setup.SERVICE_CONFIG", tmp_path / "etc" / "gateway.yaml")
    replacements: dict[str, Callable[..., object]] = {
        "install": install,
        "service_problem": no_problem,
        "start": lambda: start(run),
        "stop_running": lambda: stop(run),
    }
    for name, replacement in replacements.items():
        monkeypatch.setattr(service_unit, name, replacement)
    result = set_up("--service", device)
    assert result.exit_code == 0, result.output
    password_file = tmp_path / "etc" / "page-password"
    assert mode(str(password_file)) == 0o600
    assert [(each.configuration, dict(each.secrets), each.device) for each in installed] == [
        (tmp_path / "etc" / "gateway.yaml", {"page-password": password_file}, device)
    ]
    config, _ = check_config(tmp_path / "etc" / "gateway.yaml", {}).valid()
    assert config.status_page is not None
    assert config.status_page.password_file == Path("/run/credentials/dsmr-gateway.service/page-password")
    assert str(config.modbus[0]) == ":502"
    verbs = [command[1] for command in asked]
    assert verbs == ["is-active", "stop", "daemon-reload", "enable", "restart"]
    # If no meter is found, the service that was stopped for the search runs again.
    monkeypatch.setattr(probing, "serial_ports", list)
    assert set_up("--service", "--replace").exit_code == 1
    assert [command[1] for command in asked[len(verbs) :]] == verbs


def test_a_service_that_cannot_be_installed_is_refused_before_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_unit, "_RUNNING_SYSTEMD", Path("/nowhere"))
    result = set_up("--service")
    assert result.exit_code == 2
    assert "systemd does not run on this machine" in result.stderr


def test_a_port_that_a_program_uses_is_reported(device: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = set_up(device, "--page", "here", "--page-port", str(port))
    assert result.exit_code == 0
    assert re.search(rf"gateway.yaml:\d+:\d+: status_page.listen: .*127.0.0.1:{port}", result.stderr), result.stderr


def test_new_passwords_differ() -> None:
    assert len({new_configuration.new_password() for _ in range(100)}) == 100


def test_two_secret_files_of_the_same_name_in_different_folders_stay_apart() -> None:
    wishes = setup._Wishes(Path("gateway.yaml"), True, None, "network", 8080, Path("/page/secret"), False)
    files = Files(None, None, Path("/keys/secret"), Path("/keys/other"))
    credentials = setup._credentials(wishes, wishes.password_file, files)
    assert sorted(credentials.values()) == [Path("/keys/other"), Path("/keys/secret"), Path("/page/secret")]
    assert credentials["secret"] == Path("/page/secret")

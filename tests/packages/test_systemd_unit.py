"""The systemd unit: how exposed it is, and that what it takes away is nothing that the gateway needs."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from gateway.transport.control_socket import SERVICE_FOLDER
from tests.certificates import client_context, make_certificates
from tests.conftest import ROOT, own_telegram, program
from tests.peers.harness import (
    LIMIT_S,
    NOBODY,
    Gateway,
    ModbusClient,
    SerialPort,
    as_nobody,
    free_port,
    gateway_command,
    open_folder,
    running,
)

UNIT = ROOT / "gateway" / "service" / "dsmr-gateway.service"
MOST_EXPOSURE = 2.0
CAPABILITY = "net_bind_service"
MODBUS_PORT = 502


def settings() -> dict[str, list[str]]:
    """The unit's settings with all values of each."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze."""
    command = [program("systemd-analyze"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_unit_is_exposed_no_more_than_is_promised() -> None:
    result = analyze("security", "--offline=true", "--no-pager", UNIT)
    assert result.returncode == 0, result.stderr
    measured = re.search(r"Overall exposure level for dsmr-gateway.service: ([\d.]+)", result.stdout)
    assert measured, result.stdout
    assert float(measured[1]) < MOST_EXPOSURE


def test_systemd_understands_every_line_of_it(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    # The command must exist where it is verified; /bin/true does everywhere.
    copy.write_text(UNIT.read_text().replace("/usr/bin/dsmr-gateway", "/bin/true"))
    result = analyze("verify", "--man=no", copy)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Type", ["notify"]),
        ("WatchdogSec", ["60"]),
        ("Restart", ["always"]),
        ("RestartSec", ["5"]),
        ("RestartPreventExitStatus", ["78"]),
        ("StartLimitIntervalSec", ["0"]),
        ("DynamicUser", ["yes"]),
        ("SupplementaryGroups", ["dialout"]),
        ("AmbientCapabilities", ["CAP_NET_BIND_SERVICE"]),
        ("CapabilityBoundingSet", ["CAP_NET_BIND_SERVICE"]),
        ("MemoryMax", ["256M"]),
        ("MemorySwapMax", ["0"]),
        ("TasksMax", ["64"]),
        ("LimitCORE", ["0"]),
        ("RuntimeDirectory", [SERVICE_FOLDER.name]),
        ("DevicePolicy", ["closed"]),
        ("DeviceAllow", ["char-ttyUSB rw", "char-ttyACM rw", "char-ttyAMA rw", "char-ttyS rw"]),
        ("ExecReload", ["/usr/bin/dsmr-gateway reload"]),
    ],
)
def test_it_contains_what_the_documentation_promises(name: str, values: list[str]) -> None:
    assert settings()[name] == values


def test_devices_are_not_hidden_from_it() -> None:
    # PrivateDevices would take the serial ports away, PrivateNetwork the clients.
    assert not {"PrivateDevices", "PrivateNetwork", "IPAddressDeny"} & settings().keys()


def test_the_modbus_port_is_open_to_a_gateway_that_may_nothing_else() -> None:
    with open_folder() as folder:
        as_nobody(folder)
        if os.geteuid():
            pytest.skip("only root can give a capability away")
        rights = f"-all,+{CAPABILITY}"
        prefix = [
            *(program("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"),
            *(f"--inh-caps={rights}", f"--ambient-caps={rights}", f"--bounding-set={rights}", "--"),
        ]
        # An address that no other test listens on.
        listen = {"listen": f"127.0.50.2:{MODBUS_PORT}"}
        with running(gateway := Gateway(folder, {"simulate": True}, listen, prefix=prefix)):
            status = Path(f"/proc/{gateway.pid}/status").read_text()
            assert re.search(r"^CapEff:\s+0*400$", status, re.MULTILINE)
            gateway.wait_for_log(f"connect to 127.0.50.2:{MODBUS_PORT}")


def allowed_calls() -> set[str]:
    """The system calls that the unit's filter lets pass."""
    sets: dict[str, list[str]] = {}
    for line in analyze("syscall-filter", "--no-pager").stdout.splitlines():
        if line.startswith("@"):
            sets[name := line.strip()] = []
        elif (call := line.strip()) and not call.startswith("#"):
            sets[name].append(call)

    def expand(words: str) -> set[str]:
        found = set()
        for word in words.split():
            found |= expand(" ".join(sets[word])) if word.startswith("@") else {word}
        return found

    allowed: set[str] = set()
    for words in settings()["SystemCallFilter"]:
        allowed = allowed - expand(words[1:]) if words.startswith("~") else allowed | expand(words)
    return allowed | expand("@default")


def test_the_filter_lets_every_system_call_pass_that_the_gateway_makes(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    prefix = [program("strace"), "-f", "-qq", "-o", str(calls), "--"]
    with SerialPort(tmp_path / "p1") as port:
        meter = {"port": str(port.link), "dsmr_version": "5"}
        offers = [{"listen": f"127.0.0.1:{free_port()}"}]
        server = {"listen": f"127.0.0.1:{free_port()}"}
        environment = {"NOTIFY_SOCKET": str(tmp_path / "nobody")}
        page = f"127.0.0.1:{free_port()}"
        more = {"status_page": {"listen": page}}
        gateway = Gateway(
            tmp_path, meter, server, passthrough=offers, prefix=prefix, environment=environment, settings=more
        )
        with running(gateway), port.sending(own_telegram("v50_sagemcom-t210d")):
            gateway.wait_for_telegrams(2)
            (child,) = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()
            with ModbusClient(gateway.passthrough_ports[0]) as reader:
                assert reader.socket.recv(1)
            with urlopen(f"http://{page}", timeout=LIMIT_S) as answer:
                assert answer.status == 200
            asked = subprocess.run(
                [gateway_command(), "requests"],
                env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
                capture_output=True,
                timeout=LIMIT_S,
                check=True,
            )
            assert asked.stdout
            os.kill(int(child), signal.SIGHUP)
            gateway.wait_for_log("info reloaded")
            os.kill(int(child), signal.SIGTERM)
            gateway.wait()
    made = set(re.findall(r"^\d+ +(\w+)\(", calls.read_text(), re.MULTILINE))
    assert {"socket", "bind", "read"} <= made
    # What begins the program is systemd's own, which comes before the filter.
    assert made - allowed_calls() - {"execve"} == set()
    families = set(re.findall(r" socket\((AF_\w+)", calls.read_text()))
    assert families - set(settings()["RestrictAddressFamilies"][0].split()) == set()


REFUSE_TO_RUN_WHAT_IS_WRITTEN = """
import ctypes, os, sys
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit(99)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""The kernel's own form of MemoryDenyWriteExecute, which lasts over `exec`."""
CANNOT_REFUSE = 99


def test_nothing_needs_memory_that_is_written_and_run(tmp_path: Path) -> None:
    prefix = [sys.executable, "-c", REFUSE_TO_RUN_WHAT_IS_WRITTEN]
    if subprocess.run([*prefix, "/bin/true"], check=False).returncode == CANNOT_REFUSE:
        pytest.skip("this kernel cannot refuse it; Linux 6.3 can")
    has_been_refused = [*prefix, sys.executable, "-c", "import mmap; mmap.mmap(-1, 4096, prot=7)"]
    assert subprocess.run(has_been_refused, capture_output=True, check=False).returncode
    files = make_certificates(tmp_path)
    tls = {"certificate": str(files.certificate), "key": str(files.key), "client_ca": str(files.client_ca)}
    with running(gateway := Gateway(tmp_path, {"simulate": True}, {}, {"tls": tls}, prefix=prefix)):
        gateway.wait_for_telegrams(1)
        with (
            socket.create_connection(("127.0.0.1", gateway.ports[1]), LIMIT_S) as plain,
            client_context(tmp_path).wrap_socket(plain, server_hostname="server") as client,
        ):
            # That the client's role is read needs the largest library.
            client.sendall(bytes.fromhex("000100000006010300000001"))
            assert client.recv(20) == bytes.fromhex("0001000000050103020001")

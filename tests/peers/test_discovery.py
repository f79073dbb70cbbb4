"""`dsmr-gateway probe` on a network where avahi, which another project wrote, announces the devices and a ser2net."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import program
from tests.peers.harness import running, wait_until
from tests.peers.machine import Machine

ADDRESS = "192.168.77.1"
NETWORK = f"""\
ip link add eth0 type veth peer name eth1 && ip link set eth1 up && ip address add {ADDRESS}/24 dev eth0 && \
ip link set eth0 up && mount -t tmpfs none /run"""
CONFIGURATION = """\
[server]
host-name=barn
enable-dbus={dbus}
allow-interfaces=eth0
"""
DEVICES = {
    "Energy Dongle \u202e 37e4": ("_energydongle._tcp", 80, ["p=/ws", "v=1"]),
    "P1 in the barn": ("_iostream._tcp", 2001, ["gensiostack=telnet(rfc2217),tcp", "provider=ser2net"]),
    "DSMR-API": ("_DSMR-API._tcp", 80, []),
    "p1meter-1A2B3C": ("_hwenergy._tcp", 80, ["api_enabled=0", "product_type=HWE-P1", "path=/api/v1"]),
}
"""Name → service, port and TXT records of a device."""
PLACES = {
    "Homey Energy Dongle": f"ws://{ADDRESS}/ws",
    "ser2net, RFC 2217": f"rfc2217://{ADDRESS}:2001",
    "DSMR-logger": f"http://{ADDRESS}/api/v1/sm/telegram",
    "HomeWizard P1 Meter": f"homewizard://{ADDRESS}",
}


def test_devices_that_avahi_announces_are_found(tmp_path: Path) -> None:
    avahi = program("avahi-daemon")
    with Machine(tmp_path / "machine") as machine:
        check(machine, avahi)


def check(machine: Machine, avahi: str) -> None:
    services = machine.etc / "avahi" / "services"
    services.mkdir(parents=True, exist_ok=True)
    (machine.etc / "avahi" / "test.conf").write_text(CONFIGURATION.format(dbus="no"))
    for name, (service, port, texts) in DEVICES.items():
        records = "".join(f"<txt-record>{text}</txt-record>" for text in texts)
        entry = f"<service><type>{service}</type><port>{port}</port>{records}</service>"
        (services / f"{port}{service}.service").write_text(f"<service-group><name>{name}</name>{entry}</service-group>")
    ready = machine.run(NETWORK)
    assert ready.returncode == 0, ready.stderr
    daemon = machine.start(f"{avahi} --no-drop-root --no-chroot --no-rlimits -f /etc/avahi/test.conf", "avahi")
    found: dict[str, str] = {}

    def are_found() -> bool:
        result = machine.run("dsmr-gateway probe --search 3 --seconds 1 --json")
        found.update({each["kind"]: each["place"] for each in json.loads(result.stdout)})
        return found.keys() >= PLACES.keys()

    with running(daemon):
        daemon.wait_for_log("successfully established", times=len(DEVICES))
        wait_until(are_found, lambda: f"all devices; so far: {found}")
    assert PLACES.items() <= found.items()


SER2NET = """\
%YAML 1.1
---
connection: &plain
  accepter: tcp,2001
  connector: serialdev,/dev/ttyUSB1,115200n81,local
  options: {mdns: true}
connection: &telnet
  accepter: telnet(rfc2217),tcp,2002
  connector: serialdev,/dev/ttyUSB1,115200n81,local
  options: {mdns: true}
"""


def test_a_ser2net_that_announces_its_ports_itself_is_found(tmp_path: Path) -> None:
    avahi, dbus, ser2net = program("avahi-daemon"), program("dbus-daemon"), program("ser2net")
    with Machine(tmp_path / "machine") as machine:
        ready = machine.run(f"{NETWORK} && mkdir /run/dbus")
        assert ready.returncode == 0, ready.stderr
        (machine.etc / "avahi" / "test.conf").write_text(CONFIGURATION.format(dbus="yes"))
        (machine.etc / "ser2net-test.yaml").write_text(SER2NET)
        with running(machine.start(f"{dbus} --system --nofork --nopidfile", "dbus")):
            wait_until(lambda: machine.run("test -S /run/dbus/system_bus_socket").returncode == 0, "the bus")
            daemon = machine.start(f"{avahi} --no-drop-root --no-chroot --no-rlimits -f /etc/avahi/test.conf", "avahi")
            with running(daemon):
                daemon.wait_for_log("Server startup complete")
                with running(machine.start(f"{ser2net} -n -d -c /etc/ser2net-test.yaml", "ser2net")):
                    check_ser2net(machine)


def check_ser2net(machine: Machine) -> None:
    found: dict[str, str] = {}
    expected = {f"{ADDRESS}:2001": "ser2net", f"rfc2217://{ADDRESS}:2002": "ser2net, RFC 2217"}

    def are_found() -> bool:
        result = machine.run("dsmr-gateway probe --search 2 --seconds 1 --json")
        found.update({each["place"]: each["kind"] for each in json.loads(result.stdout)})
        return found.keys() >= expected.keys()

    wait_until(are_found, lambda: f"both ports; so far: {found}")
    assert expected.items() <= found.items()

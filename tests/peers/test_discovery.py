"""`dsmr-gateway probe` on a network where avahi, which another project wrote, announces the devices."""

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
enable-dbus=no
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
    (machine.etc / "avahi" / "test.conf").write_text(CONFIGURATION)
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

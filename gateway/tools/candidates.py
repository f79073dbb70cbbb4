"""The sources of telegrams that the devices found on the network may be, each with how it is read.

Which devices announce what: HomeWizard's API documentation; ser2net.yaml(5), `mdns-txt`; Homey's Energy Dongle Local
API; the firmware of P1 Dongle and DSMR-logger; ESPHome's mDNS component.

Only addresses of private networks are tried: a device may announce any address, also one on the Internet, one of this
machine, or one that is only valid together with an interface. The path is never taken from the network, apart from that
of the Homey Energy Dongle, which is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, ip_address, ip_network

from gateway.tools.announcements import Announced

PROVIDER = "dsmr-modbus-gateway"
"""TXT record `provider` of a passthrough of this gateway."""
PASSTHROUGH = "passthrough of a gateway"
"""Beginning of the kind of such a candidate."""
_HTTP_PORT, _HTTPS_PORT = 80, 443
_PRIVATE = [ip_network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]
"""Private networks (RFC 1918, RFC 4193)."""
_PATH = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9_/-]{0,63}")
_READER = re.compile(r"p1|dsmr|slimme|smart.?meter", re.IGNORECASE)
"""Pattern for the names of ESPHome devices that may read a P1 port; most of them are lamps and sensors."""

_P1_DONGLE = "_p1dongle._tcp"
_HOME_WIZARD = ("_hwenergy._tcp", "_homewizard._tcp")
_ESP_HOME = "_esphomelib._tcp"
_ONE_READER = "not tried, because it may serve one reader only"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where telegrams may come from."""

    kind: str
    place: str
    """Argument of `probe`: a device, HOST:PORT or a URL; empty where it is not known."""
    name: str = ""
    """Name that the device announces."""
    remark: str = ""
    """Reason why it is not tried, with what to do; empty for one that is tried."""
    is_usable: bool = True
    """False for one that cannot be a source now, whatever is tried."""

    @property
    def is_tried(self) -> bool:
        """Return whether to read it without being asked to."""
        return self.is_usable and not self.remark


def is_local(address: str, networks: Sequence[IPv4Interface]) -> bool:
    """Return whether an address may be tried: one of a private network, or one in a network that was searched.

    Args:
        address: an address from an announcement, with its scope id where it has one.
        networks: the addresses of this machine in the networks that were searched.

    """
    ip = ip_address(address)
    if ip.is_multicast or ip.is_unspecified or ip.is_global:
        return False
    if isinstance(ip, IPv4Address) and any(ip in each.network for each in networks):
        return True
    return any(ip in network for network in _PRIVATE if network.version == ip.version)


def is_wanted(service: str, name: str) -> bool:
    """Return whether a device may read a meter, by its name; a house may have many ESPHome devices that do not."""
    return service != _ESP_HOME or _READER.search(name) is not None


def candidates(
    devices: Iterable[Announced], networks: Sequence[IPv4Interface], *, has_token: bool = False
) -> list[Candidate]:
    """Return the sources that devices may be, each once, in an order that stays the same.

    Args:
        devices: the devices as they announce themselves.
        networks: the addresses of this machine in the networks that were searched.
        has_token: True where there is the token of a HomeWizard P1 Meter.

    """
    found: dict[str, Candidate] = {}
    p1_dongles = set[str]()
    for device in sorted(devices, key=lambda each: (_order(each.service), each.name, each.addresses)):
        local = next((each for each in device.addresses if is_local(each, networks)), None)
        if local is None:
            candidate = Candidate(
                _TITLES[device.service], "", device.name, "it announces no address of a local network", is_usable=False
            )
        elif device.service in _HOME_WIZARD and local in p1_dongles:
            continue  # a P1 Dongle announces itself as a HomeWizard P1 Meter too
        else:
            made = _MAKERS[device.service](device, f"[{local}]" if ":" in local else local)
            if made is None:
                continue
            candidate = replace(made, remark="") if has_token and device.service in _HOME_WIZARD else made
            if device.service == _P1_DONGLE:
                p1_dongles.add(local)
        found.setdefault(candidate.place or f"{candidate.kind} {candidate.name}", candidate)
    return list(found.values())


def _url(scheme: str, host: str, port: int, path: str) -> str:
    return f"{scheme}://{host}{'' if port == _HTTP_PORT else f':{port}'}{path}"


def _p1_dongle(device: Announced, host: str) -> Candidate:
    return Candidate("P1 Dongle", _url("http", host, device.port, "/api/v2/sm/telegram"), device.name)


def _dsmr_logger(device: Announced, host: str) -> Candidate:
    return Candidate("DSMR-logger", _url("http", host, device.port, "/api/v1/sm/telegram"), device.name)


def _home_wizard_v1(device: Announced, host: str) -> Candidate | None:
    """Return a P1 Meter that has API v1, if it is switched on; None for another product of HomeWizard."""
    if device.texts.get("product_type") != "HWE-P1":
        return None
    if device.port != _HTTP_PORT:  # an imitation of one
        return Candidate("HomeWizard P1 Meter", _url("http", host, device.port, "/api/v1/telegram"), device.name)
    hint = (
        f"its API v1 is switched off. Pair with it: dsmr-gateway pair {host} --token-file homewizard.token. Or in the"
        " HomeWizard Energy app: Settings, Meters, the P1 Meter, Local API"
    )
    is_on = device.texts.get("api_enabled") == "1"
    return Candidate("HomeWizard P1 Meter", f"homewizard://{host}", device.name, "" if is_on else hint)


def _home_wizard_v2(device: Announced, host: str) -> Candidate | None:
    """Return a P1 Meter that has API v2; None for another product of HomeWizard."""
    if device.texts.get("product_type") != "HWE-P1":
        return None
    place = f"{host}{'' if device.port == _HTTPS_PORT else f':{device.port}'}"
    hint = f"pair with it first: dsmr-gateway pair {place} --token-file homewizard.token"
    return Candidate("HomeWizard P1 Meter", f"homewizard://{place}", device.name, hint)


def _energy_dongle(device: Announced, host: str) -> Candidate:
    path = device.texts.get("p", "")
    is_on = _PATH.fullmatch(path) is not None
    hint = "its API is switched off. In the Homey app: the Energy Dongle, advanced settings, Local API"
    place = _url("ws", host, device.port, f"/{path.lstrip('/')}") if is_on else ""
    return Candidate("Homey Energy Dongle", place, device.name, "" if is_on else hint, is_usable=is_on)


def _ser2net(device: Announced, host: str) -> Candidate:
    """Return a ser2net, or the passthrough of a gateway, which announces itself as one."""
    kind = PASSTHROUGH if device.texts.get("provider") == PROVIDER else "ser2net"
    layers = re.sub(r"\([^()]*\)", "", device.texts.get("gensiostack", "")).split(",")
    place = f"{host}:{device.port}"
    if layers == ["telnet", "tcp"]:
        remark = f"{_ONE_READER}, and trying sets its serial port"
        return Candidate(f"{kind}, RFC 2217", f"rfc2217://{place}", device.name, remark)
    if layers not in (["tcp"], [""]):
        return Candidate(
            kind, place, device.name, "it needs a protocol that the gateway does not have", is_usable=False
        )
    return Candidate(kind, place, device.name, _ONE_READER)


def _esp_home(device: Announced, host: str) -> Candidate:
    """Return a device that does not announce on which TCP port it sends telegrams, if it does."""
    remark = f"if it has a stream server, try its port, such as: dsmr-gateway probe {host}:23"
    return Candidate("ESPHome", "", device.name, remark, is_usable=False)


_MAKERS: Mapping[str, Callable[[Announced, str], Candidate | None]] = {
    _P1_DONGLE: _p1_dongle,
    "_DSMR-API._tcp": _dsmr_logger,
    "_hwenergy._tcp": _home_wizard_v1,
    "_homewizard._tcp": _home_wizard_v2,
    "_energydongle._tcp": _energy_dongle,
    "_iostream._tcp": _ser2net,
    _ESP_HOME: _esp_home,
}
"""Service → the function that makes its candidate; one that comes first is taken where a device announces several."""
_TITLES: Mapping[str, str] = {
    _P1_DONGLE: "P1 Dongle",
    "_DSMR-API._tcp": "DSMR-logger",
    "_hwenergy._tcp": "HomeWizard",
    "_homewizard._tcp": "HomeWizard",
    "_energydongle._tcp": "Homey Energy Dongle",
    "_iostream._tcp": "ser2net",
    _ESP_HOME: "ESPHome",
}
SERVICES = tuple(_MAKERS)
"""Services that are searched for."""


def _order(service: str) -> int:
    return SERVICES.index(service)

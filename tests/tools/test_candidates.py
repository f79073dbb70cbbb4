"""What a device that announces itself is, and whether it may be tried."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Interface

import pytest

from gateway.config.meter import MeterConfig
from gateway.tools.announcements import Announced
from gateway.tools.candidates import SERVICES, Candidate, candidates, is_local, is_wanted

HERE = [IPv4Interface("192.168.1.5/24"), IPv4Interface("169.254.7.1/16")]
P1 = {"api_enabled": "1", "product_type": "HWE-P1", "path": "/api/v1"}


def announced(
    service: str, texts: Mapping[str, str] | None = None, *addresses: str, port: int = 80, name: str = "n"
) -> Announced:
    return Announced(service, name, addresses or ("192.168.1.20",), port, texts or {})


def only(device: Announced) -> Candidate:
    (candidate,) = candidates([device], HERE)
    return candidate


@pytest.mark.parametrize(
    ("device", "kind", "place"),
    [
        (announced("_hwenergy._tcp", P1), "HomeWizard P1 Meter", "homewizard://192.168.1.20"),
        (announced("_hwenergy._tcp", P1, port=8080), "HomeWizard P1 Meter", "http://192.168.1.20:8080/api/v1/telegram"),
        (announced("_p1dongle._tcp"), "P1 Dongle", "http://192.168.1.20/api/v2/sm/telegram"),
        (announced("_DSMR-API._tcp", port=8080), "DSMR-logger", "http://192.168.1.20:8080/api/v1/sm/telegram"),
        (announced("_energydongle._tcp", {"p": "/ws"}), "Homey Energy Dongle", "ws://192.168.1.20/ws"),
        (announced("_energydongle._tcp", {"p": "ws"}, "fd00::7"), "Homey Energy Dongle", "ws://[fd00::7]/ws"),
    ],
)
def test_a_device_that_bears_several_readers_is_tried(device: Announced, kind: str, place: str) -> None:
    candidate = only(device)
    assert (candidate.kind, candidate.place, candidate.is_tried) == (kind, place, True)
    assert MeterConfig(source=place).parsed_source


@pytest.mark.parametrize(
    ("stack", "provider", "kind", "place"),
    [
        ("tcp", "ser2net", "ser2net", "192.168.1.20:2001"),
        ("", "", "ser2net", "192.168.1.20:2001"),
        ("telnet(rfc2217),tcp", "ser2net", "ser2net, RFC 2217", "rfc2217://192.168.1.20:2001"),
        ("tcp", "dsmr-modbus-gateway", "passthrough of a gateway", "192.168.1.20:2001"),
    ],
)
def test_a_port_that_may_serve_one_reader_is_not_tried_but_can_be_chosen(
    stack: str, provider: str, kind: str, place: str
) -> None:
    candidate = only(announced("_iostream._tcp", {"gensiostack": stack, "provider": provider}, port=2001))
    assert (candidate.kind, candidate.place) == (kind, place)
    assert (candidate.is_usable, candidate.is_tried) == (True, False)
    assert "one reader only" in candidate.remark


@pytest.mark.parametrize(
    ("device", "remark"),
    [
        (announced("_energydongle._tcp"), "In the Homey app: the Energy Dongle, advanced settings, Local API"),
        (announced("_energydongle._tcp", {"p": "../../admin?x=1"}), "switched off"),
        (announced("_iostream._tcp", {"gensiostack": "ssl,tcp"}), "a protocol that the gateway does not have"),
        (announced("_esphomelib._tcp", name="slimmelezer"), "dsmr-gateway probe 192.168.1.20:23"),
    ],
)
def test_a_device_that_cannot_be_a_source_now_says_what_to_do(device: Announced, remark: str) -> None:
    candidate = only(device)
    assert not candidate.is_usable
    assert remark in candidate.remark


def test_other_devices_of_a_maker_are_left_out() -> None:
    assert candidates([announced("_hwenergy._tcp", P1 | {"product_type": "HWE-SKT"})], HERE) == []
    assert not is_wanted("_esphomelib._tcp", "kitchen-lamp")
    assert is_wanted("_esphomelib._tcp", "SlimmeLezer-1A2B")
    assert is_wanted("_hwenergy._tcp", "kitchen")


def test_a_dongle_that_announces_itself_as_two_devices_is_one() -> None:
    both = [announced("_homewizard._tcp", P1, port=443), announced("_hwenergy._tcp", P1), announced("_p1dongle._tcp")]
    assert [each.kind for each in candidates(both, HERE)] == ["P1 Dongle"]
    assert (
        len(candidates([announced("_hwenergy._tcp", P1), announced("_hwenergy._tcp", P1, "192.168.1.21")], HERE)) == 2
    )


def test_the_order_of_the_candidates_does_not_depend_on_that_of_the_announcements() -> None:
    devices = [announced(service, P1, name=name) for service in SERVICES for name in ("p1 b", "p1 a")]
    assert candidates(devices, HERE) == candidates(devices[::-1], HERE)


@pytest.mark.parametrize(
    ("address", "is_tried"),
    [
        ("192.168.1.20", True),
        ("10.7.0.1", True),
        ("172.16.0.1", True),
        ("fd00::1", True),
        ("169.254.7.9", True),
        ("8.8.8.8", False),
        ("100.64.0.1", False),
        ("172.32.0.1", False),
        ("2001:4860:4860::8888", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("224.0.0.251", False),
        ("ff02::fb", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:8.8.8.8", False),
    ],
)
def test_only_addresses_of_local_networks_are_tried(address: str, is_tried: bool) -> None:
    assert is_local(address, HERE) == is_tried
    (candidate,) = candidates([announced("_hwenergy._tcp", P1, address)], HERE)
    assert candidate.is_tried == is_tried
    assert is_tried or candidate.remark == "it announces no address of a local network"


def test_an_interface_with_a_link_local_network_is_needed_for_such_an_address() -> None:
    assert not is_local("169.254.7.9", HERE[:1])


def test_the_first_local_address_of_several_is_taken() -> None:
    candidate = only(announced("_hwenergy._tcp", P1, "8.8.8.8", "192.168.1.20", "fd00::1"))
    assert candidate.place == "homewizard://192.168.1.20"


@pytest.mark.parametrize(
    ("devices", "remark"),
    [
        ([announced("_hwenergy._tcp", P1), announced("_homewizard._tcp", P1, port=443)], ""),
        (
            [announced("_hwenergy._tcp", P1 | {"api_enabled": "0"}), announced("_homewizard._tcp", P1, port=443)],
            "its API v1 is switched off. Pair with it: dsmr-gateway pair 192.168.1.20 --token-file homewizard.token",
        ),
        ([announced("_homewizard._tcp", P1, port=443)], "pair with it first: dsmr-gateway pair 192.168.1.20 --token"),
    ],
)
def test_a_home_wizard_is_one_source_which_a_token_opens(devices: list[Announced], remark: str) -> None:
    (candidate,) = candidates(devices, HERE)
    assert candidate.place == "homewizard://192.168.1.20"
    assert candidate.remark.startswith(remark)
    assert candidate.is_tried == (not remark)
    (with_token,) = candidates(devices, HERE, has_token=True)
    assert with_token.is_tried

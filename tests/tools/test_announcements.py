"""Devices that announce themselves are found, and their number is limited."""

from __future__ import annotations

import asyncio
import sys

import pytest

from gateway.problems.problem import ProblemError
from gateway.tools.announcements import MAX_PER_SERVICE, Announced, Announcements, networks_here, search
from tests.announcing import LOOPBACK, Neighbourhood, network, until

__all__ = ["network"]

HOME_WIZARD, SER2NET = "_hwenergy._tcp", "_iostream._tcp"


def test_a_device_is_found_with_its_address_port_and_texts(network: Neighbourhood) -> None:
    name = network.announce(HOME_WIZARD, "p1meter-ABCDEF", 8080, {"API_Enabled": "1", "product_type": "HWE-P1"})
    found: list[Announced] = []
    until(lambda: bool(found.extend(network.search().devices) or found))
    texts = {"api_enabled": "1", "product_type": "HWE-P1"}
    assert found[0] == Announced(HOME_WIZARD, name, ("127.0.0.1",), 8080, texts)


def test_nothing_is_found_where_nothing_is_announced(network: Neighbourhood) -> None:
    assert network.search() == Announcements([], 0)


def test_devices_beyond_the_limit_are_counted_and_do_not_hide_those_of_other_kinds(network: Neighbourhood) -> None:
    network.announce_many(lambda number: network.announce(SER2NET, f"port {number}", 2000 + number), 40)
    network.announce(HOME_WIZARD)
    found = Announcements()

    def is_complete() -> bool:
        nonlocal found
        found = network.search()
        return found.left_out == 40 - MAX_PER_SERVICE and len(found.devices) == MAX_PER_SERVICE + 1

    until(is_complete)
    assert sum(each.service == SER2NET for each in found.devices) == MAX_PER_SERVICE


def test_texts_that_are_not_text_and_long_names_are_taken_as_they_are_and_cut(network: Neighbourhood) -> None:
    texts = {"p": b"\xff\xfe\x1b[31m", **{f"key{number}": "x" * 20 for number in range(100)}}
    network.announce("_energydongle._tcp", f"{50 * 'x'}", 80, texts)
    found: list[Announced] = []
    until(lambda: bool(found.extend(network.search().devices) or found))
    assert len(found[0].name) <= 40
    assert len(found[0].texts) <= 32
    assert found[0].texts["p"] == "\ufffd\ufffd\x1b[31m"


def test_a_machine_without_a_network_says_so() -> None:
    with pytest.raises(ProblemError, match="this machine has no network address"):
        asyncio.run(search([HOME_WIZARD], 0.1, [], lambda *_: True))


def test_without_the_library_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ifaddr", None)
    monkeypatch.setitem(sys.modules, "zeroconf.asyncio", None)
    with pytest.raises(ProblemError, match=r"pip install '\.\[mdns\]'"):
        networks_here()
    with pytest.raises(ProblemError, match=r"pip install '\.\[mdns\]'"):
        asyncio.run(search([HOME_WIZARD], 0.1, LOOPBACK, lambda *_: True))


def test_the_networks_of_this_machine_are_searched_without_its_loopback() -> None:
    pytest.importorskip("ifaddr")
    assert not any(each.ip.is_loopback for each in networks_here())

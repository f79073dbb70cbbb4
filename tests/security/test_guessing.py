"""Finding 7: guesses are counted by network and together, and delayed; the right password is always accepted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path

import pytest

import gateway.transport.guessing
from gateway.nodes.status_page.access import Access, Refusal, StatusPageSettings
from gateway.transport.guessing import (
    MAX_DELAYED,
    MAX_DELAYED_PER_SOURCE,
    MAX_SOURCES,
    MAX_WRONG_PASSWORDS,
    MAX_WRONG_TOTAL,
    Guessing,
)
from tests.security.rotation_bench import gateway_in
from tests.waiting import until

SECRET = hashlib.sha256(b"correct horse").digest()
PAGE = 'meter: {simulate: true}\nmodbus: [{listen: "127.0.0.1:0"}]\n'
PAGE += 'status_page: {listen: "127.0.0.1:0", password_file: password}\n'


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()}


class Attacked:
    """Access to a page that is attacked, with the lines that it logs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.access = Access(StatusPageSettings("", 8080), SECRET, self.lines.append)

    def ask(self, host: str, password: str, now: float = 0.0) -> Refusal | None:
        """Ask with a password."""
        return self.access.refuse((host, 50_000), basic(password), now)

    def guess(self, host: str, now: float = 0.0) -> int:
        """Guess wrongly; return the status."""
        refusal = self.ask(host, "wrong guess", now)
        assert refusal is not None
        assert bool(refusal.delayed_for) is (refusal.status == 429)
        return refusal.status


@pytest.mark.parametrize("hosts", [["192.0.2.7"], [f"2001:db8:0:1::{n:x}" for n in range(1, 40)]])
def test_a_source_that_guesses_is_delayed_and_others_are_not(hosts: list[str]) -> None:
    attacked = Attacked()
    given = [attacked.guess(hosts[n % len(hosts)], n) for n in range(MAX_WRONG_PASSWORDS + 5)]
    assert given == MAX_WRONG_PASSWORDS * [401] + 5 * [429]
    assert attacked.guess("2001:db8:0:2::1", 20) == 401
    assert attacked.guess("192.0.2.8", 20) == 401
    assert attacked.guess(hosts[0], 100) == 401, "a minute later"
    assert len(set(attacked.lines)) == 1
    source = "192.0.2.7" if "." in hosts[0] else "2001:db8:0:1::/64"
    assert attacked.lines[0] == f"wrong passwords from {source}: their responses are delayed"
    assert attacked.access.guessing.total == MAX_WRONG_PASSWORDS + 8


def test_an_ipv4_address_of_an_ipv6_socket_is_counted_as_itself() -> None:
    attacked = Attacked()
    given = [attacked.guess("::ffff:192.0.2.7" if n % 2 else "192.0.2.7") for n in range(MAX_WRONG_PASSWORDS + 1)]
    assert given[-1] == 429
    assert attacked.guess("::ffff:192.0.2.8") == 401


def test_guesses_from_many_networks_are_counted_together_and_logged_once() -> None:
    attacked = Attacked()
    given = [attacked.guess(f"2001:db8:0:{n:x}::1") for n in range(MAX_WRONG_TOTAL + 1)]
    assert given == MAX_WRONG_TOTAL * [401] + [429]
    for n in range(2 * MAX_SOURCES):
        assert attacked.guess(f"2001:db8:1:{n:x}::1") == 429
    assert len(attacked.access.guessing) == MAX_SOURCES
    assert set(attacked.lines) == {"more than 100 wrong passwords in a minute: their responses are delayed"}


def test_the_right_password_gets_in_from_a_delayed_address_and_during_a_flood() -> None:
    attacked = Attacked()
    for n in range(2 * MAX_WRONG_TOTAL):
        attacked.guess("192.0.2.7")
        attacked.guess(f"2001:db8:0:{n:x}::1")
        assert attacked.ask("192.0.2.7", "correct horse") is None
        assert attacked.ask("198.51.100.1", "correct horse") is None
    # It does not hide the guesses of others at the same address.
    assert attacked.guess("192.0.2.7") == 429


def test_a_browser_without_a_password_does_not_guess() -> None:
    attacked = Attacked()
    for _ in range(3 * MAX_WRONG_TOTAL):
        refusal = attacked.access.refuse(("192.0.2.7", 1), {}, 0)
        assert refusal is not None
        assert refusal.status == 401
    assert attacked.access.guessing.total == 0


async def test_few_responses_wait_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.transport.guessing, "DELAY_S", 3600.0)
    guessing = Guessing()
    for n in range(MAX_DELAYED):
        for _ in range(5 * MAX_DELAYED_PER_SOURCE):
            asyncio.create_task(guessing.delay(f"192.0.2.{n}"))  # noqa: RUF006 - they end with the test
    tasks = [asyncio.create_task(guessing.delay("192.0.2.99")) for _ in range(1000)]
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)
    assert guessing._delayed.total() == MAX_DELAYED
    assert max(guessing._delayed.values()) == MAX_DELAYED_PER_SOURCE
    guessing.close()
    await until(lambda: guessing._delayed.total() == 0, "the end of the delays")


async def test_the_page_delays_logs_once_counts_and_still_lets_the_right_one_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "password").write_text("correct horse")
    async with gateway_in(tmp_path, PAGE) as bench:
        guesses = [asyncio.to_thread(bench.get, "/api/status", f"wrong guess {n}") for n in range(40)]
        given = [status for status, _ in await asyncio.gather(*guesses)]
        assert sorted(given) == MAX_WRONG_PASSWORDS * [401] + 30 * [429]
        status, metrics = await asyncio.to_thread(bench.get, "/metrics", "correct horse")
        assert status == 200
        line = next(
            line for line in metrics.decode().splitlines() if line.startswith("dsmr_gateway_wrong_passwords_total{")
        )
        assert line.endswith(" 40.0")
        assert caplog.text.count("wrong passwords from 127.0.0.1") == 1

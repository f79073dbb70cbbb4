"""What the page remembers over a restart, and what becomes of a file that cannot be used."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import pytest

from gateway.nodes.status_page import memory as module
from gateway.nodes.status_page.memory import FILE, MAGIC, Memory
from gateway.protocol.p1.history import FULL, SMALL, History, Layout
from gateway.protocol.p1.meter import MeterState
from tests.protocol.p1.test_history import rows, with_values

BEGIN = 1_790_000_000.0
"""Unix time of the first telegram."""


class Run:
    """A run of the gateway with one meter."""

    def __init__(self, folder: Path, layout: Layout = FULL, name: str = "house") -> None:
        self.history = History(layout)
        self.meter = MeterState(name, None)
        self.logged: list[str] = []
        self.memory = Memory(folder, lambda: {self.meter: self.history}, self.logged.append)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The wall clock and the monotonic clock, which a restart of the machine sets back."""
    clocks = [BEGIN, 100_000.0]
    monkeypatch.setattr(module, "unix_now", lambda: clocks[0])
    monkeypatch.setattr(module, "now", lambda: clocks[1])
    monkeypatch.setattr(module, "is_synchronised", lambda: True)
    return clocks


def note(run: Run, clock: list[float], power: float, elapsed: float = 0.0) -> None:
    clock[0] += elapsed
    clock[1] += elapsed
    run.history.note(with_values(power_net=power, energy_import=power)._replace(arrived_at=clock[0]), clock[1])


async def test_a_restart_keeps_the_hour_the_day_and_the_begin_of_today(tmp_path: Path, clock: list[float]) -> None:
    first = Run(tmp_path)
    await first.memory.restore()
    for power in (100, 200, 300):
        note(first, clock, power, 600)
    await first.memory.end()
    clock[0] += 1200
    clock[1] = 50.0  # the machine was restarted
    second = Run(tmp_path)
    note(second, clock, 900)
    await second.memory.look()
    ages = {round(clock[1] - row["begins"], -2): row["power_mean_w"] for row in rows(second.history.hour)}
    assert ages == {2400: 100, 1800: 200, 1200: 300, 0: 900}
    assert [row["power_mean_w"] for row in rows(second.history.day)][:2] == [100, 200]
    assert second.history.today.used()["energy_import"] == 800
    assert second.history.today.since == BEGIN + 600
    assert second.logged == first.logged == []


async def test_it_is_written_now_and_then_and_not_before_it_was_restored(tmp_path: Path, clock: list[float]) -> None:
    run = Run(tmp_path)
    note(run, clock, 100)
    await run.memory.look()
    assert not (tmp_path / FILE).exists()
    clock[1] += module.SAVE_EVERY_S
    await run.memory.look()
    written = (tmp_path / FILE).read_bytes()
    assert len(written) < 60_000
    clock[1] += 10
    note(run, clock, 500)
    await run.memory.look()
    assert (tmp_path / FILE).read_bytes() == written


async def test_a_clock_that_is_not_set_is_waited_for(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Run(tmp_path)
    note(first, clock, 100)
    await first.memory.restore()
    await first.memory.save()
    written = (tmp_path / FILE).read_bytes()
    monkeypatch.setattr(module, "is_synchronised", lambda: False)
    clock[0] = 0.0
    second = Run(tmp_path)
    note(second, clock, 200, 20)
    await second.memory.look()
    await second.memory.end()
    assert (tmp_path / FILE).read_bytes() == written
    clock[0] = BEGIN + 20 + module.SET_CLOCK_S
    clock[1] += module.SET_CLOCK_S
    await second.memory.look()
    assert [row["power_mean_w"] for row in rows(second.history.hour)] == [100, 200]


HEAD = b'{"byteorder": "%s", "meters": ' % sys.byteorder.encode()


def packed(plain: bytes) -> bytes:
    content = zlib.compress(plain)
    return MAGIC + zlib.crc32(content).to_bytes(4, "big") + content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"something else", "it is not a history of this version"),
        (MAGIC + b"1234" + bytes(100), "its checksum is wrong"),
        (packed(b"{}\n."), "KeyError"),
        (packed(b"no JSON\n."), "JSONDecodeError"),
        (packed(HEAD + b'{"house": 3}}\n.'), "TypeError"),
        (packed(HEAD + b'{"house": {"columns": 3}}}\n.'), ""),
        (packed(b"[" * 100_000 + b"\n."), "RecursionError"),
        (packed(bytes(module.MAX_BYTES + 10)), "larger than any history"),
    ],
    ids=["foreign", "broken", "incomplete", "no JSON", "no meter", "of another version", "nested", "bomb"],
)
async def test_a_file_that_cannot_be_used_is_put_aside(
    tmp_path: Path, clock: list[float], content: bytes, why: str
) -> None:
    (tmp_path / FILE).write_bytes(content)
    run = Run(tmp_path)
    note(run, clock, 100)
    await run.memory.restore()
    if why:
        assert why in run.logged[0]
        assert (tmp_path / f"{FILE}.broken").read_bytes() == content
    assert len(run.logged) == bool(why)
    await run.memory.save()
    assert (tmp_path / FILE).read_bytes().startswith(MAGIC)
    assert [row["power_mean_w"] for row in rows(run.history.hour)] == [100]


async def test_a_truncated_array_is_put_aside(tmp_path: Path, clock: list[float]) -> None:
    first = Run(tmp_path)
    note(first, clock, 100)
    await first.memory.restore()
    await first.memory.save()
    plain = zlib.decompress((tmp_path / FILE).read_bytes()[len(MAGIC) + 4 :])
    (tmp_path / FILE).write_bytes(packed(plain[:-100]))
    second = Run(tmp_path)
    note(second, clock, 200)
    await second.memory.restore()
    assert "its end is missing" in second.logged[0]


async def test_another_layout_and_another_meter_begin_with_an_empty_history(tmp_path: Path, clock: list[float]) -> None:
    first = Run(tmp_path)
    note(first, clock, 100)
    await first.memory.restore()
    await first.memory.save()
    for other in (Run(tmp_path, SMALL), Run(tmp_path, name="barn")):
        note(other, clock, 200, 60)
        await other.memory.restore()
        assert [row["power_mean_w"] for row in rows(other.history.hour)] == [200]
        assert other.logged == []


async def test_a_folder_that_cannot_be_written_costs_a_line_of_the_log(tmp_path: Path, clock: list[float]) -> None:
    run = Run(tmp_path / "missing")
    note(run, clock, 100)
    await run.memory.restore()
    await run.memory.save()
    assert len(run.logged) == 1
    assert "cannot be written" in run.logged[0]

"""Finding: encrypted telegrams that were recorded before a restart were new ones after it, an hour old or a day."""

from __future__ import annotations

from pathlib import Path

from gateway.nodes.decryption import Decryption
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.telegram import TelegramReader
from gateway.protocol.p1.variants import VARIANTS
from gateway.runtime.clock import now
from tests.ciphering import AUTHENTICATION_KEY, KEY, LUXEMBOURG, encrypted
from tests.protocol.p1.stream import stamped
from tests.waiting import running

HOUR_S = 3600
START = 1_767_610_800
RECORDED = range(START, START + 60)
"""Seconds whose telegrams somebody has recorded."""


def frame(second: int) -> bytes:
    return encrypted(stamped(LUXEMBOURG, second), second - START + 1)


class Gateway:
    """A gateway from a start to a stop, without its line."""

    def __init__(self, folder: Path, *, keeps_counters: bool) -> None:
        (folder / "key").write_text(KEY.hex())
        (folder / "authentication-key").write_text(AUTHENTICATION_KEY.hex())
        self.meter = MeterState("meter", VARIANTS["5L"], 5.0)
        self._reader = TelegramReader()
        counters = folder / "counters" if keeps_counters else None
        self.node = Decryption("decryption", folder / "key", folder / "authentication-key", counters)
        self.node.line_bytes.connect(self.node, self)

    def receive(self, data: bytes, arrived: float) -> None:
        """Take decrypted bytes as a parser does, but at the given moment."""
        for item in self._reader.feed(data):
            self.meter.take(item, arrived, 0.0)

    def line_lost(self) -> None:
        """Do nothing."""

    def fresh_after(self, frames: list[bytes]) -> int:
        """Receive frames at the meter's pace; return after how many of them the readings counted as fresh."""
        begun, count = now(), 0
        for number, each in enumerate(frames):
            moment = begun + number
            self.node.receive(each, moment)
            self.meter.serving.update(moment + 0.9)
            count += self.meter.is_fresh(moment + 0.9)
        return count


async def test_a_recording_of_before_a_restart_is_never_fresh_after_it(tmp_path: Path) -> None:
    recording = [frame(second) for second in RECORDED]
    before = Gateway(tmp_path, keeps_counters=True)
    async with running(before.node):
        assert before.fresh_after(recording) > 50
    after = Gateway(tmp_path, keeps_counters=True)
    async with running(after.node):
        assert after.fresh_after(recording) == 0
        assert after.node.status.label.code == "telegram-repeated"  # the last one, and fell before
        # The meter itself is read, also while somebody goes on with old telegrams.
        mixed = [recording[number % 60] + frame(START + HOUR_S + number) for number in range(60)]
        assert after.fresh_after(mixed) > 50


async def test_without_a_folder_for_them_the_counters_begin_again(tmp_path: Path) -> None:
    recording = [frame(second) for second in RECORDED]
    gateway = Gateway(tmp_path, keeps_counters=False)
    async with running(gateway.node):
        assert gateway.fresh_after(recording) > 50, "what docs/sources/encrypted.md says"

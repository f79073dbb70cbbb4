"""A source of the network through the whole gateway: from a device's response to registers, and stale again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from gateway.config import load_config, load_maps
from gateway.config.meter import MeterConfig
from gateway.lines.homewizard_identity import Pairing
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.runtime.clock import now, unix_now
from gateway.service.sources import make_source
from gateway.service.wiring import Wiring
from tests.lines.homewizard_device import SERIAL, TOKEN, HomeWizard, Maker, homewizard
from tests.lines.http_device import device
from tests.protocol.p1.stream import stamped
from tests.simulation.truth import telegram
from tests.waiting import LIMIT_S, until

POWER = 100
"""Address of the net power in the native map."""
STALE_AFTER_S = 3.0
ALLOWED_S = 1.5 + 2.75
"""What an age may be wrong by: the resolution of the meter's clock, and the longest time between two requests."""


@asynccontextmanager
async def gateway(folder: Path, meter: str, label: str) -> AsyncIterator[Callable[[], bytes | ExceptionCode]]:
    """Run a gateway with this meter; give the function that reads its net power."""
    path = folder / "gateway.yaml"
    path.write_text(f"meter: {{{meter}, stale_after: {STALE_AFTER_S:.0f}s}}\nmodbus: [{{listen: '127.0.0.1:0'}}]\n")
    config = load_config(path, {})
    wiring = Wiring(config, load_maps(config, folder), folder)
    assert wiring.flow.nodes[0].label == label
    unit = wiring.servers[0].responder.units.by_id[1]
    assert unit
    stop, started = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(wiring.flow.run(stop, started.set))
    try:
        await asyncio.wait_for(started.wait(), LIMIT_S)
        yield lambda: unit.read(POWER, 2, now())
    finally:
        stop.set()
        await asyncio.wait_for(running, LIMIT_S)


async def serve_until_stale(
    folder: Path, meter: str, label: str, follow_a_meter: Callable[[float], Coroutine[None, None, None]]
) -> None:
    """Check that registers have values while the meter sends, and then become stale."""
    async with gateway(folder, meter, label) as power:
        sending = asyncio.create_task(follow_a_meter(1.0))
        await until(lambda: not isinstance(power(), ExceptionCode))
        sending.cancel()
        await until(lambda: power() is ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND)


async def test_a_polled_device_is_served_until_its_cable_is_out(tmp_path: Path) -> None:
    async with device() as served:
        await serve_until_stale(tmp_path, f"source: '{served.url}', poll: 100ms", "HTTP", served.follow_a_meter)


async def test_a_homewizard_device_is_served_until_its_cable_is_out(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    (tmp_path / "token").write_bytes(Pairing(SERIAL, TOKEN).content)
    async with homewizard(maker) as served:
        meter = f"source: 'homewizard://{served.place}', token_file: token, ca: {maker.ca.name}"
        await serve_until_stale(tmp_path, meter, "HomeWizard", served.follow_a_meter)


class Meter:
    """A meter at a device, which remembers when it wrote each power: the number of the telegram."""

    def __init__(self, device: HomeWizard) -> None:
        self._device = device
        self.written: list[float] = []
        self.is_on = True

    async def write(self) -> None:
        start = int(unix_now())
        for number in count():
            if self.is_on:
                text = stamped(telegram("m", "260101000000W", len(self.written), 1_000_000), start + number)
                self.written.append(now())
                await self._device.set_telegram(text)
            await asyncio.sleep(1.0)


async def test_nothing_old_is_served_whatever_a_homewizard_device_does(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    (tmp_path / "token").write_bytes(Pairing(SERIAL, TOKEN).content)
    async with homewizard(maker) as device:
        meter = Meter(device)
        source = f"source: 'homewizard://{device.place}', token_file: token, ca: {maker.ca.name}, watchdog: 6s"
        async with gateway(tmp_path, source, "HomeWizard") as power:
            seen: set[int] = set()

            def is_fresh() -> bool:
                """Check the age of what is served."""
                registers = power()
                if isinstance(registers, ExceptionCode):
                    return False
                number = int.from_bytes(registers, "big")
                assert now() - meter.written[number] <= STALE_AFTER_S + ALLOWED_S
                seen.add(number)
                return True

            writing = asyncio.create_task(meter.write())
            await until(is_fresh)
            device.rings = False  # the messages of the WebSocket stop
            before = len(meter.written)
            await until(lambda: is_fresh() and len(meter.written) > before + 2)
            device.rings = True
            meter.is_on = False  # the cable is out, and the last telegram is repeated
            await until(lambda: not is_fresh())
            await device.ring()
            meter.is_on = True
            await until(is_fresh)
            meter.is_on = False  # the device alternates between two old telegrams
            newest, older = device.body, stamped(device.body, unix_now() - 60)
            for _ in range(12):
                await device.set_telegram(older if device.body == newest else newest)
                end = now() + 0.5
                await until(lambda end=end: not is_fresh() or now() > end)
            await until(lambda: not is_fresh())
            meter.is_on = True
            await until(is_fresh)
            device.status = 503  # it restarts
            await device.hang_up()
            await until(lambda: not is_fresh())
            device.status = 200
            await until(is_fresh)
            writing.cancel()
        assert len(seen) >= 5


def test_a_source_accepts_the_configured_meter_only(tmp_path: Path) -> None:
    named = MeterConfig(equipment_identifier="E0047")
    assert make_source("house", named, tmp_path, None).meter.identifiers == {"E0047"}
    for other in (MeterConfig(), MeterConfig(equipment_identifier="E0047", simulate=True)):
        assert make_source("house", other, tmp_path, None).meter.identifiers == frozenset()

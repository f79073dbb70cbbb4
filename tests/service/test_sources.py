"""A source of the network through the whole gateway: from a device's response to registers, and stale again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

from gateway.config import load_config, load_maps
from gateway.lines.homewizard_identity import Pairing
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.runtime.clock import now
from gateway.service.wiring import Wiring
from tests.lines.homewizard_device import SERIAL, TOKEN, Maker, homewizard
from tests.lines.http_device import device
from tests.waiting import LIMIT_S, until

POWER = 100
"""Address of the net power in the native map."""


async def serve_until_stale(
    folder: Path, meter: str, label: str, follow_a_meter: Callable[[float], Coroutine[None, None, None]]
) -> None:
    """Run a gateway: its registers have values while the meter sends, and then become stale."""
    path = folder / "gateway.yaml"
    path.write_text(f"meter: {{{meter}, stale_after: 3s}}\nmodbus: [{{listen: '127.0.0.1:0'}}]\n")
    config = load_config(path, {})
    wiring = Wiring(config, load_maps(config, folder), folder)
    assert wiring.flow.nodes[0].label == label
    unit = wiring.servers[0].responder.units.by_id[1]
    assert unit

    def registers() -> object:
        return unit.read(POWER, 2, now())

    stop, started = asyncio.Event(), asyncio.Event()
    gateway = asyncio.create_task(wiring.flow.run(stop, started.set))
    try:
        await asyncio.wait_for(started.wait(), LIMIT_S)
        sending = asyncio.create_task(follow_a_meter(1.0))
        await until(lambda: not isinstance(registers(), ExceptionCode))
        sending.cancel()
        await until(lambda: registers() is ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND)
    finally:
        stop.set()
        await asyncio.wait_for(gateway, LIMIT_S)


async def test_a_polled_device_is_served_until_its_cable_is_out(tmp_path: Path) -> None:
    async with device() as served:
        await serve_until_stale(tmp_path, f"source: '{served.url}', poll: 100ms", "HTTP", served.follow_a_meter)


async def test_a_homewizard_device_is_served_until_its_cable_is_out(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    (tmp_path / "token").write_bytes(Pairing(SERIAL, TOKEN).content)
    async with homewizard(maker) as served:
        meter = f"source: 'homewizard://{served.place}', token_file: token, ca: {maker.ca.name}"
        await serve_until_stale(tmp_path, meter, "HomeWizard", served.follow_a_meter)

"""A source of the network through the whole gateway: from a device's response to registers, and stale again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.config import load_config, load_maps
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.runtime.clock import now
from gateway.service.wiring import Wiring
from tests.lines.http_device import device
from tests.waiting import LIMIT_S, until

POWER = 100
"""Address of the net power in the native map."""


async def test_a_polled_device_is_served_until_its_cable_is_out(tmp_path: Path) -> None:
    async with device() as served:
        path = tmp_path / "gateway.yaml"
        path.write_text(
            f"meter: {{source: '{served.url}', poll: 100ms, stale_after: 3s}}\nmodbus: [{{listen: '127.0.0.1:0'}}]\n"
        )
        config = load_config(path, {})
        wiring = Wiring(config, load_maps(config, tmp_path), tmp_path)
        assert wiring.flow.nodes[0].label == "HTTP"
        unit = wiring.servers[0].responder.units.by_id[1]
        assert unit

        def registers() -> object:
            return unit.read(POWER, 2, now())

        stop, started = asyncio.Event(), asyncio.Event()
        gateway = asyncio.create_task(wiring.flow.run(stop, started.set))
        try:
            await asyncio.wait_for(started.wait(), LIMIT_S)
            meter = asyncio.create_task(served.follow_a_meter(1.0))
            await until(lambda: not isinstance(registers(), ExceptionCode))
            meter.cancel()
            await until(lambda: registers() is ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND)
        finally:
            stop.set()
            await asyncio.wait_for(gateway, LIMIT_S)

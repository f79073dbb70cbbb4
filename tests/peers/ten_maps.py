"""A gateway that shows one meter as ten meters, on ten unit ids of one server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import own_telegram
from tests.peers.harness import Gateway, ModbusClient, SerialPort, running, wait_until

MAPS = {
    1: "dsmr",
    2: "cg-em24",
    3: "cg-em3xx",
    4: "eastron-sdm630",
    5: "eastron-sdm72",
    6: "abb-b23",
    7: "socomec-e27",
    8: "chint-dtsu666",
    240: "sunspec-203",
    241: "sunspec-213",
}
SOLAR = "v50_iskra-am550-solar"


@contextmanager
def ten_maps(folder: Path, telegram: str = SOLAR, maps: dict[int, str] = MAPS) -> Iterator[Gateway]:
    """The gateway, with a meter that sends `telegram` again and again."""
    folder.mkdir(parents=True, exist_ok=True)
    units = {unit: {"map": name} for unit, name in maps.items()}
    with SerialPort(folder / "P1") as port:
        gateway = Gateway(folder, {"port": str(port.link)}, {"units": units})
        with running(gateway):
            gateway.wait_until_connected()
            with port.sending(own_telegram(telegram)):
                gateway.wait_for_telegrams(1)
                with ModbusClient(gateway.port) as client:
                    wait_until(lambda: client.registers(0, 40)[1] & 1, "a fresh telegram")
                yield gateway

"""A meter, gateways that read it and publish its telegrams at two brokers, and a gateway that serves it.

All gateways are real ones. The brokers (`broker`) have the faults of real ones. The faults here are those of brokers,
of the ways to them, and of gateways that restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from tests.simulation.broker import PORT, Broker
from tests.simulation.faults import at_the_same_time, one_after_another
from tests.simulation.world import METER_PORT, MODBUS_PORT, World

from gateway.config import load_config, load_maps  # isort: skip - after the clock
from gateway.service.wiring import Wiring  # isort: skip

EDGES = ("edge1", "edge2")
BROKERS = ("broker1", "broker2")
SERVING = "gateway"
FIRST_AFTER_S = 15.0


class FleetWorld(World):
    """A run with brokers."""

    def __init__(self, seed: int, *, limit_s: float = 5.0, edges: int = 1) -> None:
        super().__init__(seed, limit_s=limit_s)
        urls = ", ".join(f'"mqtt://{name}:{PORT}"' for name in BROKERS)
        self.text = (
            f'meters: {{A: {{source: mqtt, dsmr_version: "5", stale_after: {limit_s}s}}}}\n'
            f"mqtt: {{brokers: [{urls}], edge: serving}}\n"
            f'modbus: [{{listen: ":{MODBUS_PORT}", max_clients: 8, units: {{1: {{map: dsmr}}}}}}]\n'
        )
        self.path.write_text(self.text)
        self.brokers = {name: Broker(self, name) for name in BROKERS}
        self.edges = EDGES[:edges]
        self.running: dict[str, asyncio.Task[Any]] = {}
        for name in self.edges:
            path = self._path(name)
            path.parent.mkdir()
            path.write_text(
                f'meters: {{A: {{host: meter, port: {METER_PORT}, dsmr_version: "5"}}}}\n'
                f"mqtt: {{brokers: [{urls}], edge: {name}, publish: [telegrams]}}\n"
                f'modbus: [{{listen: ":{MODBUS_PORT}", units: {{1: {{map: dsmr}}}}}}]\n'
                f"state_dir: {path.parent}\n"
            )

    def start(self) -> None:
        """Start the brokers, the edges and the serving gateway."""
        for name in BROKERS:
            self.start_broker(name)
        for name in (*self.edges, SERVING):
            self.start_gateway(name)

    def start_broker(self, name: str) -> None:
        """Start a broker on its host."""
        self.on(name, self.brokers[name].serve())

    def start_gateway(self, name: str) -> None:
        """Start a gateway on its host."""
        self.running[name] = self.on(name, self._gateway(name))

    async def stop_gateway(self, name: str, *, at_once: bool) -> None:
        """End a gateway: as it stops, or at once and without closing its connections in an orderly way."""
        if at_once:
            for other in (*BROKERS, "meter", "client0", "client1", "client2"):
                self.network.reset(name, other)
        task = self.running.pop(name)
        self._tasks.remove(task)
        task.cancel()
        await asyncio.wait([task])
        self.network.close_listeners(name)

    async def _gateway(self, name: str) -> None:
        path = self.path if name == SERVING else self._path(name)
        wiring = Wiring(*self._load(path), path.parent)
        if name == SERVING:
            self.wiring = wiring
        wiring.flow.nodes = [node for node in wiring.flow.nodes if node.kind != "control"]
        await wiring.flow.run(asyncio.Event())

    def _load(self, path: Path) -> tuple[Any, Any]:
        config = load_config(path, {})
        return config, load_maps(config, path.parent)

    def _path(self, edge: str) -> Path:
        return self.folder / edge / "gateway.yaml"


Fault = Callable[[FleetWorld], Awaitable[None]]


def _one(world: FleetWorld) -> Broker:
    return world.brokers[world.random.choice(BROKERS)]


async def broker_dies(world: FleetWorld) -> None:
    """One broker is killed, and started again with or without the messages that it had stored."""
    broker = _one(world)
    if not broker.is_alive:
        return
    broker.die(keeps_retained=world.random.random() < 0.5)
    await asyncio.sleep(world.random.uniform(0.0, 40.0))
    world.start_broker(broker.name)
    await asyncio.sleep(5.0)


async def broker_stops(world: FleetWorld) -> None:
    """One broker stands still for a while, then delivers what came meanwhile, live."""
    broker = _one(world)
    broker.stop()
    await asyncio.sleep(world.random.uniform(0.5, 30.0))
    broker.go_on()
    await asyncio.sleep(5.0)


async def both_stop(world: FleetWorld) -> None:
    """Both brokers stand still at the same time."""
    for broker in world.brokers.values():
        broker.stop()
    await asyncio.sleep(world.random.uniform(0.5, 20.0))
    for broker in world.brokers.values():
        broker.go_on()
        await asyncio.sleep(world.random.choice((0.0, 1.0, 10.0)))


async def broker_errs(world: FleetWorld) -> None:
    """Brokers lose messages, send them twice, and let some overtake others."""
    for broker in world.brokers.values():
        broker.loss, broker.doubling = world.random.uniform(0.0, 0.5), world.random.uniform(0.0, 0.5)
        broker.delay_s = world.random.choice((0.0, 0.5, 5.0, 30.0))
    await asyncio.sleep(world.random.uniform(5.0, 60.0))
    for broker in world.brokers.values():
        broker.loss = broker.doubling = broker.delay_s = 0.0


async def old_messages(world: FleetWorld) -> None:
    """A broker sends messages of the past again, stored ones too, with their flag or as if they were new."""
    for _ in range(world.random.randint(1, 20)):
        broker = _one(world)
        kind = world.random.randrange(3)
        if kind:
            broker.send_retained_again(with_flag=kind == 1)
        else:
            broker.send_again(world.random.randint(1, 50))
        await asyncio.sleep(world.random.choice((0.0, 0.3, 1.0, 4.0)))


async def slow_subscriber(world: FleetWorld) -> None:
    """The way to the serving gateway holds, and then lets the oldest through first."""
    names = world.random.sample(BROKERS, world.random.randint(1, 2))
    for name in names:
        world.network.hold(SERVING, name)
    await asyncio.sleep(world.random.uniform(0.5, 20.0))
    for name in names:
        world.network.release(SERVING, name, drip_s=world.random.choice((None, 0.05, 0.3)))
    await asyncio.sleep(5.0)


async def slow_publisher(world: FleetWorld) -> None:
    """The way from an edge to brokers holds, is late, or is cut."""
    edge, names = world.random.choice(world.edges), world.random.sample(BROKERS, world.random.randint(1, 2))
    for name in names:
        world.network.link(edge, name).lag_s = world.random.choice((0.0, 0.7, 2.0, 6.0))
        if world.random.random() < 0.5:
            world.network.hold(edge, name)
        elif world.random.random() < 0.3:
            world.network.reset(edge, name)
    await asyncio.sleep(world.random.uniform(0.5, 20.0))
    for name in names:
        world.network.link(edge, name).lag_s = 0.0
        world.network.release(edge, name)
    await asyncio.sleep(5.0)


async def serving_restarts(world: FleetWorld) -> None:
    """The serving gateway ends, and starts again."""
    if SERVING not in world.running:
        return
    await world.stop_gateway(SERVING, at_once=world.random.random() < 0.5)
    await asyncio.sleep(world.random.uniform(0.0, 10.0))
    world.start_gateway(SERVING)
    await asyncio.sleep(5.0)


async def late_from_the_start(world: FleetWorld) -> None:
    """The serving gateway starts while everything is late by a constant time, which no clock of a meter can show."""
    if SERVING not in world.running:
        return
    await world.stop_gateway(SERVING, at_once=True)
    links = [world.network.link(world.random.choice((SERVING, *world.edges)), name) for name in BROKERS]
    for link in links:
        link.lag_s = world.random.uniform(3.0, 20.0)
    world.start_gateway(SERVING)
    await asyncio.sleep(world.random.uniform(20.0, 60.0))
    for link in links:
        link.lag_s = 0.0
    await asyncio.sleep(5.0)


async def edge_restarts(world: FleetWorld) -> None:
    """An edge ends, and starts again, perhaps without the number of its starts."""
    edge = world.random.choice(world.edges)
    if edge not in world.running:
        return
    await world.stop_gateway(edge, at_once=world.random.random() < 0.5)
    if world.random.random() < 0.3:
        for path in world.folder.glob(f"{edge}/*"):
            if path.name != "gateway.yaml":
                path.unlink()
    await asyncio.sleep(world.random.uniform(0.0, 10.0))
    world.start_gateway(edge)
    await asyncio.sleep(5.0)


async def meter_held(world: FleetWorld) -> None:
    """The way from the meter to an edge holds, then delivers everything at once."""
    edge = world.random.choice(world.edges)
    world.network.hold("meter", edge)
    await asyncio.sleep(world.random.uniform(0.5, 15.0))
    world.network.release("meter", edge, drip_s=world.random.choice((None, 0.1)))
    await asyncio.sleep(10.0)


ONE_BROKER = (broker_dies, broker_stops)
ALL = (
    *ONE_BROKER,
    both_stop,
    broker_errs,
    old_messages,
    slow_subscriber,
    slow_publisher,
    serving_restarts,
    late_from_the_start,
    edge_restarts,
    meter_held,
)


class FleetMix(NamedTuple):
    """Faults, and the number of gateways that read the meter."""

    chaos: Callable[[Any], Coroutine[Any, Any, None]]
    edges: int = 1


FLEET_MIXES = {
    "one broker": FleetMix(one_after_another(ONE_BROKER)),
    "late from the start": FleetMix(one_after_another((late_from_the_start,))),
    "brokers": FleetMix(one_after_another(ALL)),
    "two edges": FleetMix(one_after_another(ALL), edges=2),
    "brokers, all at once": FleetMix(at_the_same_time(ALL), edges=2),
}

"""What can go wrong between a meter and its clients, each as a coroutine that begins, lasts and ends.

`LINK` are faults of the way, `SOURCE` of what sends the telegrams on, `MACHINE` of the gateway's own machine, `CLIENT`
of clients and the configuration, `CLOCK` of the meter's clock. Faults of the first four kinds may be mixed at will: no
old number may come of them. A clock that is set while telegrams are held cannot always be told from a late line
(docs/fail-safe.md): `CLOCK` is not mixed with the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tests.simulation import world as simulated
from tests.simulation.world import MODBUS_PORT, World

Fault = Callable[[Any], Coroutine[Any, Any, None]]
FIRST_AFTER_S = 15.0
"""Before it the meter's clock is seen to move for more than ten telegrams."""


async def hold_then_burst(world: World) -> None:
    """The link holds everything, then delivers it at once."""
    world.network.hold("meter", "gateway")
    await asyncio.sleep(world.random.uniform(0.5, 40.0))
    world.network.release("meter", "gateway")


async def hold_then_drip(world: World) -> None:
    """The link holds everything, then delivers it faster than the meter writes, but not at once."""
    world.network.hold("meter", "gateway")
    await asyncio.sleep(world.random.uniform(2.0, 30.0))
    world.network.release("meter", "gateway", drip_s=world.random.choice((0.02, 0.1, 0.3)))
    await asyncio.sleep(15.0)


async def short_holds(world: World) -> None:
    """The link holds again and again for a moment, as a bad radio."""
    for _ in range(world.random.randint(3, 10)):
        world.network.hold("meter", "gateway")
        await asyncio.sleep(world.random.uniform(0.2, 6.0))
        world.network.release("meter", "gateway")
        await asyncio.sleep(world.random.uniform(0.1, 3.0))


async def constant_lag(world: World) -> None:
    """From one moment on everything comes late by the same time."""
    link = world.network.link("meter", "gateway")
    link.lag_s = world.random.uniform(1.0, 25.0)
    await asyncio.sleep(world.random.uniform(20.0, 120.0))
    link.lag_s = 0.0


async def growing_lag(world: World) -> None:
    """Everything comes later and later, then in time again."""
    link = world.network.link("meter", "gateway")
    for _ in range(world.random.randint(10, 60)):
        link.lag_s += world.random.uniform(0.0, 0.9)
        await asyncio.sleep(1.0)
    await asyncio.sleep(world.random.uniform(0.0, 20.0))
    link.lag_s = 0.0


async def cut_connection(world: World) -> None:
    """The connection to the meter is reset, perhaps more than once."""
    for _ in range(world.random.randint(1, 3)):
        world.network.reset("meter", "gateway")
        await asyncio.sleep(world.random.uniform(0.1, 5.0))


async def repeat_last(world: World) -> None:
    """The source sends its last telegram again and again; the meter goes on unseen."""
    last = world.meter.sent[-1]
    world.meter.mode = lambda _text: [last]
    await asyncio.sleep(world.random.uniform(3.0, 60.0))
    world.meter.mode = lambda text: [text]


async def replay(world: World) -> None:
    """The source sends telegrams of some time ago in place of those of now."""
    sent = list(world.meter.sent)
    old = iter(sent[world.random.randrange(len(sent)) :])
    world.meter.mode = lambda _text: [text for text in [next(old, None)] if text]
    await asyncio.sleep(world.random.uniform(2.0, 40.0))
    world.meter.mode = lambda text: [text]


async def replay_in_between(world: World) -> None:
    """The source puts old telegrams between those of now."""
    sent = list(world.meter.sent)
    world.meter.mode = lambda text: [world.random.choice(sent), text]
    await asyncio.sleep(world.random.uniform(2.0, 20.0))
    world.meter.mode = lambda text: [text]


async def send_twice(world: World) -> None:
    """The source sends each telegram twice."""
    world.meter.mode = lambda text: [text, text]
    await asyncio.sleep(world.random.uniform(2.0, 30.0))
    world.meter.mode = lambda text: [text]


async def lose_some(world: World) -> None:
    """Telegrams are lost, or flipped in one bit."""

    def spoil(text: bytes) -> list[bytes]:
        chance = world.random.random()
        if chance < 0.3:
            return []
        if chance < 0.6:
            spoiled = bytearray(text)
            spoiled[world.random.randrange(len(text))] ^= 1 << world.random.randrange(8)
            return [bytes(spoiled)]
        if chance < 0.7:
            return [text[: world.random.randrange(len(text))]]
        return [text]

    world.meter.mode = spoil
    await asyncio.sleep(world.random.uniform(5.0, 60.0))
    world.meter.mode = lambda text: [text]


async def restart_with_backlog(world: World) -> None:
    """A ser2net that starts again first sends what it had kept."""
    kept = list(world.meter.sent)[-world.random.randint(1, 60) :]
    for _ in range(world.random.randint(0, 20)):
        kept.append(world.meter.sent[-1])
        await asyncio.sleep(1.0)
    world.meter.greeting = lambda: b"".join(kept)
    world.meter.restart()
    await asyncio.sleep(10.0)
    world.meter.greeting = lambda: b""


async def meter_off(world: World) -> None:
    """The meter writes nothing for a while."""
    world.meter.is_on = False
    await asyncio.sleep(world.random.uniform(1.0, 40.0))
    world.meter.is_on = True


async def stand_still(world: World) -> None:
    """The gateway's machine sleeps; what came meanwhile waits in the kernel."""
    world.loop.stand_still(world.random.uniform(0.5, 60.0))
    await asyncio.sleep(0)


async def jump_wall_clock(world: World) -> None:
    """The wall clock of the gateway's machine is set."""
    simulated.MACHINE.jump_s += world.random.choice((-86_400.0, -3600.0, -20.0, 20.0, 3600.0, 31_536_000.0))
    await asyncio.sleep(world.random.uniform(1.0, 20.0))


async def reload(world: World) -> None:
    """The configuration is loaded again, unchanged or with another unit."""
    world.path.write_text(world.text.replace("units: {1:", "units: {7: {map: eastron-sdm630}, 1:"))
    await world.reload()
    await asyncio.sleep(world.random.uniform(0.0, 5.0))
    world.path.write_text(world.text)
    await world.reload()


async def deaf_clients(world: World) -> None:
    """Clients connect, ask and never read, or never ask."""
    writers = []
    for _ in range(world.random.randint(1, 10)):
        _, writer = await asyncio.open_connection("gateway", MODBUS_PORT)
        writer.write(bytes.fromhex("0001000000060103006400 7d".replace(" ", "")) * world.random.randint(0, 2000))
        writers.append(writer)
    await asyncio.sleep(world.random.uniform(0.0, 10.0))
    for writer in writers:
        writer.transport.abort()


async def slow_clients_link(world: World) -> None:
    """The link to a client holds; responses come late to it, and to it alone."""
    world.network.hold("client1", "gateway")
    await asyncio.sleep(world.random.uniform(0.5, 10.0))
    world.network.release("client1", "gateway")


async def clock_forward(world: World) -> None:
    """The meter's clock is set ahead."""
    world.meter.clock_ahead_s += world.random.choice((2.0, 20.0, 300.0, 3600.0, 31_536_000.0))
    await asyncio.sleep(30.0)


async def clock_back(world: World) -> None:
    """The meter's clock is set back."""
    world.meter.clock_ahead_s -= world.random.choice((2.0, 20.0, 300.0, 3600.0))
    await asyncio.sleep(30.0)


async def change_of_season(world: World) -> None:
    """The meter changes between winter and summer time, with its flag."""
    summer = world.meter.flag == "W"
    world.meter.flag, world.meter.zone_s = ("S", 7200.0) if summer else ("W", 3600.0)
    await asyncio.sleep(30.0)


LINK = (hold_then_burst, hold_then_drip, short_holds, constant_lag, growing_lag, cut_connection)
SOURCE = (repeat_last, replay, replay_in_between, send_twice, lose_some, restart_with_backlog, meter_off)
MACHINE = (stand_still, jump_wall_clock)
CLIENT = (reload, deaf_clients, slow_clients_link)
CLOCK = (clock_forward, clock_back, change_of_season)


def one_after_another(kinds: tuple[Fault, ...]) -> Fault:
    """Return what brings faults of these kinds one after another, with pauses of all lengths."""

    async def chaos(world: World) -> None:
        await asyncio.sleep(FIRST_AFTER_S)
        while True:
            fault = world.random.choice(kinds)
            world.faults.append(f"{world.loop.moment:.1f} {fault.__name__}")
            await fault(world)
            await asyncio.sleep(world.random.choice((0.0, 1.0, 5.0, 20.0, 60.0)))

    return chaos


def at_the_same_time(kinds: tuple[Fault, ...], streams: int = 3) -> Fault:
    """Return what runs several streams of faults beside each other, so that they meet."""

    async def chaos(world: World) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(streams):
                group.create_task(one_after_another(kinds)(world))

    return chaos


MIXES: dict[str, Fault] = {
    "nothing": one_after_another((reload,)),
    "link": one_after_another(LINK),
    "source": one_after_another(SOURCE),
    "machine": one_after_another(MACHINE + CLIENT),
    "clock": one_after_another(CLOCK),
    "link and source": one_after_another(LINK + SOURCE + CLIENT),
    "all but the clock": at_the_same_time(LINK + SOURCE + MACHINE + CLIENT),
}

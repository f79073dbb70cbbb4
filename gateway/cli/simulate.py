"""`dsmr-gateway simulate`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.output import echo
from gateway.cli.parameters import VERSIONS
from gateway.protocol.p1.variants import VARIANTS
from gateway.simulation.household import SCENARIOS, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.nodes.line_output import LineOutput
    from gateway.nodes.passthrough import Passthrough
    from gateway.simulation.feed import Piece

DEFAULT_PORT = 2001
MAX_SPEED = 1000
_CAPTURE = "Give a file with the bytes that a meter has sent"
MAX_CAPTURE_BYTES = 16_000_000
PTY = "pty"
_HELP = """Send the telegrams of a simulated household: over TCP as a ser2net does, or with --device on a serial line.

The same --seed gives the same house: base load, heat pump, solar panels, gas, and an electric car on some nights.
--scenario changes it:

""" + "\n\n".join(f"{name}: {text}." for name, text in SCENARIOS.items())


@click.command("simulate", help=_HELP)
@click.option(
    "--dsmr-version",
    "version",
    default="5",
    show_default=True,
    type=click.Choice(VERSIONS),
    help="Meter version to imitate.",
)
@click.option("--port", type=click.IntRange(0, 65535), help=f"TCP port, by default {DEFAULT_PORT}.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; * for all.")
@click.option("--device", help=f"Serial device to write to; {PTY} creates a pseudo terminal.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(1, MAX_SPEED),
    help="How many times faster than real time.",
)
@click.option("--scenario", type=click.Choice([str(each) for each in Scenario]), help="Unusual situation; see above.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Number of the house.")
@click.option(
    "--replay",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Send this capture again and again at its own cadence, instead of a household.",
)
@click.pass_context
def simulate_command(
    ctx: click.Context,
    version: str,
    port: int | None,
    host: str,
    device: str | None,
    speed: float,
    scenario: str | None,
    seed: int,
    replay: Path | None,
) -> None:
    """Send the telegrams of a household or a capture, optionally with the errors of a bad line."""
    import asyncio

    from gateway.cli.logs import occupy_standard_descriptors, set_up_logging
    from gateway.simulation.feed import with_faults

    if device and (port is not None or ctx.get_parameter_source("host") is not click.core.ParameterSource.DEFAULT):
        raise click.UsageError(
            "--device writes to a serial line, --port and --host listen on TCP. Give only one of them"
        )
    occupy_standard_descriptors()
    set_up_logging()
    chosen = Scenario(scenario) if scenario else None
    pieces = _replay(replay, speed) if replay else _household(version, seed, chosen, speed)
    if chosen is Scenario.FAULTS:
        pieces = with_faults(pieces, seed)
    elif replay and chosen:
        raise click.UsageError(f"a capture is sent unchanged. --scenario {chosen} is for a household")
    asyncio.run(_run(pieces, version, device, "" if host == "*" else host, DEFAULT_PORT if port is None else port))


def _household(version: str, seed: int, scenario: Scenario | None, speed: float) -> Iterator[Piece]:
    from gateway.runtime.clock import now, unix_now
    from gateway.simulation.feed import live_telegrams
    from gateway.simulation.forms import simulated_meter

    started_at = _end_of_summer_time() - 1800 if scenario is Scenario.DST else int(unix_now())
    begun = now()
    try:
        meter = simulated_meter(version, seed, scenario, started_at)
    except ValueError as error:
        raise click.UsageError(f"--scenario {scenario} needs another --dsmr-version than {version}: {error}") from None
    return live_telegrams(meter, lambda: started_at + (now() - begun) * speed, VARIANTS[version].cadence_s, speed)


def _replay(path: Path, speed: float) -> Iterator[Piece]:
    from gateway.files.regular_file import read_regular_file
    from gateway.problems.system import file_problem
    from gateway.simulation.feed import replay

    try:
        capture = read_regular_file(path, MAX_CAPTURE_BYTES)
    except OSError as error:
        raise click.UsageError(f"{path}: {file_problem(error).what}. {_CAPTURE}") from None
    if not capture:
        raise click.UsageError(f"{path} is empty. {_CAPTURE}")
    return replay(capture, speed)


def _end_of_summer_time() -> int:
    """Return the end of summer time this year in unix seconds: the last Sunday of October, 1:00 UTC (2000/84/EC)."""
    from gateway.runtime.clock import utc_now

    last = datetime(utc_now().year, 10, 31, 1, tzinfo=UTC)
    return int((last - timedelta(days=(last.weekday() + 1) % 7)).timestamp())


async def _run(pieces: Iterator[Piece], version: str, device: str | None, host: str, port: int) -> None:
    import asyncio
    import signal

    from gateway.lines.serial import SerialLine
    from gateway.nodes.line_output import LineOutput
    from gateway.nodes.passthrough import Mode, Passthrough, PassthroughSettings
    from gateway.nodes.simulated_meter import SimulatedMeterNode
    from gateway.protocol.p1.meter import MeterState
    from gateway.runtime.flow import Flow
    from gateway.transport.pseudo_terminal import PseudoTerminal

    meter = MeterState("simulation", None, is_simulated=True)
    terminal = PseudoTerminal(echo)
    output: LineOutput | Passthrough
    if device == PTY:
        output = LineOutput("output", "a pseudo terminal", terminal)
    elif device:
        output = LineOutput("output", device, SerialLine(device, VARIANTS[version].line))
    else:
        settings = PassthroughSettings(host, port, Mode.RAW)
        output = Passthrough("output", settings, meter)
    source = SimulatedMeterNode("simulation", meter, lambda: pieces)
    source.line_bytes.connect(output, output)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def started() -> None:
        if device == PTY:
            echo(terminal.device)

    await Flow([output, source]).run(stop, started)

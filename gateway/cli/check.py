"""`dsmr-gateway check`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from gateway.cli import EXIT_CONFIGURATION
from gateway.cli.parameters import config_argument, json_option

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Config
    from gateway.files.yaml_file import Document, Problem

EXIT_MACHINE = 1
_HELD = " {holder} has a port or device of it: stop that first, unless it is the gateway that runs with it."


@click.command("check")
@config_argument
@click.option("--probe", "probes", is_flag=True, help="Listen to the meters too, as `probe` does.")
@json_option
@click.pass_context
def check_command(ctx: click.Context, config: Path, *, probes: bool, as_json: bool) -> None:
    """Say what is wrong with CONFIG, by default gateway.yaml, the maps it names, and this machine.

    Ends with 78 for problems in a file, and with 1 for a port, a device, a certificate or a meter that
    cannot be used now.
    """
    from gateway.config import load_with_places
    from gateway.config.modbus import long_waits
    from gateway.files.yaml_file import FileError
    from gateway.service.wiring import load_maps

    try:
        document, settings = load_with_places(config)
        maps = load_maps(settings, config.parent)
    except FileError as error:
        if not as_json:
            raise
        _print_json(error.faults, "", [], [])
        ctx.exit(EXIT_CONFIGURATION)
    faults, summary, remarks = _look(document, settings, config, probes=probes)
    warnings = long_waits(settings.modbus) + [remark for each in maps.values() for remark in each.remarks]
    if as_json:
        _print_json(faults, summary, remarks, warnings)
    else:
        for fault in faults:
            click.echo(str(fault), err=True)
        for remark in remarks + warnings:
            click.echo(remark)
        if not faults:
            click.echo(summary)
    ctx.exit(EXIT_MACHINE if faults else 0)


def _look(document: Document, settings: Config, path: Path, *, probes: bool) -> tuple[list[Problem], str, list[str]]:
    from gateway.tools.checking import check_machine

    checked = check_machine(document, settings, path.parent)
    faults, remarks = checked.faults, list[str]()
    # What cannot be opened need not be listened to.
    if probes and not faults:
        faults, remarks = _probe(document, settings)
    units = sum(len(server.units) for server in settings.modbus)
    meters = len(settings.all_meters())
    whole = f"{_count(meters, 'meter')}, {_count(units, 'unit')} on {_listening(settings)}"
    held = _HELD.format(holder=checked.running) if checked.running else ""
    return faults, f"{path} is right: {whole}.{held}", remarks


def _probe(document: Document, settings: Config) -> tuple[list[Problem], list[str]]:
    import asyncio

    from gateway.protocol.p1.variants import VARIANTS, variant_mismatch
    from gateway.service.node_settings import p1_connections
    from gateway.tools.checking import OWN_NAME
    from gateway.tools.probing import probe

    faults: list[Problem] = []
    remarks: list[str] = []
    for name, meter in settings.all_meters().items():
        if meter.simulate:
            continue
        loc = ("meters", name, "port") if settings.meters else ("meter", "port")
        findings = asyncio.run(probe(p1_connections(meter)))
        newest = findings[-1].newest
        last = findings[-1].problem
        if last and last.code == "device-in-use" and str(dict(last.values)["holder"]).startswith(OWN_NAME):
            remarks.append(f"{findings[-1].words}: the gateway that is running listens to it")
        elif newest is None:
            faults += [document.fault(loc, f"{finding.words}: {finding.problem}") for finding in findings]
        else:
            remarks.append(f"{findings[-1].words}: {newest.variant.title}, /{newest.readings.identification}")
            configured = VARIANTS.get(meter.dsmr_version, newest.variant)
            if mismatch := variant_mismatch(configured, newest.variant):
                faults.append(document.fault((*loc[:-1], "dsmr_version"), *mismatch))
    return faults, remarks


def _print_json(faults: list[Problem], summary: str, remarks: list[str], warnings: list[str]) -> None:
    data = {
        "right": not faults,
        "summary": "" if faults else summary,
        "faults": [asdict(fault) for fault in faults],
        "meters": remarks,
        "warnings": warnings,
    }
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _listening(settings: Config) -> str:
    servers = ", ".join(str(server) for server in settings.modbus)
    ports = ", ".join(str(passthrough) for passthrough in settings.passthrough)
    return f"{servers}, passthrough on {ports}" if ports else servers

"""`dsmr-gateway check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from gateway.cli import EXIT_CONFIGURATION
from gateway.cli.output import echo, echo_json
from gateway.cli.parameters import config_argument, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gateway.config import CheckedConfig, Config
    from gateway.config.meter import MeterConfig
    from gateway.files.document import Document, Loc
    from gateway.problems.problem import Problem
    from gateway.tools.probing import ProbeResult

EXIT_MACHINE = 1
_HELD = " {holder} has one of its ports or devices open: stop it, unless it is the gateway with this configuration."


@click.command("check")
@config_argument
@click.option("--probe", "probes", is_flag=True, help="Read the meters too, as `probe` does.")
@json_option
@click.pass_context
def check_command(ctx: click.Context, config: Path, *, probes: bool, as_json: bool) -> None:
    """Report the problems of CONFIG, by default gateway.yaml, of the maps that it names, and of this machine.

    All problems of the files are reported at once; ports, devices and host names are checked once the files are valid.
    The exit code is 78 for problems in a file, and 1 for a port, a device, a certificate or a meter that cannot be
    used now.
    """
    from gateway.config import check_config
    from gateway.files.document import FileError

    try:
        checked = check_config(config)
        report = _check(checked, config, probes=probes)
    except FileError as error:
        if not as_json:
            raise
        report = _Report(error.problems, EXIT_CONFIGURATION)
    if as_json:
        _print_json(report)
    else:
        for problem in report.problems:
            echo(str(problem), err=True)
        for remark in (*report.remarks, *report.warnings):
            echo(remark)
        if not report.problems:
            echo(report.summary)
    ctx.exit(report.exit_code)


class _Report(NamedTuple):
    problems: Sequence[Problem]
    exit_code: int
    summary: str = ""
    remarks: Sequence[str] = ()
    """A line for each meter that was read."""
    warnings: Sequence[str] = ()


def _check(checked: CheckedConfig, path: Path, *, probes: bool) -> _Report:
    from gateway.config.maps import never_served
    from gateway.config.modbus import long_waits
    from gateway.config.remarks import config_remarks
    from gateway.problems.problem import in_order
    from gateway.tools.checking import check_files, check_machine, file_warnings, folder_warnings

    document, settings = checked.document, checked.config
    problems = in_order([*checked.problems, *check_files(document, settings, path.parent)])
    if checked.problems:
        return _Report(problems, EXIT_CONFIGURATION)
    machine = check_machine(document, settings)
    problems, remarks = in_order([*problems, *machine.problems]), list[str]()
    # A line that cannot be opened cannot be read either.
    if probes and not problems:
        problems, remarks = _probe(document, settings, path)
    held = _HELD.format(holder=machine.running) if machine.running else ""
    summary = f"{path} is valid: {_whole(settings)}.{held}"
    remarks_of_maps = dict.fromkeys(remark for each in checked.maps.values() for remark in each.remarks)
    warnings = [*config_remarks(document, settings), *long_waits(settings.modbus), *remarks_of_maps]
    warnings += map(str, folder_warnings(document, settings, path.parent))
    warnings += [*never_served(settings, checked.maps), *map(str, file_warnings(settings, path))]
    return _Report(problems, EXIT_MACHINE if problems else 0, summary, remarks, warnings)


def _whole(settings: Config) -> str:
    """Return the numbers of what is configured."""
    units = sum(len(server.units) for server in settings.modbus)
    parts = [_count(len(settings.all_meters()), "meter")]
    if settings.modbus:
        parts.append(f"{_count(units, 'unit')} on {_listening(settings)}")
    if settings.mqtt:
        parts.append(_count(len(settings.mqtt.brokers), "MQTT broker"))
    return ", ".join(parts)


def _probe(document: Document, settings: Config, path: Path) -> tuple[list[Problem], list[str]]:
    """Read each meter; return the problems, and a remark for each meter that was read."""
    import asyncio

    from gateway.service.node_settings import p1_connections
    from gateway.tools.keys import meter_keys
    from gateway.tools.probing import probe

    problems: list[Problem] = []
    remarks: list[str] = []
    for loc, meter in settings.located_meters():
        if meter.simulate or (meter.parsed_source and meter.parsed_source.is_bare):
            continue
        keys = meter_keys(meter, path.parent)
        findings = asyncio.run(probe(p1_connections(meter, path.parent), keys=keys))
        if remark := _remark(findings[-1]):
            remarks.append(remark)
            problems += _contradictions(document, loc, meter, findings[-1])
        else:
            problems += _failures(document, loc, findings)
    return problems, remarks


def _remark(last: ProbeResult) -> str:
    """Return a line about a meter that is read here or by the running gateway; empty for another one."""
    from gateway.tools.checking import OWN_NAME

    problem, newest = last.problem, last.newest
    if problem and problem.code == "device-in-use" and str(dict(problem.values)["holder"]).startswith(OWN_NAME):
        return f"{last.label}: the gateway that is running reads it"
    if newest is None:
        return ""
    encryption = f", encrypted: {last.encryption}" if last.encryption else ""
    return f"{last.label}: {newest.variant.title}, /{newest.readings.identification}{encryption}"


def _contradictions(document: Document, loc: Loc, meter: MeterConfig, last: ProbeResult) -> Iterator[Problem]:
    """Yield what the telegrams of a meter contradict in its configuration."""
    from gateway.protocol.p1.decryption import Fault
    from gateway.protocol.p1.variants import VARIANTS, variant_mismatch

    if last.newest is None:
        return
    configured = VARIANTS.get(meter.dsmr_version, last.newest.variant)
    if mismatch := variant_mismatch(configured, last.newest.variant):
        yield document.problem((*loc, "dsmr_version"), "wrong-dsmr-version", *mismatch)
    if meter.decryption and not last.encryption:
        what = "the meter sends telegrams in clear text, which are not used with decryption"
        yield document.problem((*loc, "decryption"), Fault.NOT_ENCRYPTED, what, "Remove decryption")


def _failures(document: Document, loc: Loc, findings: Sequence[ProbeResult]) -> Iterator[Problem]:
    """Yield why a meter cannot be read, at the key that each reason is about."""
    from dataclasses import replace

    from gateway.protocol.p1.decryption import Fault

    keys = {
        Fault.WRONG_KEY: ("decryption", "key_file"),
        Fault.WRONG_AUTHENTICATION_KEY: ("decryption", "authentication_key_file"),
        Fault.NO_TAG: ("decryption", "authentication_key_file"),
    }
    for finding in findings:
        if problem := finding.problem:
            key = next((each for fault, each in keys.items() if fault == problem.code), ("port",))
            yield replace(problem, place=document.place((*loc, *key)), what=f"{finding.label}: {problem.what}")


def _print_json(report: _Report) -> None:
    from gateway.problems.problem import as_data

    data = {
        "right": not report.problems,
        "summary": "" if report.problems else report.summary,
        "faults": [as_data(problem) for problem in report.problems],
        "meters": list(report.remarks),
        "warnings": list(report.warnings),
    }
    echo_json(data)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _listening(settings: Config) -> str:
    from gateway.problems.listing import listed

    servers = listed([str(server) for server in settings.modbus])
    ports = listed([str(passthrough) for passthrough in settings.passthrough])
    return f"{servers}, passthrough on {ports}" if ports else servers

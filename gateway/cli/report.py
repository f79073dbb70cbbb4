"""`dsmr-gateway report`."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import click

from gateway.cli.parameters import config_argument, json_option

PACKAGE = "dsmr-modbus-gateway"
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_HEAD = """\
Report of a dsmr-gateway, {time}.
Identifiers, serial numbers, messages, host names and passwords are masked, so that the checksums of telegrams no
longer fit. Read it before you show it to others.

"""


@click.command("report")
@config_argument
@json_option
def report_command(config: Path, *, as_json: bool) -> None:
    """Print what a report of a fault needs, with CONFIG, by default gateway.yaml, and how a running gateway is doing.

    Nothing in it tells whose it is: identifiers, serial numbers, messages, host names and passwords are masked.
    """
    report = {
        "time": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "versions": _versions(),
        "configuration": _configuration(config),
        "running": _running(),
    }
    click.echo(json.dumps(report, indent=2, ensure_ascii=False) if as_json else _as_text(report), nl=as_json)


def _versions() -> dict[str, str]:
    found = {PACKAGE: version(PACKAGE), "Python": platform.python_version(), "system": platform.platform()}
    with suppress(OSError, KeyError):  # not every system says
        found["distribution"] = platform.freedesktop_os_release()["PRETTY_NAME"]
    for requirement in requires(PACKAGE) or ():
        name = _NAME.match(requirement)[0]  # type: ignore[index]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _configuration(path: Path) -> dict[str, Any]:
    import yaml

    from gateway.config import load_config
    from gateway.config.masking import masked
    from gateway.files.yaml_file import FileError
    from gateway.protocol.p1.redaction import redact_text

    named = {"file": redact_text(str(path))}
    try:
        settings = load_config(path)
    except FileError as error:
        return named | {"faults": [redact_text(str(fault)) for fault in error.faults]}
    return named | {"content": yaml.safe_dump(masked(settings), sort_keys=False)}


def _running() -> dict[str, Any]:
    import asyncio

    from gateway.nodes.control import REPORT, ask, running_socket_path

    lines: list[bytes] = []
    try:
        asyncio.run(ask(running_socket_path(), REPORT, lines.append))
    except OSError as error:
        return {"none": f"no gateway of this user answers ({error.strerror or error})"}
    return json.loads(lines[0]) if lines else {"none": "the gateway that is running is an older one"}


def _as_text(report: Mapping[str, Any]) -> str:
    configuration, running = report["configuration"], report["running"]
    parts = [_HEAD.format(time=report["time"]), "Versions\n"]
    parts += [f"  {name} {number}\n" for name, number in report["versions"].items()]
    parts.append(f"\nConfiguration {configuration['file']}\n")
    parts.append(_indented(configuration.get("content") or "\n".join(configuration["faults"])))
    parts.append("\nRunning gateway\n")
    parts.append(_indented(running["none"]) if "none" in running else "".join(map(_node_text, running["nodes"])))
    parts += [_meter_text(meter) for meter in running.get("meters", ())]
    return "".join(parts)


def _node_text(node: Mapping[str, Any]) -> str:
    text = f"  {node['kind']} {node['name']}: {node['status']}\n"
    for trouble in node["troubles"]:
        text += f"    {datetime.fromtimestamp(trouble['time'], UTC):%Y-%m-%d %H:%M:%S} {trouble['text']}\n"
    return text


def _meter_text(meter: Mapping[str, Any]) -> str:
    refused = ", ".join(f"{count} refused ({fault})" for fault, count in meter["refused"].items())
    kind = "simulated, " if meter["is_simulated"] else ""
    counts = f"{meter['accepted']} telegrams{f', {refused}' if refused else ''}"
    text = f"\nMeter {meter['name']}: {kind}{'fresh' if meter['is_fresh'] else 'stale'}, {counts}\n"
    if newest := meter.get("newest"):
        text += f"  The newest, of version {newest['variant']}, {newest['age_s']} s old\n"
        text += _indented("\n".join(newest["line_faults"]))
        text += _indented(newest["telegram"], "    ")
    if bad := meter.get("newest_refused"):
        text += f"  The newest that was refused: {bad['fault']} ({bad['detail']})\n"
        text += _indented(bad["telegram"], "    ")
    return text


def _indented(text: str, by: str = "  ") -> str:
    return "".join(f"{by}{line}\n" for line in text.splitlines() if line)

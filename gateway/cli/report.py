"""`dsmr-gateway report`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli.output import echo, echo_json
from gateway.cli.parameters import config_argument, json_option

_HEAD = """\
Report of a dsmr-gateway, {time}.
Identifiers, messages, passwords, and all names, hosts and paths of yours are replaced. The checksums of the telegrams
therefore no longer match. Read the report before you show it to others.

"""


@click.command("report")
@config_argument
@json_option
def report_command(config: Path, *, as_json: bool) -> None:
    """Print what a bug report needs: versions, CONFIG (by default gateway.yaml), and the state of a running gateway.

    It has no personal data: only what is known to be harmless goes in, and placeholders for the rest.
    """
    from gateway.tools.reporting import collect

    report = collect(config)
    if as_json:
        echo_json(report)
    else:
        echo(_as_text(report), nl=False)


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
    for problem in node["troubles"]:
        text += f"    {datetime.fromtimestamp(problem['time'], UTC):%Y-%m-%d %H:%M:%S} {problem['text']}\n"
    return text


def _meter_text(meter: Mapping[str, Any]) -> str:
    refused = ", ".join(f"{count} refused ({reason})" for reason, count in meter["refused"].items())
    kind = "simulated, " if meter["is_simulated"] else ""
    counts = f"{meter['accepted']} telegrams{f', {refused}' if refused else ''}"
    text = f"\nMeter {meter['name']}: {kind}{'fresh' if meter['is_fresh'] else 'stale'}, {counts}\n"
    if newest := meter.get("newest"):
        text += f"  Newest telegram, version {newest['variant']}, {newest['age_s']} s old\n"
        text += _indented("\n".join(newest["line_faults"]))
        text += _indented(newest["telegram"], "    ")
    if bad := meter.get("newest_refused"):
        text += f"  Newest refused telegram: {bad['fault']} ({bad['detail']})\n"
        text += _indented(bad["telegram"], "    ")
    return text


def _indented(text: str, by: str = "  ") -> str:
    return "".join(f"{by}{line}\n" for line in text.splitlines() if line)

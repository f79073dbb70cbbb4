"""The output of `dsmr-gateway probe` for one place: a telegram with its readings, and the configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.cli.output import echo

if TYPE_CHECKING:
    from gateway.protocol.p1.reading import Reading
    from gateway.tools.probing import ProbeResult

_WIDTH = 60
"""Largest width of the lines of a telegram."""


class Files(NamedTuple):
    """The files that a meter or its source needs, by the options of the command."""

    token_file: Path | None = None
    ca: Path | None = None
    key_file: Path | None = None
    """Key of a meter that encrypts its telegrams."""
    authentication_key_file: Path | None = None

    def beside(self, configuration: Path | None) -> Files:
        """Return the files as a configuration names them: relative paths begin at its folder."""
        if configuration is None:
            return self
        folder = configuration.parent
        return Files(*(each and (each if each.is_absolute() else Path(os.path.relpath(each, folder))) for each in self))

    def of_source(self) -> dict[str, Path]:
        """Return the files of a source by their key of `meter:`."""
        given = {"token_file": self.token_file, "ca": self.ca}
        return {key: path for key, path in given.items() if path}

    def for_found(self, place: str) -> Files:
        """Return the files for a place that a search has found: those that it can use and may get.

        Anybody can announce a device. A HomeWizard P1 Meter has to show the certificate of its maker before it gets the
        token; another device would get it without showing anything.
        """
        from gateway.config.source import HOMEWIZARD, split_source

        source = split_source(place) if "://" in place else None
        keys = source.kind.keys if source else frozenset[str]()
        token_file = self.token_file if source and source.scheme == HOMEWIZARD else None
        return self._replace(token_file=token_file, ca=self.ca if "ca" in keys else None)

    def decryption(self) -> dict[str, Path]:
        """Return the files with the keys of the meter by their key of `decryption:`."""
        given = {"key_file": self.key_file, "authentication_key_file": self.authentication_key_file}
        return {key: path for key, path in given.items() if path}


def show(place: str, results: Sequence[ProbeResult], files: Files) -> None:
    """Print a telegram with its readings and the configuration, or why there is no telegram."""
    from gateway.tools.probing import conclude

    for result in results:
        if not result.newest:
            echo(f"{result.label}: {result.problem}", err=True)
            continue
        newest, cadence = result.newest, result.cadence_s
        pace = f"a telegram every {cadence:.0f} s" if cadence and cadence >= 1 else "telegrams"
        refused = f", {len(result.refused)} refused" if result.refused else ""
        encryption = f", encrypted: {result.encryption}" if result.encryption else ""
        identification = f"/{newest.readings.identification}"
        echo(f"{result.label}: {newest.variant.title}, {identification}, {pace}{refused}{encryption}\n")
        width = max(len(_line(reading)) for reading in newest.readings.lines)
        for reading in newest.readings.lines:
            echo(f"  {_line(reading).ljust(min(width, _WIDTH))}  {_value(reading)}".rstrip())
        if files.key_file and not result.encryption:
            echo("\nThe telegrams are not encrypted: this meter needs no key.")
        echo(f"\nTo use this meter, write into gateway.yaml:\n\n{configuration(place, result, files)}")
    if conclusion := conclude(results):
        echo(f"{place}: {conclusion}", err=True)


def configuration(place: str, result: ProbeResult, files: Files) -> str:
    """Return the configuration of the meter at a place."""
    from gateway.config.address import split_address, split_url

    address = split_url(place) or (None if "://" in place else split_address(place))
    lines = [f"  host: {address[0]}", f"  port: {address[1]}"] if address else [f"  port: {place}"]
    if not address and "://" in place:
        named = [f"  {key}: {json.dumps(str(path))}" for key, path in files.of_source().items()]
        lines = [f"  source: {json.dumps(place)}", *named]
    if result.newest:
        lines.append(f'  dsmr_version: "{result.newest.variant.key}"')
    if result.encryption and (keys := files.decryption()):
        lines += ["  decryption:", *(f"    {key}: {json.dumps(str(path))}" for key, path in keys.items())]
    return "\n".join(["meter:", *lines, ""])


def as_data(place: str, results: Sequence[ProbeResult], files: Files) -> dict[str, object]:
    """Return everything about one place as plain data for JSON."""
    from gateway.tools.probing import conclude

    data: dict[str, object] = {
        "place": place,
        "tried": {each.label: str(each.problem or "telegrams") for each in results},
    }
    if conclusion := conclude(results):
        data["conclusion"] = conclusion
    last = results[-1] if results else None
    if last and last.encryption:
        data["encryption"] = last.encryption
    if last and last.newest:
        newest = last.newest
        data |= {
            "dsmr_version": newest.variant.key,
            "title": newest.variant.title,
            "identification": newest.readings.identification,
            "cadence_s": last.cadence_s,
            "readings": {
                reading.code: {"name": reading.name, "value": _plain(reading), "unit": reading.unit}
                for reading in newest.readings.lines
            },
            "configuration": configuration(place, last, files),
        }
    return data


def _line(reading: Reading) -> str:
    text = reading.code + reading.text.replace("\r", "").replace("\n", "")
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def _value(reading: Reading) -> str:
    if reading.error:
        return f"{reading.name}: not readable, {reading.error}"
    if reading.value is None:
        return f"{reading.name}: no value"
    return f"{reading.name}: {reading.value}{f' {reading.unit}' if reading.unit else ''}"


def _plain(reading: Reading) -> object:
    return reading.value if isinstance(reading.value, int) or reading.value is None else str(reading.value)

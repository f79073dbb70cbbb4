"""What a configuration says, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, load_config
from gateway.files.document import FileError


def load(folder: Path, text: str) -> Config:
    """The configuration of a file with this text."""
    path = folder / "gateway.yaml"
    path.write_text(text)
    return load_config(path, {})


def faults_in(folder: Path, text: str) -> list[str]:
    """All that is wrong with it, from `line:column` on."""
    with pytest.raises(FileError) as error:
        load(folder, text)
    return [str(fault).removeprefix(f"{folder / 'gateway.yaml'}:") for fault in error.value.problems]


FOUR_PROBLEMS = """\
meter: {simulate: true, dsmr_versoin: 5}
modbus:
  - listen: 127.0.0.1:0
    units:
      1: {map: dsrm}
      2: {map: missing.yaml}
      3: {meter: barn}
"""
"""A configuration with an unknown key, an unknown map, a missing map file and an unknown meter."""

FOLDER = "/etc/dsmr-gateway"
"""Folder of the file in the documentation."""
FOUR_LINES = (
    "gateway.yaml:1:25: meter.dsmr_versoin: unknown key. Did you mean dsmr_version?",
    "gateway.yaml:5:11: modbus[0].units.1.map: there is no register map 'dsrm'. Did you mean dsmr?",
    (
        "gateway.yaml:6:11: modbus[0].units.2.map: there is no file /etc/dsmr-gateway/missing.yaml. "
        "Relative paths begin at the folder of gateway.yaml"
    ),
    "gateway.yaml:7:11: modbus[0].units.3.meter: there is no meter 'barn'. There are: meter",
)
"""What is printed about them, in the folder of the file."""

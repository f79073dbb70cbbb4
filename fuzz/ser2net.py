"""Fuzzes the import of ser2net files: `python -m fuzz.ser2net [OPTION...] fuzz/corpus/ser2net`."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from fuzz.built_in import remembered
from fuzz.harness import check_error, check_problems, fuzz
from gateway.config import check_config
from gateway.files.document import FileError
from gateway.ser2net import convert

_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
FILE = Path(_FOLDER.name) / "gateway.yaml"
NAME = "ser2net"
_OLD_PORT = re.compile(
    r"(?:\[[^\]]*\],|[^:\[#][^:]*,|,)?([0-9]{1,9}):(raw|rawlp|telnet):\s*[0-9]*\s*:(/[^:]*):.*", re.IGNORECASE
)
"""A line of the old form with a port that is on."""
_NOT_OLD = re.compile(r"(?:%YAML|---|connection\s*:)")


def check(data: bytes) -> None:
    """Check that any file becomes a configuration that the gateway can read, or problems with their places in the file.

    The configuration has each device and each port of the old form, and never a port that is not in the file.
    """
    text = data.decode("utf-8", "replace")
    try:
        result = convert(text, NAME)
    except FileError as error:
        check_error(error, {NAME: data})
        return
    FILE.write_text(result)
    with remembered():
        checked = check_config(FILE, {})
    check_problems(checked.problems, {str(FILE): result.encode()})
    if checked.problems or any(_NOT_OLD.match(line) for line in text.splitlines()):
        return
    ports = [match for line in text.splitlines() if (match := _OLD_PORT.fullmatch(line.strip()))]
    assert [int(match[1]) for match in ports] == [port.listen.port for port in checked.config.passthrough]
    devices = list(dict.fromkeys(match[3] for match in ports))
    assert set(devices) <= {meter.device for meter in checked.config.all_meters().values()}


if __name__ == "__main__":
    fuzz(__file__)

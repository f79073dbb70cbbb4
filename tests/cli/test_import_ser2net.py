"""`dsmr-gateway import-ser2net` prints what `gateway.ser2net` makes of a file."""

from __future__ import annotations

from pathlib import Path

from gateway.ser2net import convert
from tests.cli.calling import invoke

LINE = "2001:raw:600:/dev/ttyUSB0:115200 NONE 1STOPBIT 8DATABITS\n"


def test_the_converted_configuration_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "ser2net.conf"
    file.write_text(LINE)
    result = invoke("import-ser2net", str(file))
    assert (result.exit_code, result.stdout) == (0, convert(LINE, str(file)))

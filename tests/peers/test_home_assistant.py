"""What is exported for Home Assistant, taken by its own modbus integration: checked, and read as its sensors do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.exports import Target, export
from gateway.maps.load import find_map, load_map, map_names
from tests.peers.harness import LIMIT_S, Gateway
from tests.peers.pypi import packages
from tests.peers.ten_maps import MAPS, ten_maps

# The newest that runs on Python 3.11, and what its modbus integration loads of its dependencies.
PACKAGES = (
    "homeassistant==2024.3.3", "pymodbus==3.6.4", "voluptuous==0.13.1", "voluptuous-serialize==2.6.0",
    "aiohttp==3.9.3", "aiohttp-fast-url-dispatcher==0.3.0", "aiohttp-zlib-ng==0.3.1", "zlib-ng==1.0.0",
    "aiosignal==1.3.1", "frozenlist==1.4.1", "multidict==6.0.5", "yarl==1.9.4", "idna==3.6", "attrs==23.2.0",
    "Jinja2==3.1.3", "MarkupSafe==2.1.5", "PyJWT==2.8.0", "PyYAML==6.0.1", "async-interrupt==1.1.1",
    "atomicwrites-homeassistant==1.4.1", "awesomeversion==24.2.0", "bcrypt==4.1.2", "certifi==2024.2.2",
    "cffi==1.16.0", "ciso8601==2.3.1", "cryptography==42.0.5", "ifaddr==0.2.0", "lru-dict==1.3.0", "orjson==3.9.15",
    "packaging==24.0", "python-slugify==8.0.4", "text-unidecode==1.3", "typing_extensions==4.10.0",
    "ulid-transform==0.9.0", "requests==2.31.0", "urllib3==1.26.20", "charset-normalizer==3.3.2",
)  # fmt: skip
PROGRAM = Path(__file__).parent / "home_assistant_reader.py"
WHOLE_CONFIGURATION_S = 60
EXPECTED = {
    "dsmr": {"power net": -3127, "voltage l2": 238.9, "current signed l2": -16, "energy import f32": 17_324.375,
             "energy import": 17_324_375, "frequency": None, "gas reading": 4036.719},
    "cg-em24": {"power": -3127, "voltage l2": 238.9, "current l2": -16, "energy import": 17_324.4},
    "abb-b23": {"power": -3127, "voltage l2": 238.9, "current l2": 16, "energy import": 17_324.38},
}  # fmt: skip
UNIT_IDS = {name: unit for unit, name in MAPS.items()}


@pytest.fixture(scope="module")
def library() -> Path:
    """Where Home Assistant is installed."""
    return packages(*PACKAGES)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Shows a house that exports 3127 W, 3811 W of it on L2."""
    with ten_maps(tmp_path_factory.mktemp("home_assistant")) as gateway:
        yield gateway


def run(library: Path, *arguments: object) -> str:
    environment = {**os.environ, "PYTHONPATH": str(library)}
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    limit = WHOLE_CONFIGURATION_S + LIMIT_S
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_home_assistant_takes_the_export_of_every_map(library: Path, tmp_path: Path) -> None:
    for name, path in map_names().items():
        text = export("home-assistant", load_map(path), Target("192.0.2.1", 502, 1))
        (tmp_path / f"{name}.yaml").write_text(text)
    assert json.loads(run(library, "check", *sorted(tmp_path.glob("*.yaml")))) == []


@pytest.mark.parametrize("name", EXPECTED)
def test_its_sensors_read_what_the_meter_says(library: Path, tmp_path: Path, gateway: Gateway, name: str) -> None:
    target = Target("127.0.0.1", gateway.port, UNIT_IDS[name])
    (tmp_path / "own.yaml").write_text(export("home-assistant", load_map(find_map(name, Path())), target))
    values = json.loads(run(library, "read", tmp_path / "own.yaml"))
    for each, value in EXPECTED[name].items():
        assert values[each] == (value if value is None else pytest.approx(value, rel=1e-6)), each

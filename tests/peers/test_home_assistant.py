"""What is exported for Home Assistant, taken by its own modbus integration: checked, and read as its sensors do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.exports import ExportedUnit, Target, export
from gateway.maps.load import find_map, load_map, map_names
from gateway.protocol.p1.variants import SerialSettings
from tests.cli.calling import run_cli
from tests.peers.harness import LIMIT_S, SIMULATED, Gateway, running
from tests.peers.pypi import packages, python_of
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
# A current one, which needs Python 3.13, and what it loads of its dependencies without a frontend.
CURRENT = (
    "homeassistant==2025.4.4", "pymodbus==3.8.3", "acme==3.2.0", "aiodns==3.2.0", "aiohappyeyeballs==2.7.1",
    "aiohasupervisor==0.3.0", "aiohttp-asyncmdnsresolver==0.1.1", "aiohttp-cors==0.7.0", "aiohttp==3.11.16",
    "aiosignal==1.4.0", "aiozoneinfo==0.2.3", "annotatedyaml==0.4.5", "anyio==4.16.0", "astral==2.2",
    "async-timeout==5.0.1", "async_interrupt==1.2.2", "atomicwrites-homeassistant==1.4.1", "attrs==25.1.0",
    "awesomeversion==24.6.0", "bcrypt==4.2.0", "boto3==1.44.8", "botocore==1.44.8", "certifi==2026.10.19.post1",
    "cffi==2.1.1", "charset-normalizer==3.5.3", "ciso8601==2.3.2", "cronsim==2.6", "cryptography==44.0.1",
    "envs==1.4", "fnv-hash-fast==1.4.0", "fnvhash==0.1.0", "frozenlist==1.8.0", "greenlet==3.5.6",
    "hass-nabucasa==0.94.0", "idna==3.20", "ifaddr==0.2.0", "Jinja2==3.1.6", "jmespath==1.1.0", "josepy==1.15.0",
    "lru-dict==1.3.0", "MarkupSafe==3.0.4", "mashumaro==3.23", "multidict==6.9.1", "orjson==3.10.16",
    "packaging==26.4", "pillow==11.1.0", "propcache==0.3.0", "psutil-home-assistant==0.0.1", "psutil==7.0.0",
    "pycares==5.2.1", "pycognito==2024.5.1", "PyJWT==2.10.1", "pyOpenSSL==25.0.0", "pyRFC3339==2.1.1",
    "python-dateutil==2.9.0.post0", "python-slugify==8.0.4", "pytz==2026.6", "PyYAML==6.0.2", "requests==2.32.3",
    "s3transfer==0.19.3", "securetar==2025.2.1", "six==1.17.0", "snitun==0.40.0", "SQLAlchemy==2.0.39",
    "text-unidecode==1.3", "typing_extensions==4.16.0", "ulid-transform==1.4.0", "urllib3==1.26.20",
    "voluptuous-serialize==2.6.0", "voluptuous==0.15.2", "webrtc-models==0.3.0", "yarl==1.18.3", "zeroconf==0.146.0",
)  # fmt: skip
CURRENT_PYTHON = "3.13"
WHOLE = Path(__file__).parent / "home_assistant_whole.py"
PROGRAM = Path(__file__).parent / "home_assistant_reader.py"
WHOLE_CONFIGURATION_S = 60
EXPECTED = {
    "dsmr": {"power net": -3127, "voltage l2": 238.9, "current signed l2": -16, "energy import": 17_324_375,
             "frequency": None, "gas reading": 4036.719},
    "cg-em24": {"power": -3127, "voltage l2": 238.9, "current l2": -16, "energy import": 17_324.4},
    "abb-b23": {"power": -3127, "voltage l2": 238.9, "current l2": 16, "energy import": 17_324.38},
}  # fmt: skip
UNIT_IDS = {name: unit for unit, name in MAPS.items()}


@pytest.fixture(scope="module")
def library() -> Path:
    """Where Home Assistant is installed."""
    if sys.version_info >= (3, 13):
        pytest.skip("this Home Assistant runs on Python 3.11 and 3.12; a current one is tested below")
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
        text = export("home-assistant", [ExportedUnit(load_map(path), Target("192.0.2.1", 502, 1))])
        (tmp_path / f"{name}.yaml").write_text(text)
    line = Target("/dev/ttyUSB9", 0, 11, "serial", SerialSettings(9600, 8, "N", 2))
    (tmp_path / "serial.yaml").write_text(
        export("home-assistant", [ExportedUnit(load_map(map_names()["abb-b23"]), line)])
    )
    assert json.loads(run(library, "check", *sorted(tmp_path.glob("*.yaml")))) == []


@pytest.mark.parametrize("name", EXPECTED)
def test_its_sensors_read_what_the_meter_says(library: Path, tmp_path: Path, gateway: Gateway, name: str) -> None:
    target = Target("127.0.0.1", gateway.port, UNIT_IDS[name])
    (tmp_path / "own.yaml").write_text(
        export("home-assistant", [ExportedUnit(load_map(find_map(name, Path())), target)])
    )
    values = json.loads(run(library, "read", tmp_path / "own.yaml"))
    for each, value in EXPECTED[name].items():
        assert values[each] == (value if value is None else pytest.approx(value, rel=1e-6)), each


def states_in_a_current_one(folder: Path, exports: Mapping[str, str]) -> Any:
    """Return what a whole Home Assistant makes of exports, each a package of its configuration."""
    python = python_of(CURRENT_PYTHON)
    environment = {**os.environ, "PYTHONPATH": str(packages(*CURRENT, python=python))}
    folder.mkdir()
    for name, text in exports.items():
        (folder / f"{name}.yaml").write_text(text)
    packages_of = "".join(f"    {name}: !include {name}.yaml\n" for name in exports)
    (folder / "configuration.yaml").write_text(f"homeassistant:\n  packages:\n{packages_of}")
    count = sum(text.count("unique_id:") for text in exports.values())
    command = [python, str(WHOLE), str(folder), str(count)]
    limit = WHOLE_CONFIGURATION_S + LIMIT_S
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_two_units_of_two_gateways_live_side_by_side_in_a_current_one(tmp_path: Path) -> None:
    units = {"units": {1: {"map": "dsmr"}, 2: {"map": "abb-b23"}}}
    gateways = {name: Gateway(tmp_path / name, SIMULATED, units) for name in ("house", "barn")}
    with running(*gateways.values()):
        for gateway in gateways.values():
            gateway.wait_for_telegrams(2)
        whole, present = (
            {name: run_cli(tmp_path / name, "export", "home-assistant", *options).stdout for name in gateways}
            for options in ((), ("--present",))
        )
        found = states_in_a_current_one(tmp_path / "whole", whole)
        without_absent = states_in_a_current_one(tmp_path / "present", present)
    for each, exports in ((found, whole), (without_absent, present)):
        assert each["logged"] == []
        assert (
            len(each["states"]) == len(each["unique_ids"]) == sum(text.count("unique_id:") for text in exports.values())
        )
    for gateway in gateways.values():
        here = f"unit_1_127_0_0_1_{gateway.port}"
        assert 200 < float(found["states"][f"sensor.voltage_l1_dsmr_{here}"]["state"]) < 260
        assert found["states"][f"sensor.frequency_dsmr_{here}"]["state"] == "unavailable"
    assert "unavailable" not in {each["state"] for each in without_absent["states"].values()}

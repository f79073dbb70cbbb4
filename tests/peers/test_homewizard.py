"""HomeWizard's own client for Python pairs with the device of the tests and reads it, so the device is like theirs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.cli.test_pair import served
from tests.lines.homewizard_device import SERIAL, TELEGRAM, Maker
from tests.peers.harness import LIMIT_S
from tests.peers.pypi import packages, python_of

PACKAGE = "python-homewizard-energy==10.2.0"
PYTHON = "3.12"
"""Oldest Python that the client supports."""
PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from homewizard_energy import HomeWizardEnergyV1, HomeWizardEnergyV2, v2
from homewizard_energy.errors import DisabledError, UnauthorizedError

place, v1_place, identifier, authority = sys.argv[1:]
v2.CACERT = Path(authority).read_text()

async def main():
    found = {}
    async with HomeWizardEnergyV2(place, identifier=identifier) as api:
        try:
            await api.get_token("theirs")
        except DisabledError:
            found["needs the button"] = True
        found["token"] = await api.get_token("theirs")
        found["device"] = (await api.device()).to_dict()
        found["telegram"] = await api.telegram()
    async with HomeWizardEnergyV2(place, identifier=identifier, token="0" * 32) as api:
        try:
            await api.telegram()
        except UnauthorizedError:
            found["needs the token"] = True
    async with HomeWizardEnergyV1(v1_place) as api:
        found["telegram over v1"] = await api.telegram()
    print(json.dumps(found, default=str))

asyncio.run(main())
"""


def test_homewizards_own_client_pairs_with_the_device_of_the_tests_and_reads_it(tmp_path: Path) -> None:
    python = python_of(PYTHON)
    folder = packages(PACKAGE, with_dependencies=True, python=python)
    maker = Maker(tmp_path)
    with served(maker) as device:
        device.pressed_at_request, device.api_v1_is_on = 1, True
        name = f"appliance/p1dongle/{SERIAL}"
        result = subprocess.run(
            [python, "-c", PROGRAM, device.place, f"localhost:{device.v1_port}", name, str(maker.ca)],
            env=os.environ | {"PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        found = json.loads(result.stdout)
        assert found["token"] == device.tokens["local/theirs"]
    assert found["needs the button"]
    assert found["needs the token"]
    assert found["device"]["serial"] == SERIAL
    for key in ("telegram", "telegram over v1"):
        assert found[key].encode().split() == TELEGRAM.split()

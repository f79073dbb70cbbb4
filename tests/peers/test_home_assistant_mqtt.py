"""Home Assistant's own MQTT integration finds a meter by itself, and never shows stale readings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.peers.harness import Program, free_port, running, wait_until
from tests.peers.pypi import packages, python_of
from tests.peers.test_home_assistant import CURRENT, CURRENT_PYTHON
from tests.peers.test_mqtt import STALE_AFTER_S, TOPIC, Mosquitto, publishing, telegram
from tests.peers.test_mqtt_publish import publisher

PROGRAM = Path(__file__).parent / "home_assistant_mqtt.py"
PAHO = "paho-mqtt==2.1.0"
POWER_W = 1234
START_LIMIT_S = 180.0


class HomeAssistant(Program):
    """A whole Home Assistant that is connected to the broker on `port`."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir()
        (folder / "configuration.yaml").write_text("homeassistant: {}\n")
        python = python_of(CURRENT_PYTHON)
        libraries = [packages(*CURRENT, python=python), packages(PAHO, python=python)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, libraries))}
        super().__init__([python, PROGRAM, folder, str(port)], folder, "home assistant", environment)

    def lines(self, key: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]
        return [each for each in found if key in each]

    def states(self) -> dict[str, str]:
        """Return the newest state of each sensor."""
        return {each["entity"]: each["state"] for each in self.lines("entity")}

    def wait_for(self, state: str, limit_s: float = START_LIMIT_S) -> None:
        """Wait until the power has this state."""
        wait_until(lambda: self.states().get("sensor.meter_power_net") == state, f"{state}: {self.log}", limit_s)


def test_a_stale_meter_and_one_whose_gateway_is_gone_are_unavailable(tmp_path: Path) -> None:
    port = free_port()
    meter = {"source": f"mqtt://127.0.0.1:{port}/{TOPIC}", "stale_after": f"{STALE_AFTER_S:g}s"}
    with running(Mosquitto(tmp_path, port)):
        gateway = publisher(tmp_path / "edge", port, servers=False, meter=meter, publish=["home_assistant"])
        home = HomeAssistant(tmp_path / "home", port)
        with running(gateway, home):
            wait_until(lambda: home.lines("ready"), lambda: home.log, START_LIMIT_S)
            with publishing(port, lambda: telegram(POWER_W)):
                home.wait_for(str(POWER_W))
                (power,) = [each for each in home.lines("entity") if each["state"] == str(POWER_W)][:1]
                assert power["attributes"]["device_class"] == "power"
            home.wait_for("unavailable")
            wait_until(lambda: set(home.states().values()) == {"unavailable"}, "the other sensors")
            with publishing(port, lambda: telegram(POWER_W + 1)):
                home.wait_for(str(POWER_W + 1))
                gateway.kill()
                home.wait_for("unavailable")
        assert home.lines("logged") == []

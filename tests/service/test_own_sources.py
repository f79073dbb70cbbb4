"""What a running gateway says it reads, so that nothing else reads it too."""

from __future__ import annotations

from pathlib import Path

from gateway.config import load_config
from gateway.protocol.p1.identifiers import pseudonym
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.telegram import TelegramReader
from gateway.service.own_sources import describe_sources
from tests.conftest import own_telegram

CONFIGURATION = """
meters:
  cable: {port: /dev/ttyUSB7}
  net: {host: 192.168.1.13, port: 2001}
  dongle: {source: "http://192.168.1.21/api/v1/telegram"}
  six: {host: "fd00::1", port: 2001}
  posted: {source: push, token_file: posted.token}
  none: {simulate: true}
push: {listen: "127.0.0.1:0"}
modbus: [{units: {1: {meter: cable}}}]
passthrough: [{meter: cable, listen: ":2001"}]
"""


def test_each_place_is_named_with_what_its_meter_sends(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(CONFIGURATION)
    config = load_config(tmp_path / "gateway.yaml", {})
    meters = {name: MeterState(name, None) for name in config.all_meters()}
    for item in TelegramReader().feed(own_telegram("v50_sagemcom-t210d")):
        meters["cable"].take(item, 100.0, 0)
    newest = meters["cable"].newest
    assert newest
    cable = {
        "name": "cable",
        "place": "/dev/ttyUSB7",
        "device": "/dev/ttyUSB7",
        "title": "DSMR 5",
        "meter": pseudonym(newest.readings.values["equipment_identifier"]),
        "age_s": 2.5,
    }
    assert describe_sources(config, meters, 102.5) == {
        "meters": [
            cable,
            {"name": "net", "place": "192.168.1.13:2001", "host": "192.168.1.13", "port": 2001},
            {
                "name": "dongle",
                "place": "http://192.168.1.21:80/api/v1/telegram",
                "host": "192.168.1.21",
                "port": 80,
            },
            {"name": "six", "place": "[fd00::1]:2001", "host": "fd00::1", "port": 2001},
        ],
        "passthroughs": [2001],
    }

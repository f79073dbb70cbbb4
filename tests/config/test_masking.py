"""A configuration that is shown tells what is configured, and not whose it is."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel

from gateway.config import load_config
from gateway.config.masking import REMOVED, masked

CONFIG = """\
meters:
  house:
    port: /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0
    dsmr_version: 5
    stale_after: 20s
  barn: {host: p1.jansen.example, port: 2001}
  shed: {host: 192.168.1.13, port: 2001}
modbus:
  - listen: ":5020"
    allow: [192.168.1.0/24, 84.22.33.44/32]
    identification: {user_application_name: House of Jansen, vendor_name: ACME}
    units:
      1: {meter: house, map: dsmr}
      2: {meter: barn, on_stale: silent}
"""


def test_hosts_serial_numbers_and_free_texts_are_removed(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    shown = masked(load_config(tmp_path / "gateway.yaml", {}))
    text = yaml.safe_dump(shown)
    for secret in ("A50285BI", "jansen", "Jansen", "84.22.33.44"):
        assert secret not in text
    assert shown["meters"] == {
        "(meter 1)": {"port": "(path 1)", "dsmr_version": "5", "stale_after": 20.0},
        "(meter 2)": {"host": "(host 1)", "port": "2001"},
        "(meter 3)": {"host": "192.168.1.13", "port": "2001"},
    }
    assert shown["modbus"][0]["allow"] == ["192.168.1.0/24", "(allow 1)"]
    assert shown["modbus"][0]["identification"] == {
        "user_application_name": "(user_application_name 1)",
        "vendor_name": "(vendor_name 1)",
    }
    assert shown["modbus"][0]["units"] == {
        "1": {"meter": "(meter 1)", "map": "dsmr"},
        "2": {"meter": "(meter 2)", "on_stale": "silent"},
    }


class Secretive(BaseModel):
    password: str
    api_token: list[str]
    password_file: str | None = None
    secret_number: int = 0


def test_whatever_is_called_a_secret_is_one() -> None:
    shown = masked(Secretive(password="p", api_token=["t"], password_file="/etc/p", secret_number=5))
    assert shown == {"password": REMOVED, "api_token": [REMOVED], "password_file": REMOVED, "secret_number": REMOVED}
    assert masked(Secretive(password="p", api_token=[])) == {"password": REMOVED, "api_token": []}

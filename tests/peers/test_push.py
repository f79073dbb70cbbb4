"""Telegrams that a foreign client posts, as dsmr-reader's remote datalogger does: with requests, a form and a token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.certificates import add_certificate, make_certificates
from tests.conftest import own_telegram
from tests.peers.harness import LIMIT_S, TARGET_FAILED, Gateway, ModbusClient, free_port, running, wait_until
from tests.peers.pypi import packages
from tests.protocol.p1.stream import stamped

REQUESTS = "requests==2.32.3"
TOKEN = "0123456789ABCDEF-farm"
TELEGRAM = own_telegram("v50_sagemcom-t210d")
NET_POWER, NET_W = 100, 2486
PATH = "/api/v1/datalogger/dsmrreading"
SCRIPT = """\
import json, sys
import requests
given = json.load(sys.stdin)
response = requests.post(
    given["url"],
    headers={"Authorization": "Token {}".format(given["token"])},
    data={"telegram": given["telegram"]},
    timeout=60,
    verify=given["ca"],
)
print(response.status_code)
"""


@pytest.fixture(scope="module")
def client() -> Mapping[str, str]:
    """The environment in which the client's libraries are found."""
    return {**os.environ, "PYTHONPATH": str(packages(REQUESTS, with_dependencies=True))}


def post(client: Mapping[str, str], url: str, token: str = TOKEN, ca: Path | None = None) -> str:
    """Post a telegram of this moment; return the status of the response, or the error."""
    # The datalogger cuts a telegram after its checksum.
    telegram = stamped(TELEGRAM, time.time()).decode("latin-1").rstrip()
    given = {"url": url + PATH, "token": token, "telegram": telegram, "ca": str(ca) if ca else True}
    command = [sys.executable, "-c", SCRIPT]
    result = subprocess.run(
        command, input=json.dumps(given), capture_output=True, text=True, env=client, timeout=LIMIT_S, check=False
    )
    return result.stdout.strip() or result.stderr


def start_gateway(folder: Path, port: int, **push: object) -> Gateway:
    (folder / "farm.token").write_text(f"{TOKEN}\n")
    (folder / "farm.token").chmod(0o600)
    meter = {"source": "push", "token_file": "farm.token", "dsmr_version": "5", "stale_after": "3s"}
    gateway = Gateway(folder, meter, settings={"push": {"listen": f"127.0.0.1:{port}", **push}}, waits=False)
    gateway.wait_for_port(port)
    gateway.wait_for_port(gateway.port)
    return gateway


def wait_for_power(client: ModbusClient, watts: int = NET_W) -> None:
    wait_until(lambda: client.read(NET_POWER, 2) == watts.to_bytes(4, "big", signed=True), f"{watts} W")


def test_a_foreign_client_posts_and_its_values_are_served_until_they_are_stale(
    tmp_path: Path, client: Mapping[str, str]
) -> None:
    port = free_port()
    gateway = start_gateway(tmp_path, port)
    with running(gateway), gateway.client() as reader:
        assert reader.read(NET_POWER, 2) == TARGET_FAILED
        # A first telegram has nothing that its clock could be compared with; so several are posted.
        wait_until(
            lambda: post(client, f"http://127.0.0.1:{port}") == "201" and reader.read(NET_POWER, 2) != TARGET_FAILED,
            "posted values",
        )
        wait_for_power(reader)
        wait_until(lambda: reader.read(NET_POWER, 2) == TARGET_FAILED, "stale readings")
        assert post(client, f"http://127.0.0.1:{port}", "a wrong token, of some length") == "401"
        assert TOKEN not in gateway.log


def test_a_foreign_client_posts_over_https_where_there_is_a_certificate(
    tmp_path: Path, client: Mapping[str, str]
) -> None:
    make_certificates(tmp_path)
    add_certificate(tmp_path, "server", host="localhost")
    port = free_port()
    gateway = start_gateway(tmp_path, port, tls={"certificate": "server.pem", "key": "server.key"})
    url, authority = f"https://localhost:{port}", tmp_path / "ca.pem"
    with running(gateway), gateway.client() as reader:
        wait_until(
            lambda: post(client, url, ca=authority) == "201" and reader.read(NET_POWER, 2) != TARGET_FAILED,
            "posted values",
        )
        assert "CERTIFICATE_VERIFY_FAILED" in post(client, url)
        assert "ConnectionError" in post(client, f"http://localhost:{port}")

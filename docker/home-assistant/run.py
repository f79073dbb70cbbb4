"""Starts the gateway as a Home Assistant app: the options become its variables, and root's rights are given up.

With arguments, it runs that command of the gateway as the gateway's user, such as `health`: a socket in /tmp is only
trusted by the user who owns it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.config.environment import PREFIX
from gateway.tools.probing import serial_ports

OPTIONS = Path("/data/options.json")
CONFIG = Path("/config/gateway.yaml")
USER = 10001
SER2NET_PORT = 2001
PASSTHROUGH = ":2001"


def variables(options: Mapping[str, Any], *, has_file: bool) -> dict[str, str]:
    """Return the environment variables of the gateway for the options.

    Raises:
        ValueError: no source of telegrams is chosen, or two.

    """
    device, host = options.get("device"), options.get("host")
    found = {}
    if device and host:
        raise ValueError("Both a device and a host are chosen: clear one of them in the app's configuration.")
    if device:
        found["METER__PORT"] = device
    elif host:
        found |= {"METER__HOST": host, "METER__PORT": str(options.get("port") or SER2NET_PORT)}
    elif not has_file:
        raise ValueError("Choose the device of the P1 cable, or the host of a ser2net, in the app's configuration.")
    if options.get("dsmr_version"):
        found["METER__DSMR_VERSION"] = options["dsmr_version"]
    # A file says for itself what it offers.
    if options.get("passthrough") and not has_file:
        found["PASSTHROUGH__0__LISTEN"] = PASSTHROUGH
    return {PREFIX + name: value for name, value in found.items()}


def groups_of(devices: Iterable[str]) -> set[int]:
    """Return the groups that may open these devices, by number: the host's groups have no names here."""
    return {path.stat().st_gid for path in map(Path, devices) if path.exists()}


def become_user(groups: Iterable[int]) -> None:
    """Give up the rights of root."""
    os.setgroups(sorted(groups))
    os.setgid(USER)
    os.setuid(USER)


def main(arguments: Sequence[str]) -> None:
    """Become the gateway, or one of its commands."""
    gateway = Path(sys.executable).with_name("dsmr-gateway")
    if arguments:
        become_user(())
        os.execv(gateway, [gateway, *arguments])  # noqa: S606 - it becomes the command
    options = json.loads(OPTIONS.read_text())
    try:
        meant = variables(options, has_file=CONFIG.exists())
    except ValueError as error:
        sys.exit(str(error))
    chosen = [options["device"]] if options.get("device") else []
    become_user(groups_of([*serial_ports(), *chosen]))
    # What the container's own variables say goes before the options.
    os.execve(gateway, [gateway, "run", CONFIG], {**meant, **os.environ})  # noqa: S606 - it becomes the gateway


if __name__ == "__main__":
    main(sys.argv[1:])

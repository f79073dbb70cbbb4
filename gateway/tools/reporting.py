"""Collects what a bug report needs, with all personal data masked."""

from __future__ import annotations

import asyncio
import json
import platform
import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import yaml

from gateway.config import load_config
from gateway.config.masking import masked
from gateway.files.document import FileError
from gateway.problems.problem import Problem
from gateway.runtime.clock import utc_now
from gateway.transport.control_socket import REPORT, ask, running_socket_path

DEFAULT_NAME = "gateway.yaml"
PACKAGE = "dsmr-modbus-gateway"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def collect(path: Path) -> dict[str, Any]:
    """Return the time, the versions of libraries, the configuration at `path`, and the state of a running gateway.

    A part that is not available holds the reason: a report is most useful where something does not work.
    """
    return {
        "time": f"{utc_now():%Y-%m-%d %H:%M:%S} UTC",
        "versions": _versions(),
        "configuration": _configuration(path),
        "running": _running(),
    }


def _versions() -> dict[str, str]:
    found = {PACKAGE: version(PACKAGE), "Python": platform.python_version(), "system": platform.platform()}
    with suppress(OSError, KeyError):  # not every system has os-release
        found["distribution"] = platform.freedesktop_os_release()["PRETTY_NAME"]
    for requirement in requires(PACKAGE) or ():
        name = _NAME.match(requirement)[0]  # type: ignore[index]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _configuration(path: Path) -> dict[str, Any]:
    named = {"file": path.name if path.name == DEFAULT_NAME else "(path)"}
    try:
        settings = load_config(path)
    except FileError as error:
        return named | {"faults": [_fault(problem) for problem in error.problems]}
    return named | {"content": yaml.safe_dump(masked(settings), sort_keys=False)}


def _fault(problem: Problem) -> str:
    """Return the place and the code of a problem; its sentence may quote the file."""
    place = problem.place
    return f"line {place.line}, column {place.column}: {problem.code}" if place.line else problem.code


def _running() -> dict[str, Any]:
    lines: list[bytes] = []
    try:
        asyncio.run(ask(running_socket_path(), REPORT, lines.append))
    except OSError as error:
        return {"none": f"no gateway is running that this user has access to ({error.strerror or error})"}
    return json.loads(lines[0]) if lines else {"none": "the running gateway is an older version, which cannot report"}

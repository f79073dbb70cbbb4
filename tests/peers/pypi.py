"""Programs from PyPI that do not go with the gateway's own libraries, installed once beside the user's other caches."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import REQUIRE_PEERS
from tests.peers.npm import CACHE

INSTALL_TIMEOUT_S = 600
LIMIT_S = 60
MAX_NAME_LENGTH = 100


def python_of(version: str) -> str:
    """Return the Python of this version, such as `3.13`; skip the test where none is installed."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    name = f"python{version}"
    for candidate in (*versions.glob(f"{version}.*/bin/{name}"), name):
        with suppress(OSError):
            if subprocess.run([candidate, "-c", ""], capture_output=True, timeout=LIMIT_S, check=False).returncode == 0:
                return str(candidate)
    pytest.skip(f"{name} is not installed")


def _name_of(python: str) -> str:
    if python == sys.executable:
        return f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Path(python).name


def packages(*specifications: str, with_dependencies: bool = False, python: str = sys.executable) -> Path:
    """Return a folder for the `PYTHONPATH` of `python` with these packages.

    Each package is given as `name==version`. They are installed alone, or with their dependencies.
    """
    name = re.sub(r"[^a-z0-9.]+", "-", "_".join((_name_of(python), *specifications)).lower())
    if len(name) > MAX_NAME_LENGTH:
        name = f"{name[:MAX_NAME_LENGTH]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    folder = CACHE / name
    done = folder / "done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--quiet", "--target", folder, *([] if with_dependencies else ["--no-deps"])]
        command = [python, "-m", "pip", "install", *options, *specifications]
        result = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
        if result.returncode:
            (pytest.fail if REQUIRE_PEERS else pytest.skip)(
                f"pip cannot install {specifications}: {result.stderr[-500:]}"
            )
        done.touch()
    return folder

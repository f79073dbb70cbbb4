"""Programs from PyPI that do not go with the gateway's own libraries, installed once beside the user's other caches."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REQUIRE_PEERS
from tests.peers.npm import CACHE

INSTALL_TIMEOUT_S = 240
MAX_NAME_LENGTH = 100


def packages(*specifications: str, with_dependencies: bool = False) -> Path:
    """A folder for `PYTHONPATH` with these packages, each given as `name==version`, alone or with what they need."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    name = re.sub(r"[^a-z0-9.]+", "-", "_".join((python, *specifications)).lower())
    if len(name) > MAX_NAME_LENGTH:
        name = f"{name[:MAX_NAME_LENGTH]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    folder = CACHE / name
    done = folder / "done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--quiet", "--target", folder, *([] if with_dependencies else ["--no-deps"])]
        command = [sys.executable, "-m", "pip", "install", *options, *specifications]
        result = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
        if result.returncode:
            (pytest.fail if REQUIRE_PEERS else pytest.skip)(
                f"pip cannot install {specifications}: {result.stderr[-500:]}"
            )
        done.touch()
    return folder

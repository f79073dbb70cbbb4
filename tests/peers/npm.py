"""Programs from npm, installed once beside the user's other caches."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REQUIRE_PEERS, program

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dsmr-gateway-tests"
INSTALL_TIMEOUT_S = 240


def packages(*specifications: str) -> Path:
    """The `node_modules` that holds these packages, each given as `name@version`."""
    npm = program("npm")
    folder = CACHE / re.sub(r"[^a-z0-9.]+", "-", "_".join(specifications).lower())
    done = folder / "done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(folder), *specifications]
        result = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
        if result.returncode:
            (pytest.fail if REQUIRE_PEERS else pytest.skip)(
                f"npm cannot install {specifications}: {result.stderr[-500:]}"
            )
        done.touch()
    return folder / "node_modules"

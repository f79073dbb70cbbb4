"""Shared by all tests: the telegrams of this project, those beside the checkout, and foreign programs."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

# Whole, before the gateway imports it without its decryption, with which tests compare the gateway's own.
import dsmr_parser.parsers  # noqa: F401
import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).parent.parent
OWN_TELEGRAMS = ROOT / "tests" / "telegrams"
SHARED_TELEGRAMS = ROOT.parent / "shared" / "telegrams"
REQUIRE_PEERS = os.environ.get("GATEWAY_TESTS_REQUIRE_PEERS") == "1"

# Each run has the same examples. The deadline and the health check measure real time, which depends on the machine.
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")

WAITING_MOST = [ROOT / "tests" / room for room in ("packages", "peers", "", "simulation", "service", "cli")]
"""Folders whose files have few tests, and wait long for other programs or for time to pass."""
SHARE_AN_INSTALLATION = ("tests/packages/", "tests/test_packaging.py", "tests/test_readme.py")
"""Files that use what is built and installed once per worker, which takes longer than each of their tests."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the files that share an installation, and put those that take longest first.

    So none of them runs alone at the end while a worker is idle.
    """
    rank = {folder: number for number, folder in enumerate(WAITING_MOST)}
    for item in items:
        if _shares(item.nodeid):
            item.add_marker("installed")
    items.sort(key=lambda item: (not _shares(item.nodeid), rank.get(item.path.parent, len(rank))))


def _shares(nodeid: str) -> bool:
    return nodeid.startswith(SHARE_AN_INSTALLATION)


class ByFile(LoadFileScheduling):
    """Gives a worker all tests of a file, and the files that share an installation to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return SHARE_AN_INSTALLATION[0] if _shares(nodeid) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile | None:
    """Use `ByFile` for `--dist loadfile`."""
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def own_telegram(name: str) -> bytes:
    """Return a telegram of tests/telegrams by its file name without `.txt`."""
    return (OWN_TELEGRAMS / f"{name}.txt").read_bytes()


def shared_manifest() -> list[dict[str, str]]:
    """Return the rows of the manifest of third-party telegrams, none where there are none on this machine."""
    manifest = SHARED_TELEGRAMS / "MANIFEST.csv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="") as stream:
        return list(csv.DictReader(stream))


needs_shared_telegrams = pytest.mark.skipif(
    not SHARED_TELEGRAMS.is_dir(), reason="the third-party telegrams in ../shared/telegrams are not here"
)


def program(name: str) -> str:
    """Return the path of a foreign program; skip the test where it is missing, or fail where it is required."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        (pytest.fail if REQUIRE_PEERS else pytest.skip)(f"{name} is not installed; try: apt install {name}")
    return path

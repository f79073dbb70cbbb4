"""The libraries that go into packages: which, at which version, and that every architecture has them compiled."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import REQUIRE_PEERS, ROOT
from tests.packages.image import EXTRAS

DOCKER = ROOT / "docker"
PINS = DOCKER / "requirements.txt"
BUILD_PINS = DOCKER / "requirements-build.txt"
LINE = re.compile(r"^([\w.-]+)==([^\s;]+)((?:.*\\\n\s+--hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
IMAGE_PYTHON = "313"
# The oldest C library that a wheel may be made for; trixie's is 2.41.
PLATFORMS = {
    "arm64": [f"manylinux_2_{minor}_aarch64" for minor in (17, 28, 31, 34)],
    "armhf": [f"manylinux_2_{minor}_armv7l" for minor in (17, 28, 31, 34)],
}
DOWNLOAD_TIMEOUT_S = 240


def pins(path: Path) -> dict[str, str]:
    """Name → version."""
    return {canonicalize_name(name): version for name, version, _ in LINE.findall(path.read_text())}


def wanted() -> list[Requirement]:
    """What the project asks for, and its extras that go into packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for extra in sorted(EXTRAS) for line in project["optional-dependencies"][extra]]
    return [Requirement(line) for line in (*project["dependencies"], *extras)]


@pytest.mark.parametrize("path", [PINS, BUILD_PINS], ids=lambda path: path.name)
def test_every_library_has_a_version_and_hashes(path: Path) -> None:
    named = [line for line in path.read_text().splitlines() if line and not line.startswith((" ", "#"))]
    assert len(named) == len(pins(path)) > 0


@pytest.mark.parametrize("requirement", wanted(), ids=lambda requirement: requirement.name)
def test_the_project_has_what_it_asks_for(requirement: Requirement) -> None:
    version = pins(PINS)[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(Version(version)), f"make pins: {requirement} is not met by {version}"


def test_the_makefile_pins_the_same_extras() -> None:
    assert set(re.findall(r"--extra (\w+)", (ROOT / "Makefile").read_text())) == EXTRAS


@pytest.mark.parametrize("architecture", PLATFORMS)
def test_nothing_needs_a_compiler(architecture: str, tmp_path: Path) -> None:
    script = '. "$here/pinned.sh"; pinned but "$SOURCE_ONLY${armhf:+|$NOT_FOR_ARMHF}"'
    variables = {"here": str(DOCKER), "PATH": "/usr/bin:/bin", **({"armhf": "1"} if architecture == "armhf" else {})}
    listed = subprocess.run(["sh", "-c", script], env=variables, capture_output=True, text=True, check=True)
    (tmp_path / "requirements.txt").write_text(listed.stdout)
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"),
        *("--implementation=cp", f"--python-version={IMAGE_PYTHON}", f"--dest={tmp_path / 'wheels'}"),
        *(f"--platform={platform}" for platform in PLATFORMS[architecture]),
        *("--requirement", tmp_path / "requirements.txt"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)
    if "Temporary failure in name resolution" in result.stderr and not REQUIRE_PEERS:
        pytest.skip("the package index cannot be reached")
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "wheels").iterdir())) > 0

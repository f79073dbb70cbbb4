"""The pinned libraries: packages have wheels for every architecture, and development uses the same versions."""

from __future__ import annotations

import re
import shutil
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
DEVELOPMENT_PINS = ROOT / "requirements-dev.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
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


def required() -> list[Requirement]:
    """What the project requires, and its extras that go into packages."""
    project = PROJECT["project"]
    extras = [line for extra in sorted(EXTRAS) for line in project["optional-dependencies"][extra]]
    return [Requirement(line) for line in (*project["dependencies"], *extras)]


def required_to_develop() -> list[Requirement]:
    return [*required(), *(Requirement(line) for line in PROJECT["dependency-groups"]["dev"])]


@pytest.mark.parametrize("path", [PINS, BUILD_PINS, DEVELOPMENT_PINS], ids=lambda path: path.name)
def test_every_library_has_a_version_and_hashes(path: Path) -> None:
    named = [line for line in path.read_text().splitlines() if line and not line.startswith((" ", "#"))]
    assert len(named) == len(pins(path)) > 0


@pytest.mark.parametrize("requirement", required(), ids=lambda requirement: requirement.name)
def test_packages_have_what_the_project_requires(requirement: Requirement) -> None:
    version = pins(PINS)[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(Version(version)), f"make pins: {requirement} is not met by {version}"


@pytest.mark.parametrize("requirement", required_to_develop(), ids=str)
def test_the_set_up_has_what_development_requires(requirement: Requirement) -> None:
    version = pins(DEVELOPMENT_PINS)[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(Version(version)), f"make pins: {requirement} is not met by {version}"


def test_tests_run_with_the_versions_that_go_into_packages() -> None:
    packaged = pins(BUILD_PINS) | pins(PINS)
    development = pins(DEVELOPMENT_PINS)
    differing = {name for name, version in packaged.items() if development.get(name, version) != version}
    assert differing == set()
    assert set(pins(PINS)) <= set(development)


@pytest.mark.parametrize("path", [PINS, BUILD_PINS, DEVELOPMENT_PINS], ids=lambda path: path.name)
def test_pins_name_no_package_index(path: Path) -> None:
    assert re.findall(r"://|--index|--find-links|--trusted-host", path.read_text()) == []


def test_the_makefile_pins_the_same_extras() -> None:
    assert set(re.findall(r"--extra (\w+)", (ROOT / "Makefile").read_text())) == EXTRAS


def test_the_set_up_checks_hashes_and_builds_with_pinned_tools_alone() -> None:
    listed = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    installs = [line for line in listed.stdout.splitlines() if "pip install" in line]
    assert len(installs) == 3
    for line in installs:
        assert "--no-build-isolation" in line
        assert ("--require-hashes" in line) != ("--no-deps --no-build-isolation --editable ." in line)


@pytest.mark.parametrize(
    ("moved", "shown"),
    [
        ("s/^click==.*/click==99.0 \\\\/", "+docker/requirements.txt:click==99.0"),
        ("", "No version changed."),
    ],
    ids=["with a new release", "with none"],
)
def test_make_pins_shows_which_versions_changed(moved: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    for path in (PINS, BUILD_PINS, DEVELOPMENT_PINS, ROOT / "Makefile", ROOT / "pyproject.toml"):
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    uv = tmp_path / "tools" / "uv" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(f"""#!/bin/sh\nfor last; do :; done\nsed -i '{moved}' "$last"\n""")
    uv.chmod(0o755)
    result = subprocess.run(
        ["make", "pins", "UPGRADE=1", f"TOOLS={tmp_path / 'tools'}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown in result.stdout.splitlines()
    changed = [line for line in result.stdout.splitlines() if line[:1] in "+-"]
    assert all("click==" in line for line in changed)


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

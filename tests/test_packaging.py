"""The wheel has all that it needs, in an environment of its own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

CONFIG = """\
meter: {simulate: true}
modbus:
  - {listen: "127.0.0.1:0", units: {1: {map: dsmr-5}, 2: {map: sunspec-203}}}
"""


def build(kind: str, source: Path, folder: Path) -> Path:
    """What `python -m build` makes of a checkout: a `wheel` or an `sdist`."""
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(folder), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return path


def test_each_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [requirement for each in project["optional-dependencies"].values() for requirement in each]
    declared = {re.split(r"[<>=; ]", each)[0].replace("-", "_").lower() for each in project["dependencies"] + extras}
    named_otherwise = {"paho": "paho_mqtt", "yaml": "pyyaml"}
    nodes = [node for path in (ROOT / "gateway").rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    names = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    imported = {name.split(".")[0] for name in names}
    libraries = {named_otherwise.get(name, name) for name in imported - sys.stdlib_module_names - {"gateway"}}
    assert libraries - declared == set()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, folder)) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the wheel; its dependencies are those that are installed here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", wheel], check=True, capture_output=True)
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    here = [path for path in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")) if path]
    # Behind the environment's own packages, and without the checkout that is installed here for editing.
    (Path(site.stdout.strip()) / "borrowed.pth").write_text("\n".join(dict.fromkeys(here)) + "\n")
    return folder


def run(environment: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [environment / "bin" / "dsmr-gateway", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_every_file_that_is_not_python_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "register_maps").rglob("*.*"):
        assert f"gateway/{path.relative_to(ROOT)}" in names
    for path in (ROOT / "gateway").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    assert not any(name.startswith(("tests/", "benchmarks/", "fuzz/", "docker/")) for name in names)


def test_the_sdist_builds_the_very_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    again = build("wheel", sdist, tmp_path)
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_sdist_has_what_the_checkout_has_and_nothing_else(sdist: Path) -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    kept = {name for name in listed.stdout.split("\0") if (ROOT / name).is_file()}
    there = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    # Files for git, its host and a build server only, and the file that a build adds.
    assert {name for name in kept - there if not name.startswith((".ci/", ".git", ".pre-commit"))} == set()
    assert there - kept == {"PKG-INFO"}


def test_the_installed_command_uses_the_maps_of_the_wheel(environment: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [environment / "bin" / "python", "-c", "import gateway; print(gateway.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(environment))
    assert "dsmr-gateway, version" in run(environment, tmp_path, "--version").stdout
    listed = run(environment, tmp_path, "maps").stdout
    assert "dsmr-5 " in listed
    assert "sunspec-203 " in listed
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    result = run(environment, tmp_path, "check")
    assert (result.returncode, result.stderr) == (0, "")
    assert "1 meter, 2 units" in result.stdout


def test_every_library_that_is_imported_is_a_dependency(wheel: Path) -> None:
    metadata = next(
        zipfile.ZipFile(wheel).read(name).decode()
        for name in zipfile.ZipFile(wheel).namelist()
        if name.endswith("METADATA")
    )
    for name in ("click", "dsmr_parser", "pydantic", "pymodbus", "PyYAML", "serialx"):
        assert any(
            line.lower().startswith(f"requires-dist: {name.lower()}".replace("_", "-"))
            or line.lower().startswith(f"requires-dist: {name.lower()}")
            for line in metadata.splitlines()
        ), name
    assert "License-Expression: MIT" in metadata

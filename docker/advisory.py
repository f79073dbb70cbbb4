"""From an advisory about a library to a release: moves its pin, checks, and documents the fix.

    python3 docker/advisory.py CVE-2026-12345 cryptography 46.0.5

Run it in a clean checkout. It moves only this library and what it requires, writes the new hashes, and runs the check.
When that passes, it adds a line to the changelog and a statement to the VEX document. What is left to do: run the
tests, raise the version, and release. When the check fails, nothing is documented, and `git checkout .` takes the pins
back.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = "dsmr-modbus-gateway"
PINS = Path("docker/requirements.txt")
CHANGELOG = Path("CHANGELOG.md")
VEX = Path("docker/vex.json")
UNRELEASED, SECURITY = "## Unreleased\n", "### Security\n"
CHECK = os.environ.get("CHECK", "make check")


def version_of(library: str) -> str:
    """Return the pinned version of a library."""
    found = re.search(rf"^{re.escape(library)}==([^\s;]+)", PINS.read_text(), re.MULTILINE)
    if found is None:
        sys.exit(f"{library} is not in {PINS}: the packages do not contain it.")
    return found[1]


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, to compare it."""
    return tuple(int(each) for each in re.findall(r"\d+", version))


def move(library: str, fixed: str) -> None:
    """Pin the fixed version, with its hashes."""
    subprocess.run(["make", "pins", f"MOVE={library}=={fixed}"], check=True)  # noqa: S603, S607 - a developer's make
    if version_of(library) != fixed:
        sys.exit(f"{library} stays at {version_of(library)}: pyproject.toml does not allow {fixed}. Change it first.")


def document(advisory: str, library: str, before: str, fixed: str) -> None:
    """Add the fix to the changelog and to the VEX document."""
    line = f"- {library} {fixed} instead of {before}, which has {advisory}.\n"
    text = CHANGELOG.read_text()
    if SECURITY not in text.partition(UNRELEASED)[2].partition("\n## ")[0]:
        text = text.replace(UNRELEASED, f"{UNRELEASED}\n{SECURITY}", 1)
    CHANGELOG.write_text(text.replace(SECURITY, f"{SECURITY}\n{line}", 1).replace(f"{line}\n- ", f"{line}- ", 1))

    release = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    vex = json.loads(VEX.read_text())
    vex["statements"].append(
        {
            "vulnerability": {"name": advisory},
            "timestamp": now,
            "products": [
                {
                    "@id": f"pkg:pypi/{PROJECT}@{release}",
                    "subcomponents": [{"@id": f"pkg:pypi/{library}@{fixed}"}],
                }
            ],
            "status": "fixed",
            "status_notes": f"The packages contain {library} {fixed} instead of {before}.",
        }
    )
    vex["version"] += 1
    vex["last_updated"] = now
    VEX.write_text(json.dumps(vex, indent=2) + "\n")


def main(advisory: str, library: str, fixed: str) -> None:
    """Move the pin, check and document."""
    before = version_of(library)
    if numbers(before) >= numbers(fixed):
        sys.exit(f"Nothing to move: {library} {before} is pinned, and {fixed} is the first version with the fix.")
    move(library, fixed)
    subprocess.run(CHECK.split(), check=True)  # noqa: S603 - a developer's command
    document(advisory, library, before, fixed)
    print(f"{library} moved from {before} to {fixed}, {CHANGELOG} and {VEX} name {advisory}.")
    print("Now: make test, raise the version in pyproject.toml, and release. CONTRIBUTING.md has the steps.")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("make advisory ID=CVE-... LIBRARY=name FIXED=version")
    main(*sys.argv[1:])

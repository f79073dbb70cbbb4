"""Checks that the files of the project name the version of a tag, and prints that version's part of the changelog.

python3 docker/release.py v0.2.0
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

APP = Path("docker/home-assistant/config.yaml")
CHANGELOG = Path("CHANGELOG.md")
PROJECT = Path("pyproject.toml")
TAG = re.compile(r"v(\d+\.\d+\.\d+(?:rc\d+)?)")


def notes_of(version: str, changelog: str) -> str:
    """Return what the changelog says about a version; empty without a dated heading for it."""
    found = re.search(
        rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    return found[1].strip() if found else ""


def faults_of(version: str) -> list[str]:
    """Return the files that are not ready for the release of a version, each with what to do."""
    faults = []
    named = tomllib.loads(PROJECT.read_text())["project"]["version"]
    if named != version:
        faults.append(f'{PROJECT}: the version is {named}. Write version = "{version}"')
    app = re.search(r'^version: "?([^"\s]+)"?$', APP.read_text(), re.MULTILINE)
    if app is None or app[1] != version:
        faults.append(f'{APP}: the version is {app[1] if app else "missing"}. Write version: "{version}"')
    if not notes_of(version, CHANGELOG.read_text()):
        faults.append(f"{CHANGELOG}: no heading for it. Rename Unreleased to: ## {version} (YEAR-MONTH-DAY)")
    return faults


def main(tag: str) -> None:
    """Check the files, and print the notes of the release."""
    found = TAG.fullmatch(tag)
    if found is None:
        sys.exit(f"{tag} is not the tag of a release. It has to look like v0.2.0 or v0.2.0rc1")
    faults = faults_of(found[1])
    if faults:
        sys.exit("\n".join([f"{tag} is not ready:", *faults]))
    print(notes_of(found[1], CHANGELOG.read_text()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python3 docker/release.py v0.2.0")
    main(sys.argv[1])
